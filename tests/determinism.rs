//! The same seed gives the same bytes of every output, twice and for any number of threads; another
//! seed gives others. Through the program itself, so that nothing on the way can differ.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Every file that a run writes, by name.
fn outputs(scenario: &Path, arguments: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().expect("the test may write to the temporary folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let status = Command::new(env!("CARGO_BIN_EXE_aurelius-sim"))
        .arg("run")
        .arg(scenario)
        .args(["--quiet", "--exit-zero"])
        .args(["-o", &format!("json={}", at("run.json"))])
        .args(["-o", &format!("ndjson={}", at("run.ndjson"))])
        .args(["-o", &format!("text={}", at("run.txt"))])
        .args(["-o", &format!("csv={}", at("csv"))])
        .args(["-o", &format!("svg={}", at("svg"))])
        .args(arguments)
        .status()
        .expect("the program can be started");
    assert!(status.success(), "{status}");
    let mut files = BTreeMap::new();
    collect(folder.path(), folder.path(), &mut files);
    files
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("the folder was written") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("it is below").display().to_string();
            files.insert(name, std::fs::read(&path).expect("it was written"));
        }
    }
}

/// Names of the files that differ.
fn differing(left: &BTreeMap<String, Vec<u8>>, right: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    assert!(left.keys().eq(right.keys()), "other files were written");
    let pairs = left.iter().zip(right.values());
    pairs.filter(|((_, left), right)| left != right).map(|((name, _), _)| name.clone()).collect()
}

/// The zone outage in short: pods, nodes, evictions, the autoscaler and failing calls take part.
fn scenario(folder: &Path) -> std::path::PathBuf {
    let text = std::fs::read_to_string("scenarios/zone-outage.yaml").expect("it is shipped");
    let root = std::env::current_dir().expect("tests run in the package");
    let changes = [
        ("../profiles", format!("{}/profiles", root.display())),
        ("duration: 50m\n", "duration: 9m\n".to_owned()),
        ("warmUp: 5m", "warmUp: 1m".to_owned()),
        ("at: 15m", "at: 30s".to_owned()),
        ("for: 20m", "for: 7m".to_owned()),
        ("duration: 50m,", "duration: 9m,".to_owned()),
        ("rate: 360,", "rate: 60,".to_owned()),
    ];
    let changed = changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the scenario has no `{from}`");
        text.replace(from, to)
    });
    let path = folder.join("outage.yaml");
    std::fs::write(&path, changed).expect("the folder is ours");
    path
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_does_not() {
    let folder = tempfile::tempdir().expect("the test may write to the temporary folder");
    let path = scenario(folder.path());
    let one = outputs(&path, &["--runs", "2", "--jobs", "1"]);
    let kinds = ["run.json", "run.ndjson", "run.txt", "csv/load.csv", "svg/"];
    for kind in kinds {
        assert!(one.keys().any(|name| name.starts_with(kind)), "{kind} was not written");
    }
    let again = outputs(&path, &["--runs", "2", "--jobs", "1"]);
    assert_eq!(differing(&one, &again), [""; 0], "twice the same");
    let parallel = outputs(&path, &["--runs", "2", "--jobs", "2"]);
    assert_eq!(differing(&one, &parallel), [""; 0], "one thread and two");
    let stated = outputs(&path, &["--runs", "2", "--jobs", "2", "--seed", "42"]);
    assert_eq!(differing(&one, &stated), [""; 0], "42 is what the scenario says");
    let other = differing(&one, &outputs(&path, &["--runs", "2", "--jobs", "2", "--seed", "43"]));
    for kind in kinds {
        assert!(other.iter().any(|name| name.starts_with(kind)), "{kind} hangs on no seed");
    }
}
