//! The rules of the house that the compiler does not check: floors, sizes, module docs, leftovers.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by floor. A room imports only rooms of lower floors.
const FLOORS: [&[&str]; 12] = [
    &["units"],
    &["engine", "promql"],
    &["model", "fit"],
    &["cluster", "service", "load"],
    &["control"],
    &["scenario"],
    &["sim", "input", "placement"],
    &["trace", "metrics", "alerts", "calibrate", "backtest"],
    &["findings", "checks"],
    &["sweep"],
    &["report"],
    &["cli"],
];

/// Exceptions to the floors: a room that must not import another although it is lower.
const FORBIDDEN: [(&str, &[&str]); 7] = [
    ("alerts", &["sim", "input"]),
    ("trace", &["sim", "input"]),
    ("metrics", &["sim", "input"]),
    ("findings", &["sim", "input"]),
    ("checks", &["sim", "trace", "metrics"]),
    ("sweep", &["input"]),
    ("report", &["sim", "input"]),
];

const LINES_MAX: usize = 800;
const MEDIAN_MAX: usize = 300;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).expect("a source folder can be read");
        for entry in entries {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a source file is UTF-8")
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).expect("files lie under the root").display().to_string()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The room of a file under `src`, `None` for `lib.rs` and `main.rs`.
fn room(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(root().join("src")).expect("the file lies under src");
    let first = inside.components().next().expect("a file has a name").as_os_str();
    let name = first.to_string_lossy();
    (!name.ends_with(".rs")).then(|| name.into_owned())
}

/// Rooms that a line of code names as `crate::ROOM` or in a group `crate::{ROOM, ...}`.
fn rooms_named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0_u32;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => rooms.push(std::mem::take(&mut word)),
                    c if depth == 0 && !c.is_whitespace() => word.push(c),
                    _ => {}
                }
            }
            rooms.push(word);
        } else {
            rooms.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    let first = |name: String| name.split("::").next().unwrap_or_default().to_owned();
    rooms.into_iter().map(first).filter(|name| floor(name).is_some()).collect()
}

#[test]
fn rooms_import_only_lower_floors() {
    let mut faults = Vec::new();
    for path in rust_files("src") {
        let Some(own) = room(&path) else { continue };
        // Test code may make what it tests with from above.
        let name = path.file_name().expect("a file has a name").to_string_lossy();
        if matches!(&*name, "fixture.rs" | "tests.rs")
            || path.components().any(|c| c.as_os_str() == "tests")
        {
            continue;
        }
        let own_floor = floor(&own).unwrap_or_else(|| panic!("{own} has no floor"));
        for named in rooms_named(&text(&path)) {
            let forbidden = FORBIDDEN
                .iter()
                .any(|(room, others)| *room == own && others.contains(&named.as_str()));
            let upward = floor(&named).expect("only rooms are named") >= own_floor && named != own;
            if upward || forbidden {
                faults.push(format!("{}: {own} must not import {named}", shown(&path)));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_floor_check_sees_groups_over_several_lines() {
    let code =
        "use crate::{\n    sim::{Run, go},\n    units::SimTime,\n};\nlet x = crate::input::load();";
    assert_eq!(rooms_named(code), ["sim", "units", "input"]);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut faults = Vec::new();
    let mut sizes = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for path in rust_files(folder) {
            let text = text(&path);
            let lines = text.lines().count();
            if folder == "src" {
                sizes.push(lines);
            }
            if lines > LINES_MAX {
                faults.push(format!("{}: {lines} lines, at most {LINES_MAX}", shown(&path)));
            }
            if !text.starts_with("//! ") && !text.starts_with("#![") {
                faults.push(format!("{}: has no module documentation", shown(&path)));
            }
            if text.starts_with("//! Placeholder") {
                faults.push(format!("{}: its documentation is a placeholder", shown(&path)));
            }
        }
    }
    sizes.sort_unstable();
    let median = sizes[sizes.len() / 2];
    if median > MEDIAN_MAX {
        faults.push(format!("the median file has {median} lines, at most {MEDIAN_MAX}"));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn nothing_is_left_open() {
    let leftovers = ["todo!(", "unimplemented!(", "#[ignore", "#[allow(", "dbg!("];
    let mut faults = Vec::new();
    for path in rust_files("src").into_iter().chain(rust_files("tests")) {
        if path.ends_with("tidy.rs") {
            continue;
        }
        let text = text(&path);
        for leftover in leftovers.iter().filter(|leftover| text.contains(**leftover)) {
            faults.push(format!("{}: {leftover}", shown(&path)));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let manifest = text(&root().join("Cargo.toml"));
    let mut section = "";
    let mut before = "";
    let mut faults = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let dependency = section.contains("dependencies]") && line.contains(" = ");
        if dependency && !before.starts_with('#') && !before.contains(" = ") {
            faults.push(format!("Cargo.toml: no reason above `{line}`"));
        }
        before = line;
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
