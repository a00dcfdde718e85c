//! Conformance: the simulator's controllers against recorded answers of the real ones.
//!
//! Reads `tests/conformance/`, or the folder named by `$AURELIUS_CONFORMANCE_DIR`. Files are named
//! `FAMILY-ANYTHING.jsonl` or `.json`, plain or `.gz`; the family is what stands before the last
//! `-`. To add a family, add its file under `conformance_families/` and its line to `FAMILIES`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

#[path = "conformance_families/mod.rs"]
mod families;

use families::{FAMILIES, Family, Outcome};

/// How many mismatches of a family are shown.
const SHOWN: usize = 5;

#[test]
fn controllers_answer_as_the_real_ones() {
    let directory = std::env::var_os("AURELIUS_CONFORMANCE_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance"),
        PathBuf::from,
    );
    let run = run_directory(&directory, FAMILIES).unwrap_or_else(|error| panic!("{error}"));
    // Not `println!`: the figures are to be seen although the test passes.
    std::io::stdout().lock().write_all(run.text.as_bytes()).expect("stdout takes text");
    assert!(run.passed, "the simulator differs from the real controllers; see above");
}

/// The report on a folder of vectors.
struct Run {
    text: String,
    passed: bool,
}

fn run_directory(directory: &Path, families: &[Family]) -> Result<Run, String> {
    let mut known: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    let mut text = String::new();
    for path in vector_files(directory)? {
        let name = family_name(&path);
        match families.iter().find(|family| name.as_deref() == Some(family.name)) {
            Some(family) => known.entry(family.name).or_default().push(path),
            None => {
                let name = name.unwrap_or_else(|| "(none)".to_owned());
                text += &format!("{name}: no such family is known, skipped {}\n", path.display());
            }
        }
    }
    if known.is_empty() {
        return Err(format!("{text}no vectors of a known family in {}", directory.display()));
    }
    let mut passed = true;
    for family in families {
        let Some(paths) = known.get(family.name) else {
            continue;
        };
        let mut cases = Vec::new();
        for path in paths {
            cases.extend(read_cases(path)?);
        }
        let outcome =
            (family.check)(&cases).map_err(|error| format!("{}: {error}", family.name))?;
        text += &summary(family.name, cases.len(), &outcome);
        passed &= outcome.mismatches.is_empty() && outcome.checks > 0;
    }
    Ok(Run { text, passed })
}

fn summary(family: &str, cases: usize, outcome: &Outcome) -> String {
    let Outcome { checks, mismatches } = outcome;
    let count = mismatches.len();
    let mut text = format!("{family}: {cases} cases, {checks} checks, {count} mismatches\n");
    for mismatch in mismatches.iter().take(SHOWN) {
        text += &format!("  {}\n", mismatch.place);
        for difference in &mismatch.differences {
            text += &format!(
                "    {}\n      expected {}\n      got      {}\n",
                difference.field, difference.expected, difference.got
            );
        }
    }
    if count > SHOWN {
        text += &format!("  and {} more\n", count - SHOWN);
    }
    text
}

/// The vector files of a folder, in the order of their names.
fn vector_files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |error| format!("cannot read {}: {error}", directory.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if file_stem(&path).is_some() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The name of a vector file without its endings; `None` for other files.
fn file_stem(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").unwrap_or(name);
    name.strip_suffix(".jsonl").or_else(|| name.strip_suffix(".json"))
}

fn family_name(path: &Path) -> Option<String> {
    file_stem(path)?.rsplit_once('-').map(|(family, _)| family.to_owned())
}

fn read_cases(path: &Path) -> Result<Vec<Value>, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = fs::read(path).map_err(|error| cannot(&error))?;
    let mut text = String::new();
    let name = path.to_string_lossy();
    match name.ends_with(".gz") {
        true => flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text),
        false => bytes.as_slice().read_to_string(&mut text),
    }
    .map_err(|error| cannot(&error))?;
    if !name.trim_end_matches(".gz").ends_with(".jsonl") {
        return serde_json::from_str(&text).map_err(|error| cannot(&error));
    }
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line)
                .map_err(|error| format!("{}:{}: {error}", path.display(), index + 1))
        })
        .collect()
}

#[test]
fn a_missing_or_empty_folder_fails() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing");
    assert!(run_directory(&missing, FAMILIES).is_err());
    assert!(run_directory(folder.path(), FAMILIES).is_err());
}

#[test]
fn an_unknown_family_is_reported_and_a_mismatch_shown() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("the temporary folder takes files");
    };
    write("parrot-dev.jsonl", "{}\n");
    write("echo-a.json", "[1, 2]");
    write("echo-b.jsonl", "3\n\n4\n");
    write("README.md", "no vectors");
    let check = |cases: &[Value]| {
        families::each_case(cases, |case: i64| {
            let mut checks = families::Checks::default();
            checks.at(format!("case {case}")).compare("value", &case.min(3), &case);
            checks
        })
    };
    let echo = Family { name: "echo", check };
    let run = run_directory(folder.path(), &[echo]).expect("there are vectors");
    assert!(!run.passed);
    assert!(run.text.contains("parrot: no such family is known"), "{}", run.text);
    let figures = "echo: 4 cases, 4 checks, 1 mismatches\n  case 4\n    value\n      expected 3\n";
    assert!(run.text.contains(figures), "{}", run.text);
}
