//! A saved result as the base of a comparison.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::cli::files::read_text;
use crate::input::json;
use crate::report::figures::from_json;
use crate::sweep::Figures;

/// What a result says of its scenarios.
pub(in crate::cli) struct Baseline {
    /// Runs by the name of the scenario.
    pub(in crate::cli) runs: BTreeMap<String, Vec<Figures>>,
    /// The seed of all of them, when the result has one.
    pub(in crate::cli) seed: Option<u64>,
}

/// Reads the result of `run` or of `bench`; of a bench its base counts.
pub(in crate::cli) fn read(path: &Path) -> Result<Baseline, String> {
    let shown = path.display();
    let text = read_text(path)?;
    let value: Value = serde_json::from_str(&text).map_err(|error| json::told_of(path, &error))?;
    let Some(version) = value.pointer("/tool/version").and_then(Value::as_str) else {
        return Err(format!("{shown} is no result of `run -o json` or `bench -o json`"));
    };
    if version != env!("CARGO_PKG_VERSION") {
        return Err(format!(
            "{shown} was written by version {version} of aurelius-sim, this is {}: make it anew",
            env!("CARGO_PKG_VERSION")
        ));
    }
    let list = |value: &Value, key: &str| -> Option<Vec<Figures>> {
        value.get(key)?.as_array()?.iter().map(from_json).collect()
    };
    let mut runs = BTreeMap::new();
    if let Some(name) = value.get("scenario").and_then(Value::as_str) {
        runs.extend(list(&value, "figures").map(|figures| (name.to_owned(), figures)));
    } else if let Some(scenarios) = value.pointer("/policies/0/scenarios").and_then(Value::as_array)
    {
        for scenario in scenarios {
            let name = scenario.get("scenario").and_then(Value::as_str);
            runs.extend(name.map(str::to_owned).zip(list(scenario, "runs")));
        }
    }
    if runs.values().all(Vec::is_empty) {
        return Err(format!("{shown} is no result of `run -o json` or `bench -o json`"));
    }
    let seed = value.pointer("/seeds/0").and_then(Value::as_u64);
    Ok(Baseline { runs, seed })
}
