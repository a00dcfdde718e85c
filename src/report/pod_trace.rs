//! A replayed pod trace as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::placement::{Class, Placement, Point, Waits};
use crate::report::canvas::{Anchor, INK, QUIET, Rgb, sheet};
use crate::report::svg::{self, Colour, Dash, Figure, Join, Series};
use crate::scenario::pod_trace::{PodTrace, Replay, Sharing};
use crate::units::convert::{f64_from_i64, f64_from_u64, trunc_i32};

/// A replay as a text for terminals.
#[must_use]
pub fn text(trace: &PodTrace, placed: &Placement) -> String {
    let mut text = String::new();
    let gpus = f64_from_i64(trace.gpu_milli()) / 1000.0;
    line(&mut text, &format!("{} · {}", trace.name, trace.path));
    if !trace.description.is_empty() {
        line(&mut text, &trace.description);
    }
    let nodes = trace.nodes.len();
    line(&mut text, &format!("{nodes} nodes with {gpus:.0} GPUs, seed {}", placed.seed));
    line(&mut text, &format!("{}; {}", replayed(trace.replay), counted(trace.sharing)));
    line(&mut text, "");
    let share = percent(placed.placed, placed.came);
    line(&mut text, &format!("{} of {} pods found a place ({share})", placed.placed, placed.came));
    never(&mut text, placed);
    line(&mut text, "");
    shares(&mut text, trace, placed, gpus);
    waits(&mut text, placed);
    classes(&mut text, placed);
    models(&mut text, placed);
    line(&mut text, "");
    line(
        &mut text,
        "Not simulated: kubelets, images, controllers and autoscalers. A pod works from its binding on for",
    );
    line(
        &mut text,
        "as long as it did; a fragment is an idle GPU that the next typical pod could not use (Weng et al. 2023).",
    );
    text
}

fn line(text: &mut String, words: &str) {
    text.push_str(words);
    text.push('\n');
}

fn replayed(replay: Replay) -> String {
    match replay {
        Replay::Recorded => "pods come and go as recorded".to_owned(),
        Replay::Fill { demand: None } => "every pod once, in random order, to stay".to_owned(),
        Replay::Fill { demand: Some(demand) } => format!(
            "pods in random order, to stay, until they want {:.0} % of the GPUs",
            demand * 100.0
        ),
    }
}

fn counted(sharing: Sharing) -> String {
    match sharing {
        Sharing::Whole => {
            "whole GPUs, as the default scheduler counts them: a part takes a whole one".to_owned()
        }
        Sharing::Devices(score) => {
            format!("GPUs shared device by device, nodes compared by `{}`", score.name())
        }
    }
}

fn percent(part: u64, of: u64) -> String {
    if of == 0 {
        return "none came".to_owned();
    }
    let share = f64_from_u64(part) / f64_from_u64(of);
    format!("{:.1} %", share * 100.0)
}

fn never(text: &mut String, placed: &Placement) {
    if placed.never == 0 {
        return;
    }
    line(text, &format!("{} never did; the first of them:", placed.never));
    for example in &placed.examples {
        line(text, &format!("  {} ({}): {}", example.pod, example.wanted, example.sentence));
    }
}

fn shares(text: &mut String, trace: &PodTrace, placed: &Placement, gpus: f64) {
    let over_time = trace.replay == Replay::Recorded;
    let heads = if over_time { ["mean", "peak"] } else { ["at the end", "peak"] };
    let _ = writeln!(text, "{:<34}{:>12}{:>12}", "SHARE OF THE CLUSTER", heads[0], heads[1]);
    let mut row = |name: &str, figure: fn(&Point) -> f64| {
        let cell = |point: &Point| format!("{:.2} %", figure(point) * 100.0);
        let (mean, peak) = (cell(&placed.mean), cell(&placed.peak));
        let _ = writeln!(text, "{name:<34}{mean:>12}{peak:>12}");
    };
    if gpus > 0.0 {
        if !over_time {
            row("GPUs wanted so far", |point| point.arrived);
        }
        row("GPUs allocated", |point| point.allocated);
        row("GPUs with somebody on them", |point| point.occupied);
        row("GPUs idle as fragments", |point| point.fragmented);
        row("  of the idle ones", |point| point.fragmented_of_idle);
    }
    row("CPU requested", |point| point.cpu);
    row("memory requested", |point| point.memory);
}

