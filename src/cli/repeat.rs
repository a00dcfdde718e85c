//! `run --from`: a run again, from what its result says of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;

use crate::cli::Exit;
use crate::cli::files::{read_text, to_stderr};
use crate::cli::inputs::InputArgs;
use crate::cli::run::args::RunArgs;
use crate::cli::run::{load_asked, run};
use crate::cli::terminal::Color;
use crate::input::json;
use crate::units::convert::count_u32;

/// The arguments that a result keeps.
#[derive(Parser)]
struct Words {
    #[arg(long)]
    rps: Option<u64>,
    #[command(flatten)]
    inputs: InputArgs,
}

/// Repeats the run of a result, unless anything that it was made from has changed.
pub(super) fn repeat(path: &Path, args: &RunArgs, color: Color) -> Exit {
    let (again, inputs) = match read(path, args) {
        Ok(read) => read,
        Err(problem) => {
            to_stderr(&format!(
                "error: {problem}\nhint: `--from` takes what `run -o json=FILE` wrote"
            ));
            return Exit::Usage;
        }
    };
    let Some(scenario) = load_asked(&again, color) else { return Exit::Usage };
    let now: BTreeMap<&str, &str> =
        scenario.inputs.iter().map(|file| (&*file.path, &*file.sha256)).collect();
    let changed = inputs.iter().find(|(path, sha)| now.get(path.as_str()) != Some(&sha.as_str()));
    if let Some((file, _)) = changed {
        to_stderr(&format!(
            "error: {} cannot be repeated: {file} is not what it was",
            path.display()
        ));
        return Exit::Usage;
    }
    run(&again, color)
}

/// The arguments of the run, and its inputs with their hashes.
fn read(path: &Path, args: &RunArgs) -> Result<(RunArgs, BTreeMap<String, String>), String> {
    let shown = path.display();
    let text = read_text(path)?;
    let value: Value = serde_json::from_str(&text).map_err(|error| json::told_of(path, &error))?;
    let Some(version) = value.pointer("/tool/version").and_then(Value::as_str) else {
        return Err(format!("{shown}:1:1: is JSON, but no result of a run"));
    };
    let own = env!("CARGO_PKG_VERSION");
    if version != own {
        return Err(format!(
            "{shown} cannot be repeated: version `{version}` made it, this is {own}"
        ));
    }
    let missing = |what: &str| format!("{shown} cannot be repeated: it does not say its {what}");
    let scenario = value.get("path").and_then(Value::as_str).ok_or_else(|| missing("path"))?;
    let seed = value.pointer("/seeds/0").and_then(Value::as_u64).ok_or_else(|| missing("seed"))?;
    let list = |key: &str| value.get(key).and_then(Value::as_array).ok_or_else(|| missing(key));
    let words: Option<Vec<String>> =
        list("arguments")?.iter().map(|word| word.as_str().map(str::to_owned)).collect();
    let words = words.ok_or_else(|| missing("arguments"))?;
    let words = std::iter::once("run".to_owned()).chain(words);
    let words = Words::try_parse_from(words).map_err(|error| {
        format!("{shown} cannot be repeated: its arguments cannot be read: {error}")
    })?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let inputs = list("inputs")?.iter().filter_map(|it| text(it, "path").zip(text(it, "sha256")));
    let again = RunArgs {
        // A scenario that was guessed is no file; its peak says how to guess it again.
        scenarios: if words.rps.is_some() { Vec::new() } else { vec![PathBuf::from(scenario)] },
        from: None,
        rps: words.rps,
        inputs: words.inputs,
        seed: Some(seed),
        runs: count_u32(list("figures")?.len()).max(1),
        strict: value.get("strict").and_then(Value::as_bool).unwrap_or(args.strict),
        ..args.clone()
    };
    Ok((again, inputs.collect()))
}
