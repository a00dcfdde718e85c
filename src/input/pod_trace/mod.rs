//! Documents of kind PodTrace: pods and nodes from tables, and how they are placed again.

mod rows;
mod table;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use super::codes;
use super::decode::{Context, Fields, Shapes, Value};
use super::diagnostic::{Diagnostic, Diagnostics};
use super::documents::{paths, read};
use super::own_document::{kind_of, single};
use super::source::{FileId, Sources};
use super::yaml::Dialect;
use crate::control::scheduler::GpuScore;
use crate::scenario::InputFile;
use crate::scenario::pod_trace::{PodTrace, Replay, Sharing, Ties, TraceNode, TracePod};
use crate::units::SimDuration;

/// The kind.
const KIND: &str = "PodTrace";

/// A trace with what was said about its documents.
#[derive(Debug)]
pub struct LoadedTrace {
    /// The trace; `None` when any document has an error.
    pub trace: Option<PodTrace>,
    /// All that was found, sorted; warnings also beside a trace.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
}

/// The traces that ship with the program, and what the decoder asks of them.
pub(super) fn shapes() -> (Sources, Shapes) {
    const DOCUMENTS: [(&str, &str); 3] = [
        ("scenarios/openb.yaml", include_str!("../../../scenarios/openb.yaml")),
        ("scenarios/openb-full.yaml", include_str!("../../../scenarios/openb-full.yaml")),
        (
            "profiles/reference/pod-trace.yaml",
            include_str!("../../../profiles/reference/pod-trace.yaml"),
        ),
    ];
    // Their tables are packed; a row of each is enough to ask for everything.
    const PODS: &str = "name,cpu_milli,num_gpu,gpu_milli,creation_time\na,1,1,500,0\n";
    const NODES: &str = "sn,cpu_milli,gpu\nn,1,1\n";
    let mut sources = Sources::new();
    for (path, text) in DOCUMENTS {
        sources.embed(Path::new(path), text);
    }
    sources.embed(Path::new("profiles/traces/openb-pods.csv.gz"), PODS);
    sources.embed(Path::new("profiles/traces/openb-nodes.csv.gz"), NODES);
    for (path, text) in [
        ("profiles/reference/pods.csv", include_str!("../../../profiles/reference/pods.csv")),
        ("profiles/reference/nodes.csv", include_str!("../../../profiles/reference/nodes.csv")),
    ] {
        sources.embed(Path::new(path), text);
    }
    let diagnostics = Diagnostics::watching();
    for (path, _) in DOCUMENTS {
        load(Path::new(path), &mut sources, &diagnostics);
    }
    (sources, diagnostics.into_shapes())
}

/// Whether a file holds a document of kind PodTrace. A file that cannot be read does not: what is wrong
/// with it is said by who reads it.
#[must_use]
pub fn is_pod_trace(path: &Path) -> bool {
    // Standard input can be read once; a device may have no end.
    path.is_file() && kind_of(path).is_some_and(|kind| kind == KIND)
}

/// Reads a trace and the tables it names, and checks all of it.
#[must_use]
pub fn load_pod_trace(path: &Path) -> LoadedTrace {
    load_pod_trace_from(Sources::new(), path)
}

/// As [`load_pod_trace`], with files that are there already: their paths are not looked for on disk.
#[must_use]
pub fn load_pod_trace_from(mut sources: Sources, path: &Path) -> LoadedTrace {
    let diagnostics = Diagnostics::new();
    let trace = load(path, &mut sources, &diagnostics);
    let trace = trace.filter(|_| !diagnostics.has_errors());
    // A decoder that returns nothing without a word would leave the author in the dark.
    assert!(trace.is_some() || diagnostics.has_errors(), "a refusal has its diagnostic");
    LoadedTrace { trace, diagnostics: diagnostics.sorted(), sources }
}

fn load(path: &Path, sources: &mut Sources, diagnostics: &Diagnostics) -> Option<PodTrace> {
    let documents = read(path, None, Dialect::Core, sources, diagnostics)?;
    let root = documents.nodes.first();
    let mut file = |part: &str| {
        let named = root.and_then(|root| root.get(part)).and_then(|part| part.get("file"));
        let (path, span) = paths(named, path).into_iter().next()?;
        sources.read(&path, span, diagnostics)
    };
    let files = Tables { pods: file("pods"), nodes: file("nodes") };
    let context = Context { sources, diagnostics };
    let mut read = |fields: &Fields<'_>, name| decode(fields, name, &files);
    let trace: PodTrace = single(context, &documents, KIND, &mut read)?;
    Some(PodTrace { path: path.to_string_lossy().into(), inputs: input_files(sources), ..trace })
}

/// The tables of a trace, where they could be read.
struct Tables {
    pods: Option<FileId>,
    nodes: Option<FileId>,
}

fn input_files(sources: &Sources) -> Vec<InputFile> {
    let file = |(_, file): (FileId, &super::source::SourceFile)| InputFile {
        path: Arc::clone(file.name()),
        sha256: Arc::clone(file.sha256()),
    };
    sources.files().map(file).collect()
}