fn waits(text: &mut String, placed: &Placement) {
    let rows = [("simulated", placed.waits), ("recorded", placed.recorded_waits)];
    if placed.waits.is_none() {
        return;
    }
    line(text, "");
    let _ = writeln!(
        text,
        "{:<18}{:>8}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "WAITING", "pods", "mean", "median", "p95", "p99", "longest"
    );
    for (name, waits) in rows {
        let Some(waits) = waits else { continue };
        let _ = writeln!(
            text,
            "{name:<18}{:>8}{:>12}{:>12}{:>12}{:>12}{:>12}",
            waits.pods,
            seconds(waits.mean_s),
            seconds(waits.median_s),
            seconds(waits.p95_s),
            seconds(waits.p99_s),
            seconds(waits.most_s)
        );
    }
}

fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}

fn classes(text: &mut String, placed: &Placement) {
    line(text, "");
    let _ = writeln!(
        text,
        "{:<18}{:>8}{:>14}{:>16}",
        "PODS THAT WANT", "pods", "no place", "longest wait"
    );
    for Class { name, pods, never, waits } in &placed.classes {
        let longest = waits.map_or_else(|| "-".to_owned(), |waits: Waits| seconds(waits.most_s));
        let _ = writeln!(text, "{name:<18}{pods:>8}{never:>14}{longest:>16}");
    }
}

fn models(text: &mut String, placed: &Placement) {
    line(text, "");
    let _ = writeln!(text, "{:<18}{:>8}{:>8}{:>14}", "NODES WITH", "nodes", "GPUs", "pods placed");
    for model in &placed.models {
        let _ = writeln!(
            text,
            "{:<18}{:>8}{:>8}{:>14}",
            model.name, model.nodes, model.gpus, model.pods
        );
    }
}

/// Version of the JSON format.
const FORMAT: &str = "aurelius.dev/pod-trace/v1";

#[derive(Serialize)]
struct Wire<'a> {
    format: &'static str,
    version: &'static str,
    trace: &'a str,
    seed: u64,
    nodes: usize,
    gpus: f64,
    gpu_sharing: String,
    pods: Pods,
    gpu_allocation: Shares,
    gpu_occupation: Shares,
    gpu_fragmentation: Shares,
    gpu_fragmentation_of_idle: Shares,
    cpu: Shares,
    memory: Shares,
    waiting: Option<WireWaits>,
    waiting_recorded: Option<WireWaits>,
    classes: Vec<WireClass<'a>>,
    models: Vec<WireModel<'a>>,
    never: Vec<WireNever<'a>>,
    series: Vec<WirePoint>,
    inputs: Vec<WireInput<'a>>,
}

#[derive(Serialize)]
struct Pods {
    came: u64,
    placed: u64,
    never: u64,
}

#[derive(Serialize)]
struct Shares {
    mean: f64,
    peak: f64,
    end: f64,
}

#[derive(Serialize)]
struct WireWaits {
    pods: u64,
    mean_s: f64,
    median_s: f64,
    p95_s: f64,
    p99_s: f64,
    max_s: f64,
}

#[derive(Serialize)]
struct WireClass<'a> {
    wants: &'a str,
    pods: u64,
    never: u64,
    waiting: Option<WireWaits>,
}

#[derive(Serialize)]
struct WireModel<'a> {
    model: &'a str,
    nodes: u64,
    gpus: u64,
    pods: u64,
}

#[derive(Serialize)]
struct WireNever<'a> {
    pod: &'a str,
    wants: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct WirePoint {
    at_s: f64,
    arrived: f64,
    allocated: f64,
    occupied: f64,
    fragmented: f64,
    fragmented_of_idle: f64,
    cpu: f64,
    memory: f64,
    running: u32,
    waiting: u32,
}

