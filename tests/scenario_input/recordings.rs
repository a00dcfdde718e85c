//! Loads that replay what was recorded, and the days of a hospital.

use aurelius_sim::input::render::{Colour, render_all};
use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::load::{LoadSpec, Spacing};
use aurelius_sim::units::SimDuration;

use super::FILES;

/// The small scenario with another load, and a recording beside it.
fn loaded(load: &str, recording: &[u8]) -> Result<(LoadSpec, String), String> {
    let folder = tempfile::tempdir().expect("the test may write to the temporary folder");
    for (name, text) in FILES {
        let text = if name == "scenario.yaml" {
            let (before, rest) = text.split_once("load:\n").expect("it has a load");
            let after = rest.find("\nthresholds:").map_or("", |at| &rest[at..]);
            format!("{before}load:\n  scenarios:\n    day:\n      exec: browse\n{load}{after}")
        } else {
            text.to_owned()
        };
        std::fs::write(folder.path().join(name), text).expect("the folder is ours");
    }
    std::fs::write(folder.path().join("day.csv"), recording).expect("the folder is ours");
    let loaded = load_scenario(&folder.path().join("scenario.yaml"), &LoadOptions::default());
    let prefix = format!("{}/", folder.path().display());
    let said = render_all(&loaded.diagnostics, &loaded.sources, Colour::Plain).replace(&prefix, "");
    match loaded.scenario {
        Some(scenario) => Ok((scenario.loads[0].clone(), said)),
        None => Err(said),
    }
}

fn rates(load: &LoadSpec, at_s: &[u64]) -> Vec<f64> {
    at_s.iter()
        .map(|at| load.offered_rate(SimDuration::from_secs(*at)).expect("it is open"))
        .collect()
}

#[test]
fn a_recording_is_replayed_scaled_and_compressed() {
    let replay = "      executor: replay\n      file: day.csv\n      compress: 6\n      scale: 2\n      \
                  length: 3m\n";
    let (load, said) =
        loaded(replay, b"minute,requests\n0,60\n1,120\n2,600\n3,6000\n").expect("it is right");
    assert_eq!(said, "");
    assert_eq!(load.executor().name(), "replay");
    assert_eq!(rates(&load, &[0, 9, 10, 20, 29, 30]), [2.0, 2.0, 4.0, 20.0, 20.0, 0.0]);
    assert_eq!(load.ends_at(), SimDuration::from_secs(30));
}

#[test]
fn a_recording_may_be_packed_and_repeated_up_to_a_peak() {
    use std::io::Write;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"time,rps\n0,1\n10,4\n").expect("memory takes it");
    let packed = packed.finish().expect("memory takes it");
    let replay = "      executor: replay\n      file: day.csv\n      peak: 100/s\n      repeat: true\n      \
                  duration: 50s\n";
    let (load, _) = loaded(replay, &packed).expect("it is right");
    assert_eq!(rates(&load, &[5, 15, 25, 35, 49, 50]), [25.0, 100.0, 25.0, 100.0, 25.0, 0.0]);
}

#[test]
fn what_a_recording_lacks_is_told_where_it_lacks_it() {
    let replay = "      executor: replay\n      file: day.csv\n";
    let said = loaded(replay, b"time,rps\n0,1\n10,many\n").expect_err("`many` is no number");
    assert!(said.contains("day.csv:3") && said.contains("`rps` is `many`"), "{said}");
    let said = loaded(replay, b"time,x\n0,1\n10,2\n").expect_err("rates or counts?");
    assert!(said.contains("values: counts"), "{said}");
    let said = loaded(replay, b"").expect_err("it is empty");
    assert!(said.contains("is empty"), "{said}");
    let said = loaded(replay, b"time,rps\n0,1\n1,inf\n2,3\n").expect_err("infinite");
    assert!(said.contains("which is no rate"), "{said}");
    let (load, said) = loaded(replay, b"time,rps\n0,1\n60,1\n120,1\n7200,3\n").expect("a gap");
    assert!(said.contains("AUR706") && said.contains("the longest lasts 1h57m"), "{said}");
    assert_eq!(rates(&load, &[179, 181]), [1.0, 0.0]);
    let wrong = "      executor: replay\n      file: night.csv\n";
    let said = loaded(wrong, b"").expect_err("there is no such file");
    assert!(said.contains("cannot read `night.csv`"), "{said}");
    let beyond = "      executor: replay\n      file: day.csv\n      from: 1h\n";
    let said = loaded(beyond, b"time,rps\n0,1\n10,2\n").expect_err("there is nothing then");
    assert!(said.contains("nothing from 1h"), "{said}");
    let none = "      executor: replay\n      file: day.csv\n      select: {zone: a}\n";
    let said = loaded(none, b"time,rps\n0,1\n10,2\n").expect_err("no such series");
    assert!(said.contains("no such series"), "{said}");
}

#[test]
fn a_hospital_asks_by_the_hour_of_its_week() {
    let day = "      executor: hospital-day\n      studiesPerDay: 1000\n      weekday: saturday\n";
    let (load, _) = loaded(day, b"").expect("it is right");
    let Spacing::Bursty(bursts) = load.spacing() else { panic!("visits are uneven") };
    assert!((bursts.index_of_dispersion - 1.1).abs() < 1e-12);
    let monday = loaded(&day.replace("saturday", "monday"), b"").expect("it is right").0;
    assert!(rates(&monday, &[0])[0] > rates(&load, &[0])[0]);
    let said = loaded(&day.replace("saturday", "someday"), b"").expect_err("no such day");
    assert!(said.contains("weekday"), "{said}");
}
