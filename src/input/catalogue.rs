//! Instance catalogues: what machine types have, leave to pods, and cost.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::allocatable;
use super::codes;
use super::decode::Context;
use super::diagnostic::Diagnostic;
use super::source::{FileId, Span};
use crate::cluster::api::InstanceType;
use crate::scenario::Provider;
use crate::units::{Bytes, MilliCpu, Resources};

/// The resource name under which GPUs are asked for.
const GPU: &str = "nvidia.com/gpu";

const MIB: i64 = 1 << 20;
const GIB: i64 = 1 << 30;

/// Machine types by name.
pub(super) type Catalogue = BTreeMap<Arc<str>, Arc<InstanceType>>;

/// Local disk of a node by default: what it has and what pods may use.
///
/// EKS: 20 GiB root volume of managed node groups; GKE: 100 GiB boot disk; AKS: 128 GiB operating
/// system disk. Of it the kubelet keeps a tenth for eviction and each provider a part for itself.
const fn local_disk(provider: Provider) -> (Bytes, Bytes) {
    match provider {
        Provider::Eks => (Bytes(20 * GIB), Bytes(17 * GIB)),
        Provider::Gke => (Bytes(100 * GIB), Bytes(49 * GIB)),
        Provider::Aks => (Bytes(128 * GIB), Bytes(115 * GIB)),
    }
}

/// Reads a catalogue. Rows that are wrong are reported by line; the rest is kept.
pub(super) fn catalogue(context: Context<'_>, file: FileId, provider: Provider) -> Catalogue {
    let text = context.sources.file(file).text();
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let mut machines = Catalogue::new();
    let headers = match reader.headers() {
        Ok(headers) => headers.clone(),
        Err(error) => {
            report(context, file, 1, &error.to_string());
            return machines;
        }
    };
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(1, csv::Position::line);
                let row = Row { headers: &headers, record: &record };
                match row.machine(provider) {
                    Ok(machine) => {
                        machines.insert(Arc::clone(&machine.name), Arc::new(machine));
                    }
                    Err(fault) => report(context, file, line, &fault),
                }
            }
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                report(context, file, line, &error.to_string());
            }
        }
    }
    machines
}

fn report(context: Context<'_>, file: FileId, line: u64, fault: &str) {
    let source = context.sources.file(file);
    let range = source.line_range(u32::try_from(line).unwrap_or(u32::MAX));
    let text = source.line(u32::try_from(line).unwrap_or(u32::MAX));
    let start = u32::try_from(range.start).unwrap_or(u32::MAX);
    let end = start.saturating_add(u32::try_from(text.len()).unwrap_or(0));
    let message = format!("instance catalogue: {fault}");
    context.diagnostics.push(
        Diagnostic::error(codes::INVALID_VALUE, message).primary(Span { file, start, end }, ""),
    );
}

struct Row<'a> {
    headers: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    /// A cell by column; empty when the column or the figure is not there.
    fn cell(&self, column: &str) -> &str {
        let at = self.headers.iter().position(|header| header.trim() == column);
        at.and_then(|at| self.record.get(at)).unwrap_or_default().trim()
    }

    fn whole(&self, column: &str) -> Result<i64, String> {
        let cell = self.cell(column);
        let number: Option<i64> = cell.parse().ok().filter(|number| (0..=1 << 40).contains(number));
        number.ok_or_else(|| format!("`{column}` is `{cell}`, must be a whole number"))
    }

    /// A whole number; empty, or a column that is not there, is not known.
    fn optional(&self, column: &str) -> Result<Option<i64>, String> {
        if self.cell(column).is_empty() { Ok(None) } else { self.whole(column).map(Some) }
    }

    /// A price; empty is not known.
    fn price(&self, column: &str) -> Result<Option<Decimal>, String> {
        let cell = self.cell(column);
        if cell.is_empty() {
            return Ok(None);
        }
        let price = super::scalar::money(cell);
        price.map(Some).map_err(|_| format!("`{column}` is `{cell}`, must be a price"))
    }

    fn machine(&self, provider: Provider) -> Result<InstanceType, String> {
        let name = self.cell("instance");
        if name.is_empty() {
            return Err("`instance` is empty".to_owned());
        }
        let gpus = if self.cell("gpus").is_empty() { 0 } else { self.whole("gpus")? };
        let (disk, disk_for_pods) = local_disk(provider);
        let resources = |cpu, memory_mib: i64, ephemeral_storage| {
            let mut resources =
                Resources::new(MilliCpu(cpu), Bytes(memory_mib.saturating_mul(MIB)));
            resources.ephemeral_storage = ephemeral_storage;
            resources.set(&Arc::from(GPU), gpus);
            resources
        };
        let cores = self.whole("vcpu")?.saturating_mul(1000);
        let memory = self.whole("memory_mib")?;
        let enis = self.optional("enis")?.zip(self.optional("ipv4_per_eni")?);
        let pods = allocatable::max_pods(provider, enis);
        let max_pods = self.optional("max_pods")?.unwrap_or(pods);
        let free_cores = allocatable::cpu_millis(provider, cores);
        let free_memory = allocatable::memory_mib(provider, memory, max_pods);
        Ok(InstanceType {
            name: name.into(),
            capacity: resources(cores, memory, disk),
            allocatable: resources(
                self.optional("allocatable_cpu_millis")?.unwrap_or(free_cores),
                self.optional("allocatable_memory_mib")?.unwrap_or(free_memory),
                disk_for_pods,
            ),
            max_pods,
            max_volumes: self.optional("max_volumes")?,
            gpu_kind: Some(self.cell("gpu_kind")).filter(|kind| !kind.is_empty()).map(Arc::from),
            on_demand_per_hour: self.price("on_demand_usd_per_hour")?,
            spot_per_hour: self.price("spot_usd_per_hour")?,
            price_date: self.cell("price_date").into(),
        })
    }
}