#[derive(Serialize)]
struct WireInput<'a> {
    path: &'a str,
    sha256: &'a str,
}

/// A replay as JSON. Shares are of everything the cluster has.
///
/// # Panics
/// Never: the figures are numbers.
#[must_use]
pub fn json(trace: &PodTrace, placed: &Placement) -> String {
    let shares = |figure: fn(&Point) -> f64| Shares {
        mean: figure(&placed.mean),
        peak: figure(&placed.peak),
        end: figure(&placed.last),
    };
    let classes = placed.classes.iter().map(|class| WireClass {
        wants: &class.name,
        pods: class.pods,
        never: class.never,
        waiting: class.waits.map(wire_waits),
    });
    let models = placed.models.iter().map(|model| WireModel {
        model: &model.name,
        nodes: model.nodes,
        gpus: model.gpus,
        pods: model.pods,
    });
    let never = placed.examples.iter().map(|example| WireNever {
        pod: &example.pod,
        wants: &example.wanted,
        message: &example.sentence,
    });
    let wire = Wire {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION"),
        trace: &trace.name,
        seed: placed.seed,
        nodes: trace.nodes.len(),
        gpus: f64_from_i64(trace.gpu_milli()) / 1000.0,
        gpu_sharing: match trace.sharing {
            Sharing::Whole => "whole".to_owned(),
            Sharing::Devices(score) => format!("devices/{}", score.name()),
        },
        pods: Pods { came: placed.came, placed: placed.placed, never: placed.never },
        gpu_allocation: shares(|point| point.allocated),
        gpu_occupation: shares(|point| point.occupied),
        gpu_fragmentation: shares(|point| point.fragmented),
        gpu_fragmentation_of_idle: shares(|point| point.fragmented_of_idle),
        cpu: shares(|point| point.cpu),
        memory: shares(|point| point.memory),
        waiting: placed.waits.map(wire_waits),
        waiting_recorded: placed.recorded_waits.map(wire_waits),
        classes: classes.collect(),
        models: models.collect(),
        never: never.collect(),
        series: placed.points.iter().map(wire_point).collect(),
        inputs: trace
            .inputs
            .iter()
            .map(|file| WireInput { path: &file.path, sha256: &file.sha256 })
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&wire).expect("the figures are numbers");
    text.push('\n');
    text
}

fn wire_waits(waits: Waits) -> WireWaits {
    WireWaits {
        pods: waits.pods,
        mean_s: waits.mean_s,
        median_s: waits.median_s,
        p95_s: waits.p95_s,
        p99_s: waits.p99_s,
        max_s: waits.most_s,
    }
}

fn wire_point(point: &Point) -> WirePoint {
    WirePoint {
        at_s: point.at_s,
        arrived: point.arrived,
        allocated: point.allocated,
        occupied: point.occupied,
        fragmented: point.fragmented,
        fragmented_of_idle: point.fragmented_of_idle,
        cpu: point.cpu,
        memory: point.memory,
        running: point.running,
        waiting: point.waiting,
    }
}

