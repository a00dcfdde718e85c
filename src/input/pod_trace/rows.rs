//! Rows of a trace to pods and nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::table::{Column, Heads, Row, Table};
use crate::input::decode::Context;
use crate::input::source::FileId;
use crate::scenario::pod_trace::{TraceNode, TracePod};
use crate::units::convert::round_i64;
use crate::units::quantity::Quantity;
use crate::units::{Bytes, MilliCpu, SimDuration};

/// Columns of pods: usual heads are those of Alibaba's openb trace.
pub(super) const POD_COLUMNS: [Column; 11] = [
    Column { key: "name", head: "name", required: true },
    Column { key: "cpu", head: "cpu", required: false },
    Column { key: "cpuMilli", head: "cpu_milli", required: false },
    Column { key: "memory", head: "memory", required: false },
    Column { key: "memoryMib", head: "memory_mib", required: false },
    Column { key: "gpus", head: "num_gpu", required: false },
    Column { key: "gpuMilli", head: "gpu_milli", required: false },
    Column { key: "gpuModels", head: "gpu_spec", required: false },
    Column { key: "created", head: "creation_time", required: true },
    Column { key: "scheduled", head: "scheduled_time", required: false },
    Column { key: "deleted", head: "deletion_time", required: false },
];

/// Columns of nodes.
pub(super) const NODE_COLUMNS: [Column; 7] = [
    Column { key: "name", head: "sn", required: true },
    Column { key: "cpu", head: "cpu", required: false },
    Column { key: "cpuMilli", head: "cpu_milli", required: false },
    Column { key: "memory", head: "memory", required: false },
    Column { key: "memoryMib", head: "memory_mib", required: false },
    Column { key: "gpus", head: "gpu", required: false },
    Column { key: "gpuModel", head: "model", required: false },
];

/// Most of anything: a million cores, a pebibyte.
const CORES_MOST: f64 = 1e6;
const MIB_MOST: f64 = 1_073_741_824.0;
/// Most GPUs of a node.
const GPUS_MOST: i64 = 1024;
/// Latest time (s): beyond 2090 as Unix time; in milliseconds it would be no time of a trace.
const SECONDS_MOST: f64 = 4e9;

pub(super) fn pods(context: Context<'_>, file: FileId, heads: &Heads) -> Option<Vec<TracePod>> {
    let table = Table::read(context, file, &POD_COLUMNS, heads)?;
    let mut names = Names::default();
    let mut pods: Vec<TracePod> = Vec::new();
    for row in table.rows() {
        let name = names.take(&row);
        if let (Some(name), Some(pod)) = (name, pod(&row)) {
            pods.push(TracePod { name, ..pod });
        }
    }
    finished(&table, pods.len(), "pods")?;
    // Times count from the first pod on.
    let first = pods.iter().map(|pod| pod.created).min().unwrap_or_default();
    for pod in &mut pods {
        pod.created = pod.created.saturating_sub(first);
        pod.scheduled = pod.scheduled.map(|at| at.saturating_sub(first));
        pod.deleted = pod.deleted.map(|at| at.saturating_sub(first));
    }
    Some(pods)
}

pub(super) fn nodes(
    context: Context<'_>,
    file: FileId,
    heads: &Heads,
    max_pods: i64,
) -> Option<Vec<TraceNode>> {
    let table = Table::read(context, file, &NODE_COLUMNS, heads)?;
    let mut names = Names::default();
    let mut nodes: Vec<TraceNode> = Vec::new();
    for row in table.rows() {
        let name = names.take(&row);
        let (cpu, memory) = (cpu(&row), memory(&row));
        let gpus = row.whole("gpus", GPUS_MOST);
        let (Some(name), Some(cpu), Some(memory), Some(gpus)) = (name, cpu, memory, gpus) else {
            continue;
        };
        if cpu.0 == 0 {
            row.fault(
                "cpuMilli",
                "a node without CPU can run nothing: give it some, or leave it out",
            );
            continue;
        }
        let gpus = u32::try_from(gpus.unwrap_or(0)).expect("GPUs of a node are few");
        let model = row.text("gpuModel").map(Arc::from);
        nodes.push(TraceNode { name, cpu, memory, gpus, model, max_pods });
    }
    finished(&table, nodes.len(), "nodes")?;
    Some(nodes)
}

/// Says what is left to say of a table; `None` when it is of no use.
fn finished(table: &Table<'_>, rows: usize, what: &str) -> Option<()> {
    if rows == 0 && !table.has_faults() {
        table.fault(1, None, &format!("the table holds no {what}"));
    }
    table.conclude();
    (!table.has_faults()).then_some(())
}

