//! The command line: arguments, files, exit codes. The only room that reads clocks and writes files.

mod args;
mod backtest;
mod bench;
mod compare;
mod config;
mod convert;
mod demo;
mod explain;
mod files;
mod fit;
mod init;
mod inputs;
mod outputs;
mod pod_trace;
mod progress;
mod recordings;
mod repeat;
mod run;
mod side_by_side;
mod size;
mod sweep;
mod terminal;
mod validate;
mod values;

use std::error::Error;
use std::panic;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use files::to_stderr;
use terminal::Color;

/// How the program ends. The numbers are a contract; see the help of `run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// It ran, and all thresholds hold.
    Success,
    /// A review found what it must not find.
    Findings,
    /// It worked, and there is a difference that was asked about.
    Differs,
    /// It ran, and a threshold failed: k6's number.
    ThresholdFailed,
    /// The input or the usage is wrong; nothing was simulated.
    Usage,
    /// A bug of ours: `EX_SOFTWARE`.
    Bug,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Findings => 1,
            Exit::Differs => 3,
            Exit::ThresholdFailed => 99,
            Exit::Usage => 2,
            Exit::Bug => 70,
        })
    }
}

/// Runs the program on the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(|info| {
        to_stderr(&format!(
            "error: this is a bug in aurelius-sim {}: {info}\n\
             note: the same command with the same files shows it again; please report both",
            env!("CARGO_PKG_VERSION")
        ));
    }));
    match panic::catch_unwind(|| dispatch(Cli::parse())) {
        Ok(exit) => exit.into(),
        Err(_) => Exit::Bug.into(),
    }
}

fn dispatch(cli: Cli) -> Exit {
    choose_colour(cli.color);
    match cli.command {
        Command::Run(args) => run::run(&args, cli.color),
        Command::Size(args) => size::size_scenarios(&args, cli.color),
        Command::Bench(args) => bench::bench(&args, cli.color),
        Command::Compare(args) => compare::compare(&args, cli.color),
        Command::Sweep(args) => sweep::sweep(&args, cli.color),
        Command::Validate(args) => validate::validate(&args, cli.color),
        Command::Init(args) => init::init(&args, cli.color),
        Command::Demo(args) => demo::demo(&args, cli.color),
        Command::Convert(args) => convert::convert(&args),
        Command::Backtest(args) => backtest::backtest(&args, cli.color),
        Command::Fit(args) => fit::fit(&args),
        Command::Schema { kind } => schema(kind.as_deref()),
        Command::Completions { shell } => completions(shell),
        Command::Values(args) => values::values(&args, cli.color),
        Command::Explain { code } => explain::explain(code.as_deref()),
    }
}

/// Prints the schema of a kind, or the kinds there are.
fn schema(kind: Option<&str>) -> Exit {
    let text = match kind {
        None => crate::input::schema::KINDS.join("\n") + "\n",
        Some(kind) => match crate::input::schema::schema(kind) {
            Some(schema) => format!("{schema:#}\n"),
            None => {
                let known = crate::input::schema::KINDS.join(", ");
                to_stderr(&format!("error: there is no kind `{kind}` (known: {known})"));
                return Exit::Usage;
            }
        },
    };
    print(&text)
}

/// Prints the completions of a shell.
fn completions(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    let mut command = <Cli as clap::CommandFactory>::command();
    clap_complete::generate(shell, &mut command, "aurelius-sim", &mut script);
    print(&String::from_utf8_lossy(&script))
}

fn print(text: &str) -> Exit {
    match files::to_stdout(text) {
        Ok(()) => Exit::Success,
        Err(error) => {
            say_error(&error);
            Exit::Usage
        }
    }
}

/// What the flag says outweighs the environment; `auto` leaves it to anstream, stream by stream.
fn choose_colour(color: Color) {
    match color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
}

/// Says an error of the world with its chain of causes.
fn say_error(error: &dyn Error) {
    let mut text = format!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n  cause: {error}"));
        cause = error.source();
    }
    to_stderr(&text);
}
