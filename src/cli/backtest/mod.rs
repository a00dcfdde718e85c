//! `backtest`: a past day again, beside what was recorded of it, and under other policies.

pub(in crate::cli) mod args;
mod day;
mod loops;
mod record;

use crate::backtest::Backtest;
use crate::cli::Exit;
use crate::cli::bench::variants::kind_of;
use crate::cli::files::to_stderr;
use crate::cli::outputs::{asked_or, put, refuse_conflict};
use crate::cli::terminal::Color;
use crate::input::source::io_cause;
use crate::report::backtest::text::text;
use crate::report::backtest::{csv, json, picture};
use crate::report::html;

use args::{BacktestArgs, BacktestFormat};

/// Days, and the files they were made from with their hashes.
type Days = (Vec<Backtest>, Vec<(String, String)>);

/// Replays and tells.
pub(super) fn backtest(args: &BacktestArgs, color: Color) -> Exit {
    let run = || -> Result<(), Exit> {
        refuse_conflict(&args.output)?;
        let (days, inputs) = days(args, color)?;
        write(args, &days, &inputs)
    };
    match run() {
        Ok(()) => Exit::Success,
        Err(exit) => exit,
    }
}

fn days(args: &BacktestArgs, color: Color) -> Result<Days, Exit> {
    let scenario = args.day.as_ref().filter(|path| kind_of(path).as_deref() == Some("Scenario"));
    if let Some(path) = scenario {
        return day::day(path, args, color);
    }
    if !args.recorded.is_empty() {
        let what = match &args.day {
            None => "none is named".to_owned(),
            Some(path) => match std::fs::metadata(path) {
                Ok(_) => format!("{} is none (`kind: Scenario`)", path.display()),
                Err(error) => format!("{} cannot be read: {}", path.display(), io_cause(&error)),
            },
        };
        to_stderr(&format!(
            "error: --recorded is held against a scenario, and {what}\n\
             hint: aurelius-sim backtest scenario.yaml --recorded replicas/gateway=replicas.json"
        ));
        return Err(Exit::Usage);
    }
    Ok((loops::days(args).ok_or(Exit::Usage)?, Vec::new()))
}

fn write(args: &BacktestArgs, days: &[Backtest], inputs: &[(String, String)]) -> Result<(), Exit> {
    for output in asked_or(&args.output, BacktestFormat::Text) {
        let made = match output.format {
            BacktestFormat::Text => days.iter().map(text).collect::<Vec<_>>().join("\n"),
            BacktestFormat::Json => json(days),
            BacktestFormat::Csv => csv(days),
            BacktestFormat::Svg => match days {
                [day] => picture(day),
                _ => {
                    let count = days.len();
                    to_stderr(&format!(
                        "error: a picture is of one day, and the recording has {count}; -o html draws all of them"
                    ));
                    return Err(Exit::Usage);
                }
            },
            BacktestFormat::Html => html::backtest(days, inputs, &command()),
        };
        put(&output, &made)?;
    }
    Ok(())
}

/// What was typed.
fn command() -> String {
    let words = std::env::args().skip(1).map(|word| match word.contains([' ', '{', '(', '\'']) {
        true => format!("'{}'", word.replace('\'', "'\\''")),
        false => word,
    });
    std::iter::once("aurelius-sim".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}