fn decode(fields: &Fields<'_>, name: Option<Arc<str>>, files: &Tables) -> Option<PodTrace> {
    let description = fields.read_or("description", Arc::from(""), Value::shared);
    let pods = fields.required("pods").and_then(|value| pods(&value, files.pods));
    let nodes = fields.required("nodes").and_then(|value| nodes(&value, files.nodes));
    let replay = replay(fields);
    let sharing = sharing(fields);
    let ties = ties(fields, sharing);
    let percentage =
        fields.read_or("percentageOfNodesToScore", 0, |value| value.integer(0..=100_i32));
    let cycle = SimDuration::from_millis(2);
    let cycle = fields.read_or("schedulingCycle", cycle, Value::duration);
    let seed = fields.read_or("seed", 42, |value| value.integer(0..=u64::MAX));
    let trace = PodTrace {
        name: name?,
        path: Arc::from(""),
        description: description?,
        inputs: Vec::new(),
        nodes: nodes?,
        pods: pods?,
        replay: replay?,
        sharing: sharing?,
        ties: ties?,
        percentage_of_nodes_to_score: percentage?,
        scheduling_cycle: cycle?,
        seed: seed?,
    };
    check_fill(fields, &trace);
    Some(trace)
}

/// A multiple of GPUs that nobody has, or that nobody wants, cannot be reached.
fn check_fill(fields: &Fields<'_>, trace: &PodTrace) {
    let Replay::Fill { demand: Some(demand) } = trace.replay else { return };
    let wants = trace.pods.iter().any(|pod| pod.total_gpu_milli() > 0);
    let lacks = match (trace.gpu_milli() > 0, wants) {
        (false, _) => "no node has a GPU",
        (true, false) => "no pod wants a GPU",
        (true, true) => return,
    };
    let Some(value) = fields.optional("demand") else { return };
    let message = format!("is {demand} times the GPUs of the cluster, but {lacks}");
    value.report(value.error(codes::INVALID_VALUE, &message));
}

fn pods(value: &Value<'_>, file: Option<FileId>) -> Option<Vec<TracePod>> {
    let fields = value.fields()?;
    fields.required("file").and_then(|file| file.non_empty());
    let columns = table::columns(&fields, &rows::POD_COLUMNS);
    fields.finish("pods of a trace");
    rows::pods(value.context(), file?, &columns?)
}

fn nodes(value: &Value<'_>, file: Option<FileId>) -> Option<Vec<TraceNode>> {
    let fields = value.fields()?;
    fields.required("file").and_then(|file| file.non_empty());
    let columns = table::columns(&fields, &rows::NODE_COLUMNS);
    // The kubelet's `--max-pods`.
    let max_pods = fields.read_or("maxPods", 110, |value| value.integer(1..=100_000_i64));
    let with_gpus = fields.read_or("onlyWithGpus", false, Value::boolean);
    fields.finish("nodes of a trace");
    let (mut nodes, with_gpus) =
        (rows::nodes(value.context(), file?, &columns?, max_pods?)?, with_gpus?);
    nodes.retain(|node| !with_gpus || node.gpus > 0);
    if nodes.is_empty() {
        let message = "leaves no node: none in the table has a GPU";
        value.report(value.error(codes::INVALID_VALUE, message));
        return None;
    }
    Some(nodes)
}

fn replay(fields: &Fields<'_>) -> Option<Replay> {
    let fill = Replay::Fill { demand: None };
    let replay = fields.read_or("replay", Replay::Recorded, |value| {
        value.word(&[("recorded", Replay::Recorded), ("fill", fill)])
    });
    let demand = fields.read("demand", |value| {
        if replay == Some(Replay::Recorded) {
            let message = "is for `replay: fill`; recorded pods come as they did";
            value.report(value.error(codes::INVALID_VALUE, message));
            return None;
        }
        value.number(0.01..=100.0)
    });
    match (replay?, demand?) {
        (Replay::Fill { .. }, demand) => Some(Replay::Fill { demand }),
        (replay @ Replay::Recorded, _) => Some(replay),
    }
}

fn sharing(fields: &Fields<'_>) -> Option<Sharing> {
    let devices = Sharing::Devices(GpuScore::Default);
    let sharing = fields.read_or("gpuSharing", devices, |value| {
        value.word(&[("devices", devices), ("whole", Sharing::Whole)])
    });
    let score = fields.read("score", |value| {
        let score = value.word(&GpuScore::ALL)?;
        if sharing == Some(Sharing::Whole) && score != GpuScore::Default {
            let message = "needs `gpuSharing: devices`; the default scheduler knows no devices";
            value.report(value.error(codes::INVALID_VALUE, message));
            return None;
        }
        Some(score)
    });
    match (sharing?, score?) {
        (Sharing::Devices(_), Some(score)) => Some(Sharing::Devices(score)),
        (sharing, _) => Some(sharing),
    }
}

fn ties(fields: &Fields<'_>, sharing: Option<Sharing>) -> Option<Ties> {
    fields.read_or("ties", Ties::ByLot, |value| {
        let ties = value.word(&[("lot", Ties::ByLot), ("name", Ties::ByName)])?;
        if ties == Ties::ByName && sharing == Some(Sharing::Whole) {
            let message = "needs `gpuSharing: devices`; the default scheduler draws lots";
            value.report(value.error(codes::INVALID_VALUE, message));
            return None;
        }
        Some(ties)
    })
}