/// Names, each once.
#[derive(Default)]
struct Names(BTreeMap<Arc<str>, u64>);

impl Names {
    fn take(&mut self, row: &Row<'_, '_>) -> Option<Arc<str>> {
        let name: Arc<str> = Arc::from(row.required("name")?);
        if let Some(line) = self.0.get(&name) {
            row.fault("name", &format!("`{name}` is there already, on line {line}"));
            return None;
        }
        self.0.insert(Arc::clone(&name), row.line());
        Some(name)
    }
}

fn pod(row: &Row<'_, '_>) -> Option<TracePod> {
    let (cpu, memory) = (cpu(row), memory(row));
    let gpus = row.whole("gpus", GPUS_MOST);
    let milli = row.whole("gpuMilli", 1000);
    let created = row.required("created").and_then(|_| time(row, "created"));
    let scheduled = time(row, "scheduled");
    let deleted = time(row, "deleted");
    let models = row.text("gpuModels").unwrap_or_default().split('|').map(str::trim);
    let models = models.filter(|model| !model.is_empty()).map(Arc::from).collect();
    let (gpus, milli) = gpu(row, gpus?, milli?)?;
    let created = created??;
    let (scheduled, deleted) = (scheduled?, deleted?);
    in_order(row, created, scheduled, deleted)?;
    Some(TracePod {
        name: Arc::from(""),
        cpu: cpu?,
        memory: memory?,
        gpus,
        gpu_milli: milli,
        models,
        created,
        scheduled,
        deleted,
    })
}

/// How many GPUs, and how much of each: the whole where it is not said.
fn gpu(row: &Row<'_, '_>, gpus: Option<i64>, milli: Option<i64>) -> Option<(u32, i64)> {
    match (gpus.unwrap_or_else(|| i64::from(milli.is_some_and(|it| it > 0))), milli) {
        (0, Some(milli)) if milli > 0 => {
            let message = format!("`gpuMilli` is {milli}, but the pod wants no GPU");
            row.fault("gpuMilli", &message);
            None
        }
        (0, _) => Some((0, 0)),
        (_, Some(0)) => {
            row.fault("gpuMilli", "`gpuMilli` is 0, must be 1 to 1000 of each GPU it wants");
            None
        }
        (gpus, milli) => {
            let gpus = u32::try_from(gpus).expect("GPUs of a pod are few");
            Some((gpus, milli.unwrap_or(1000)))
        }
    }
}

/// A pod is created, placed and deleted in this order.
fn in_order(
    row: &Row<'_, '_>,
    created: SimDuration,
    scheduled: Option<SimDuration>,
    deleted: Option<SimDuration>,
) -> Option<()> {
    if scheduled.is_some_and(|scheduled| scheduled < created) {
        row.fault("scheduled", "the pod was scheduled before it was created");
        return None;
    }
    if deleted.is_some_and(|deleted| deleted < scheduled.unwrap_or(created)) {
        let before = if scheduled.is_some() { "scheduled" } else { "created" };
        row.fault("deleted", &format!("the pod was deleted before it was {before}"));
        return None;
    }
    Some(())
}

fn time(row: &Row<'_, '_>, key: &str) -> Option<Option<SimDuration>> {
    let seconds = row.number(key, SECONDS_MOST, "a number of seconds")?;
    Some(seconds.map(SimDuration::from_secs_f64))
}

fn cpu(row: &Row<'_, '_>) -> Option<MilliCpu> {
    let cores = row.number("cpu", CORES_MOST, "a number of cores")?;
    let milli = row.number("cpuMilli", CORES_MOST * 1000.0, "a number of millicores")?;
    let milli = cores.map(|cores| cores * 1000.0).or(milli);
    // As the API server does: up to the next millicore.
    Some(MilliCpu(milli.map_or(0, |milli| round_i64(libm::ceil(milli)))))
}

fn memory(row: &Row<'_, '_>) -> Option<Bytes> {
    let mib = row.number("memoryMib", MIB_MOST, "a number of MiB")?;
    let Some(text) = row.text("memory") else {
        return Some(Bytes(mib.map_or(0, |mib| round_i64(mib * 1_048_576.0))));
    };
    let quantity: Option<Quantity> = text.parse().ok();
    let bytes = quantity.map(Quantity::value_ceil).filter(|bytes| *bytes >= 0);
    if bytes.is_none() {
        row.fault("memory", &format!("`memory` is `{text}`, must be a quantity such as 512Mi"));
    }
    bytes.map(Bytes)
}
