//! Traces as documents: what is read, and what is said about broken ones.

use std::path::Path;

use super::{LoadedTrace, load_pod_trace_from};
use crate::input::source::Sources;
use crate::units::SimDuration;

const PODS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time,deletion_time,scheduled_time\n";
const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\nn0,32000,65536,2,T4\n";

fn load(more: &str, pods: &str, nodes: &str) -> LoadedTrace {
    let mut sources = Sources::new();
    let document = format!(
        "apiVersion: aurelius.dev/v1\nkind: PodTrace\nmetadata: {{name: t}}\n\
         pods: {{file: pods.csv}}\nnodes: {{file: nodes.csv}}\n{more}"
    );
    sources.embed(Path::new("t.yaml"), &document);
    sources.embed(Path::new("pods.csv"), pods);
    sources.embed(Path::new("nodes.csv"), nodes);
    load_pod_trace_from(sources, Path::new("t.yaml"))
}

fn faults(more: &str, pods: &str, nodes: &str) -> Vec<String> {
    let LoadedTrace { trace, diagnostics, sources } = load(more, pods, nodes);
    assert!(trace.is_none(), "{pods}");
    diagnostics.iter().map(|it| it.concise(&sources)).collect()
}

#[test]
fn rows_become_pods_and_times_count_from_the_first() {
    let rows = "a,1500,1024,1,460,T4|P100,100,160,105\nb,500,512,0,0,,90,,\n";
    let trace = load("", &format!("{PODS}{rows}"), NODES).trace.expect("the trace is right");
    let [a, b] = trace.pods.as_slice() else { panic!("two pods") };
    assert_eq!((a.cpu.0, a.memory.0, a.gpus, a.gpu_milli), (1500, 1 << 30, 1, 460));
    assert_eq!(a.models.len(), 2);
    assert_eq!(a.created, SimDuration::from_secs(10));
    assert_eq!(a.scheduled, Some(SimDuration::from_secs(15)));
    assert_eq!((b.created, b.deleted, b.gpus), (SimDuration::ZERO, None, 0));
}

#[test]
fn columns_of_other_traces_are_named() {
    let pods = "id;ignored\n";
    assert!(load("", pods, NODES).trace.is_none());
    let mut sources = Sources::new();
    let document = "apiVersion: aurelius.dev/v1\nkind: PodTrace\nmetadata: {name: t}\n\
        pods: {file: p.csv, columns: {name: job, cpu: cores, memory: mem, gpus: devices, created: t0, deleted: t1}}\n\
        nodes: {file: n.csv, columns: {name: host, cpu: cores, memory: mem}}\n";
    sources.embed(Path::new("t.yaml"), document);
    sources.embed(Path::new("p.csv"), "job,cores,mem,devices,t0,t1\n\"x, 1\",0.25,1Gi,2,0.5,9\n");
    sources.embed(Path::new("n.csv"), "host,cores,mem\nh,8,16Gi\n");
    let loaded = load_pod_trace_from(sources, Path::new("t.yaml"));
    let trace = loaded.trace.expect("the trace is right");
    assert_eq!((trace.pods[0].cpu.0, trace.pods[0].memory.0), (250, 1 << 30));
    assert_eq!((trace.pods[0].gpus, trace.pods[0].gpu_milli), (2, 1000));
    assert_eq!(&*trace.pods[0].name, "x, 1");
    assert_eq!(trace.nodes[0].cpu.0, 8000);
}

/// Every fault has its line and column.
#[test]
fn broken_rows_are_told_by_line_and_column() {
    let rows = [
        "a,x,1,1,460,,0,9,0",
        "a,1,1,1,1500,,0,9,0",
        "b,1,1,-1,460,,0,9,0",
        "c,1,1,0,460,,0,9,0",
        "d,1,1,2,0,,0,9,0",
        ",1,1,1,460,,0,9,0",
        "e,1,1,1,460,,9,5,",
        "f,1,1,1,460,,9,12,5",
        "g,1,1,1,460,,NaN,12,5",
        "h,1,1,1,460,,,12,5",
        "i,1e99,1,1,460,,0,12,5",
        "j,1,1",
    ];
    let found = faults("", &format!("{PODS}{}\n", rows.join("\n")), NODES);
    let expected = [
        "pods.csv:2:3: `cpuMilli` is `x`, must be a number of millicores",
        "pods.csv:3:1: `a` is there already, on line 2",
        "pods.csv:3:9: `gpuMilli` is `1500`, must be a whole number from 0 to 1000",
        "pods.csv:4:7: `gpus` is `-1`, must be a whole number from 0 to 1024",
        "pods.csv:5:9: `gpuMilli` is 460, but the pod wants no GPU",
        "pods.csv:6:9: `gpuMilli` is 0, must be 1 to 1000 of each GPU it wants",
        "pods.csv:7:1: `name` is empty",
        "pods.csv:8:16: the pod was deleted before it was created",
        "pods.csv:9:19: the pod was scheduled before it was created",
        "pods.csv:10:14: `created` is `NaN`, must be a number of seconds",
        "pods.csv:11:14: `created` is empty",
        "pods.csv:12:3: `cpuMilli` is `1e99`, must be a number of millicores",
        "pods.csv:13:1: this row has 3 cells, the head has 9",
    ];
    let without_code = |text: &str| {
        let (place, rest) = text.split_once("error[").expect("an error");
        format!("{place}{}", rest.split_once("] ").expect("a code").1)
    };
    let found: Vec<String> = found.iter().map(|text| without_code(text)).collect();
    assert_eq!(found, expected);
}

#[test]
fn heads_that_are_not_there_are_told_where_they_are_named() {
    let found = faults("", "name,cpu_milli\na,1\n", NODES);
    assert!(found[0].contains("pods.csv:1:1"), "{found:?}");
    assert!(found[0].contains("no column `creation_time` for `created`"), "{found:?}");
    let found = faults("", &format!("{PODS}a,1,1,0,0,,0,9,0\n"), "sn,cpu_milli,gpu\n");
    assert!(found[0].ends_with("the table holds no nodes"), "{found:?}");
    let found = faults("", &format!("{PODS}a,1,1,0,0,,0,9,0\n"), "sn,cpu_milli,gpu\nn,0,1\n");
    assert!(found[0].contains("nodes.csv:2:3"), "{found:?}");
    assert!(faults("", "", NODES)[0].contains("pods.csv"));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let pods = format!("{PODS}a,1,1,0,0,,0,9,0\n");
    for (more, word) in [
        ("replay: sideways\n", "sideways"),
        ("demand: 1.3\n", "replay: fill"),
        ("replay: fill\ndemand: 1.3\n", "no pod wants a GPU"),
        ("replay: fill\ndemand: -1\n", "-1"),
        ("gpuSharing: whole\nscore: best-fit\n", "gpuSharing: devices"),
        ("gpuSharing: whole\nties: name\n", "gpuSharing: devices"),
        ("score: worst\n", "worst"),
        ("percentageOfNodesToScore: 101\n", "101"),
        ("nodez: 1\n", "nodez"),
    ] {
        let found = faults(more, &pods, NODES);
        assert!(found.iter().any(|it| it.contains(word) && it.starts_with("t.yaml:")), "{found:?}");
    }
}

/// Twenty faults are told, the others counted.
#[test]
fn many_faults_are_counted() {
    let rows: String = (0..100).map(|n| format!("p{n},x,1,0,0,,0,9,0\n")).collect();
    let found = faults("", &format!("{PODS}{rows}"), NODES);
    assert_eq!(found.len(), 21);
    assert!(found[0].contains("80 more faults"), "{}", found[0]);
}
