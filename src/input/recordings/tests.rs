//! Recordings in the forms their recorders write them, and what is said about other texts.

use std::collections::BTreeMap;

use super::*;
use crate::units::SimDuration;

fn read(text: &str) -> Recording {
    Recording::read(text, &Columns::default()).expect("it is a recording")
}

fn fault(text: &str) -> String {
    let error = Recording::read(text, &Columns::default()).expect_err("it is none");
    format!("{}: {error}", error.line)
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
}

fn rates(text: &str, wish: &Wish) -> RateTrace {
    let recording = read(text);
    let all = labels(&[]);
    recording.rates(&recording.load_series(None, &all), wish).expect("it has rates")
}

fn steps(trace: &RateTrace) -> Vec<(f64, f64)> {
    trace.steps.iter().map(|(length, rate)| (length.as_secs_f64(), *rate)).collect()
}

const POINTS: &str = r#"{"type":"Metric","data":{"name":"iteration_duration","type":"trend","contains":"time"},"metric":"iteration_duration"}
{"metric":"iteration_duration","type":"Point","data":{"time":"2026-11-23T02:21:08.5Z","value":500,"tags":{"scenario":"a"}}}
{"metric":"iteration_duration","type":"Point","data":{"time":"2026-11-23T02:21:10.5Z","value":250,"tags":{"scenario":"a"}}}
{"metric":"iteration_duration","type":"Point","data":{"time":"2026-11-23T02:21:08.75Z","value":50,"tags":{"scenario":"b"}}}
{"metric":"http_req_duration","type":"Point","data":{"time":"2026-11-23T02:21:08.4Z","value":400,"tags":{"name":"x"}}}
"#;

#[test]
fn k6_events_begin_when_their_iteration_began() {
    let recording = read(POINTS);
    assert_eq!(recording.format, Format::K6Json);
    assert_eq!(recording.names(), ["http_req_duration", "iteration_duration"]);
    let only = labels(&[("scenario", "a")]);
    let chosen = recording.load_series(None, &only);
    let trace = recording.rates(&chosen, &Wish::default()).expect("it has rates");
    assert_eq!(trace.start_ns, 1_795_400_468_000_000_000);
    assert_eq!(steps(&trace), [(1.0, 1.0), (1.0, 0.0), (1.0, 1.0)]);
    let by_request = labels(&[("name", "x")]);
    assert_eq!(recording.load_series(None, &by_request)[0].name, "http_req_duration");
    let none = labels(&[("name", "nobody")]);
    let error = recording.rates(&recording.load_series(None, &none), &Wish::default());
    let error = error.expect_err("nothing has that name");
    assert_eq!(
        error.to_string(),
        "has no such series; its metrics are http_req_duration, iteration_duration"
    );
}

#[test]
fn k6_tables_carry_the_same_tags() {
    let text = "metric_name,timestamp,metric_value,scenario,extra_tags,metadata\n\
                iterations,1795400468,1,a,zone=z1&team=t,\niterations,1795400469,1,,,\n";
    let recording = read(text);
    assert_eq!(recording.format, Format::K6Csv);
    let tagged = labels(&[("scenario", "a"), ("zone", "z1"), ("team", "t")]);
    assert!(recording.series.iter().any(|series| series.labels == tagged));
}

#[test]
fn prometheus_rates_add_up_and_gaps_are_told() {
    let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"handler":"/a"},"values":[[100,"1"],[110.5,"NaN"],[120,"2"],[1000,"4"]]},
        {"metric":{"handler":"/b"},"values":[[100,"10"],[120,"20"]]}]}}"#;
    let trace = rates(text, &Wish { max_gap: Some(SimDuration::from_secs(60)), ..Wish::default() });
    assert_eq!(trace.meaning, Meaning::Rates);
    // The usual distance of the first series is 880 s: its second sample counts that long.
    assert_eq!(steps(&trace)[..2], [(20.0, 11.0), (20.0, 22.0)]);
    let single = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},
        "values":[[0,"1"],[10,"2"],[20,"3"],[500,"4"],[510,"5"]]}]}}"#;
    let trace =
        rates(single, &Wish { max_gap: Some(SimDuration::from_secs(60)), ..Wish::default() });
    assert_eq!(
        steps(&trace),
        [(10.0, 1.0), (10.0, 2.0), (10.0, 3.0), (470.0, 0.0), (10.0, 4.0), (10.0, 5.0)]
    );
    assert_eq!(trace.gaps, [(SimDuration::from_secs(30), SimDuration::from_secs(470))]);
}