/// Charts of a replay by file name: shares of GPUs, of CPU and memory, and pods, over time; or how far a
/// cluster that fills up gets.
#[must_use]
pub fn charts(trace: &PodTrace, placed: &Placement) -> BTreeMap<String, String> {
    if trace.replay != Replay::Recorded {
        let file = format!("{}.svg", trace.name);
        return BTreeMap::from([(file, filling(&[(&trace.name, placed)]))]);
    }
    let series = |name: &str, colour, dash, value: &dyn Fn(&Point) -> f64| Series {
        name: name.to_owned(),
        points: placed.points.iter().map(|point| (point.at_s, Some(value(point)))).collect(),
        spread: Vec::new(),
        colour,
        dash,
        join: Join::Step,
    };
    let mut gpus = Figure::new("GPUs", "% of the cluster");
    gpus.series = vec![
        series("idle as fragments", Colour::Orange, Dash::Dashed, &|point| {
            100.0 * point.fragmented
        }),
        series("somebody on them", Colour::Grey, Dash::Dotted, &|point| 100.0 * point.occupied),
        series("allocated", Colour::Blue, Dash::Solid, &|point| 100.0 * point.allocated),
    ];
    let mut others = Figure::new("CPU and memory requested", "% of the cluster");
    others.series = vec![
        series("memory", Colour::Orange, Dash::Dashed, &|point| 100.0 * point.memory),
        series("cpu", Colour::Blue, Dash::Solid, &|point| 100.0 * point.cpu),
    ];
    let mut pods = Figure::new("Pods", "pods");
    pods.series = vec![
        series("waiting", Colour::Orange, Dash::Dashed, &|point| f64::from(point.waiting)),
        series("with a place", Colour::Blue, Dash::Solid, &|point| f64::from(point.running)),
    ];
    let figures: Vec<Figure> =
        [gpus, others, pods].into_iter().filter(|it| !it.is_empty()).collect();
    BTreeMap::from([(format!("{}.svg", trace.name), svg::panels_of(&figures))])
}

/// Clusters that fill up: GPUs allocated over GPUs wanted, and below what is idle as fragments.
#[must_use]
pub fn filling(placements: &[(&str, &Placement)]) -> String {
    const SIZE: (i32, i32) = (900, 420);
    const LEFT: i32 = 60;
    const RIGHT: i32 = 740;
    const TOP: i32 = 30;
    const BOTTOM: i32 = 370;
    let most = placements.iter().flat_map(|(_, placed)| &placed.points);
    let most = most.map(|point| point.arrived).fold(1.0, f64::max);
    let place = |wanted: f64, share: f64| {
        let pixels = |share: f64, from: i32, to: i32| {
            from + trunc_i32(share.clamp(0.0, 1.0) * f64::from(to - from))
        };
        (pixels(wanted / most, LEFT, RIGHT), pixels(1.0 - share, TOP, BOTTOM))
    };
    sheet(SIZE, |canvas| {
        for tenth in 0..=5_u8 {
            let share = f64::from(tenth) / 5.0;
            let (_, y) = place(0.0, share);
            canvas.line(vec![(LEFT, y), (RIGHT, y)], GRID, 1);
            canvas.write(
                &format!("{:.0} %", share * 100.0),
                (LEFT - 8, y),
                12,
                QUIET,
                Anchor::Right,
            );
            let (x, _) = place(share * most, 0.0);
            let label = format!("{:.0} %", share * most * 100.0);
            canvas.write(&label, (x, BOTTOM + 16), 12, QUIET, Anchor::Center);
        }
        let middle = i32::midpoint(LEFT, RIGHT);
        canvas.write("GPUs that pods want, of all", (middle, BOTTOM + 36), 13, INK, Anchor::Center);
        canvas.write("allocated, and idle as fragments (thin)", (LEFT, 14), 13, INK, Anchor::Left);
        let mut below = TOP;
        for (at, (name, placed)) in placements.iter().enumerate() {
            let colour = COLOURS[at % COLOURS.len()];
            let line = |share: fn(&Point) -> f64| -> Vec<(i32, i32)> {
                placed.points.iter().map(|point| place(point.arrived, share(point))).collect()
            };
            canvas.line(line(|point| point.allocated), colour, 3);
            canvas.line(line(|point| point.fragmented), colour, 1);
            let label = format!("{name} {:.1} %", placed.last.allocated * 100.0);
            below += 18;
            canvas.write(&label, (RIGHT + 12, below), 13, colour, Anchor::Left);
        }
    })
}

/// Colours that are told apart by every eye (Okabe and Ito).
const COLOURS: [Rgb; 5] =
    [Rgb(0, 114, 178), Rgb(213, 94, 0), Rgb(0, 158, 115), Rgb(204, 121, 167), Rgb(0, 0, 0)];
const GRID: Rgb = Rgb(225, 225, 225);
