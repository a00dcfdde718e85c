//! Backtests of recorded closed loops: the replayed HPA makes exactly the sizes that the real controller made.

use std::io::Read;

use aurelius_sim::backtest::recorded::loops;
use aurelius_sim::backtest::{Policy, compared, replay};
use aurelius_sim::input::objects_in;

/// The closed loops among the recorded answers of the real controller.
fn recorded() -> String {
    let path = format!("{}/tests/conformance/hpa-dev.jsonl.gz", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).expect("the vectors are in the repository");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).expect("it is gzip");
    text.lines()
        .filter(|line| line.contains("\"name\":\"loop-") || line.contains("\"name\": \"loop-"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn recorded_closed_loops_are_reproduced_to_the_pod() {
    let loops = loops(&recorded()).expect("the vectors are loops");
    assert_eq!(loops.len(), 6);
    let mut moved = 0;
    for recorded in loops {
        let objects = objects_in(&recorded.day.name, &recorded.manifest).objects;
        let spec = objects.autoscalers.first().expect("the manifest is an HPA").spec.clone();
        let policy = Policy {
            name: "as it was".to_owned(),
            spec,
            config: recorded.config,
            ready_after_ns: 30_000_000_000,
        };
        let steps = replay(&recorded.day, &policy);
        let found = compared(&recorded.day.name, &[("as it was".to_owned(), steps.clone())]);
        let outcome = &found.outcomes[0];
        let sizes = outcome.courses[0].errors().expect("a loop has syncs");
        assert_eq!(sizes.equal, sizes.instants, "{}: {sizes:?}", recorded.day.name);
        assert_eq!(outcome.divergences, [], "{}", recorded.day.name);
        // What each sync asks for is what the record has next.
        for pair in steps.windows(2) {
            assert_eq!(
                pair[0].desired, pair[1].recorded,
                "{} at {} s",
                recorded.day.name, pair[0].at_s
            );
        }
        let sizes = steps.iter().map(|step| step.recorded);
        moved += usize::from(sizes.clone().min() != sizes.max());
    }
    assert!(moved >= 4, "loops that never move would show nothing");
}

#[test]
fn what_is_no_loop_is_refused_with_its_line() {
    let rows = [
        ("{\"syncs\": []}", "line 1: has no `hpa`"),
        ("\n{\"hpa\": {}}", "line 2: has no `syncs`"),
        ("[", "line 1 is no JSON"),
        ("{\"hpa\": {}, \"syncs\": [{}]}", "line 1: sync 0 has no `specReplicas`"),
        (
            "{\"hpa\": {}, \"syncs\": [{\"at\": 1, \"specReplicas\": 1, \"objectMetrics\": {\"q\": \"1\"}}]}",
            "only CPU and memory can be replayed",
        ),
    ];
    for (text, expected) in rows {
        let problem = loops(text).expect_err(text);
        assert!(problem.contains(expected), "{text}: {problem}");
    }
}