#[test]
fn counters_are_rated_and_restarts_are_no_negative_rates() {
    let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"__name__":"http_requests_total"},"values":[[0,"100"],[10,"150"],[20,"20"],[30,"40"]]}]}}"#;
    let trace = rates(text, &Wish::default());
    assert_eq!(trace.meaning, Meaning::Counter);
    assert_eq!(steps(&trace), [(10.0, 5.0), (10.0, 2.0), (10.0, 2.0)]);
}

#[test]
fn tables_are_read_by_their_heads() {
    let counts = rates("minute,requests\n0,60\n1,120\n2,0\n", &Wish::default());
    assert_eq!(steps(&counts), [(60.0, 1.0), (60.0, 2.0), (60.0, 0.0)]);
    let events = "TIMESTAMP,kind\n2023-11-16 18:15:46.5,a\n2023-11-16 18:15:46.9,b\n2023-11-16 18:15:48.0,a\n";
    assert_eq!(steps(&rates(events, &Wish::default())), [(1.0, 2.0), (1.0, 1.0)]);
    let wide =
        "\u{feff}sep=,\n\"Time\",\"A\",\"B\"\n2026-01-01 00:00:00,1,10\n2026-01-01 00:01:00,2,\n";
    let wide = read(wide);
    assert_eq!(wide.names(), ["A", "B"]);
    let none = labels(&[]);
    let ambiguous = wide.rates(&wide.load_series(Some("A"), &none), &Wish::default());
    assert!(ambiguous.expect_err("rates or counts").to_string().contains("values: rates"));
    let long = "timestamp,handler,value\n0,/a,1\n0,/b,2\n60,/a,3\n60,/b,4\n";
    let long = read(long);
    let only = labels(&[("handler", "/b")]);
    let wish = Wish { meaning: Some(Meaning::Rates), ..Wish::default() };
    let trace = long.rates(&long.load_series(None, &only), &wish).expect("rates");
    assert_eq!(steps(&trace), [(60.0, 2.0), (60.0, 4.0)]);
}

#[test]
fn a_missing_row_of_counts_does_not_halve_the_one_before() {
    let rows = (0..24).map(|minute| match minute {
        7 => "7,\n".to_owned(),
        _ => format!("{minute},120\n"),
    });
    let table = format!("minute,requests\n{}", rows.collect::<String>());
    let trace = rates(&table, &Wish::default());
    assert!(trace.steps.iter().all(|(_, rate)| (rate - 2.0).abs() < 1e-9), "{:?}", trace.steps);
    assert_eq!(trace.span(), SimDuration::from_secs(24 * 60));
}

#[test]
fn what_is_no_recording_is_told_by_line() {
    assert_eq!(fault(""), "1: is empty");
    assert!(fault("{\"a\": 1}").starts_with("1: is JSON, but neither"));
    assert!(fault("{\"status\":\"error\",\"error\":\"bad query\"}").contains("bad query"));
    let vector = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    assert!(fault(vector).contains("is a vector"));
    assert!(fault("time,value\n0,1\nsoon,2\n").starts_with("3: has the time `soon`"));
    assert!(fault("time,value\n0,1\n1,1.2 K\n").starts_with("3: `value` is `1.2 K`"));
    assert!(fault("{\"type\":\"Point\"}\n{").starts_with("1: is no line"));
}

#[test]
fn traces_are_cut_scaled_compressed_and_repeated() {
    let secs = SimDuration::from_secs;
    let trace = rates("second,rate\n0,1\n10,3\n20,5\n", &Wish::default());
    assert!((trace.total() - 90.0).abs() < 1e-9);
    let cut = trace.cut(secs(5), secs(10));
    assert_eq!(steps(&cut), [(5.0, 1.0), (5.0, 3.0)]);
    let fast = trace.clone().compressed(10.0).scaled(2.0);
    assert_eq!(steps(&fast), [(1.0, 2.0), (1.0, 6.0), (1.0, 10.0)]);
    let again = trace.repeated(secs(45));
    assert_eq!(again.span(), secs(45));
    assert!((again.total() - 90.0 - 25.0).abs() < 1e-9);
    let smooth = trace.smoothed(secs(15));
    assert_eq!(steps(&smooth), [(15.0, 25.0 / 15.0), (15.0, 65.0 / 15.0)]);
}

#[test]
fn instants_are_read_in_all_their_forms() {
    for text in ["1795400468", "1795400468000", "1795400468000000", "1795400468000000000"] {
        assert_eq!(instant_ns(text), Some(1_795_400_468_000_000_000), "{text}");
    }
    assert_eq!(instant_ns("2026-11-23T02:21:08Z"), instant_ns("2026-11-23T03:21:08+01:00"));
    assert_eq!(instant_ns("2026-11-23 02:21:08"), instant_ns("1795400468"));
    for text in ["", "soon", "nan", "inf", "2026-13-01"] {
        assert_eq!(instant_ns(text), None, "{text}");
    }
}
