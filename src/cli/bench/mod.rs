//! `bench`: policies over scenarios, every pair with the same luck.

pub(in crate::cli) mod args;
pub(in crate::cli) mod variants;

use crate::cli::files::to_stderr;
use crate::cli::outputs::{Output, asked_or, put, refuse_conflict};
use crate::cli::progress::Meter;
use crate::cli::terminal::{Color, ProgressArg};
use crate::cli::{Exit, say_error};
use crate::report::bench::{json, pareto::pareto, text::text};
use crate::scenario::Scenario;
use crate::sweep::bench::{Bench, BenchOptions, Pair, Witness, compute_and_show};
use crate::sweep::with_threads;
use crate::units::SimDuration;
use crate::units::convert::{count_u32, index};

use args::{BenchArgs, BenchFormat};
use variants::{AS_WRITTEN, Variants};

/// Runs the command.
pub(super) fn bench(args: &BenchArgs, color: Color) -> Exit {
    let done = compute_bench(args, color).and_then(|(bench, inputs)| {
        write_outputs(&args.output, &bench, &inputs)?;
        Ok(bench)
    });
    match done {
        Ok(bench) if bench.pairs.iter().flatten().any(|pair| matches!(pair, Pair::Ran(_))) => {
            Exit::Success
        }
        Ok(_) => {
            to_stderr("error: no policy runs any of the scenarios");
            Exit::Usage
        }
        Err(exit) => exit,
    }
}

fn compute_bench(args: &BenchArgs, color: Color) -> Result<(Bench, Vec<(String, String)>), Exit> {
    refuse_conflict(&args.output)?;
    let policies = variants::policies(&args.policies, color)?;
    let options = args.inputs.load_options(args.seed, color)?;
    let paths = variants::scenario_files(&args.scenarios)?;
    let mut variants = Variants::new(&paths, &options, (args.fluid, true), color)?;
    if let Some(base) = &args.base
        && base != AS_WRITTEN
        && !policies.iter().any(|policy| *policy.name == **base)
    {
        let known: Vec<&str> = policies.iter().map(|policy| &*policy.name).collect();
        to_stderr(&format!(
            "error: there is no policy `{base}` (known: {AS_WRITTEN}, {})",
            known.join(", ")
        ));
        return Err(Exit::Usage);
    }
    for policy in &policies {
        variants.add(policy);
    }
    let base = args.base.as_deref().unwrap_or(AS_WRITTEN);
    let base = variants.names.iter().position(|name| name == base).unwrap_or(0);
    variants.names[..=base].rotate_right(1);
    variants.scenarios[..=base].rotate_right(1);
    let options = BenchOptions {
        seed: args.seed,
        runs: args.runs,
        precision: args.precision,
        strict: args.strict,
    };
    let bench = run(&variants, options, args.jobs, args.progress, &|_, _, _| {})?;
    Ok((bench, variants.inputs()))
}

/// Runs variants of scenarios.
pub(in crate::cli) fn run(
    variants: &Variants,
    options: BenchOptions,
    jobs: Option<u32>,
    progress: ProgressArg,
    show: &Witness<'_>,
) -> Result<Bench, Exit> {
    let ready = variants.scenarios.iter().flatten().filter(|it| it.is_ok()).count();
    let total = count_u32(ready).saturating_mul(options.runs).max(2);
    let meter = Meter::new(progress, "bench", SimDuration::ZERO, total);
    let jobs = jobs.map_or(0, index);
    let hear = |news| meter.hear(news);
    let pairs = with_threads(jobs, || compute_and_show(&variants.scenarios, options, &hear, show));
    meter.clear();
    let pairs = pairs.map_err(|error| {
        say_error(&error);
        Exit::Usage
    })?;
    let currency = |scenario: &Scenario| scenario.prices.currency.to_string();
    let first = variants.scenarios.iter().flatten().find_map(|it| it.as_ref().ok());
    Ok(Bench {
        scenarios: variants.titles.clone(),
        policies: variants.names.clone(),
        pairs,
        currency: first.map(currency).unwrap_or_default(),
    })
}

fn write_outputs(
    outputs: &[Output<BenchFormat>],
    bench: &Bench,
    inputs: &[(String, String)],
) -> Result<(), Exit> {
    for output in asked_or(outputs, BenchFormat::Text) {
        let made = match output.format {
            BenchFormat::Text => text(bench),
            BenchFormat::Json => json(bench, inputs),
            BenchFormat::Svg => pareto(bench).ok_or_else(|| {
                to_stderr("error: a picture needs two policies that run every scenario");
                Exit::Usage
            })?,
        };
        put(&output, &made)?;
    }
    Ok(())
}
