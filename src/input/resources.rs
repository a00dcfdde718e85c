//! What services use beside CPUs: `disk`, `link`, `network`, and of operations `io` and `cache`.

use super::codes;
use super::decode::{Fields, Value};
use crate::engine::Dist;
use crate::service::spec::{CacheSpec, DiskSpec, IoSpec, LinkSpec, NetworkSpec, ServiceGraph};
use crate::units::{Bytes, SimDuration};

const MIB: f64 = 1_048_576.0;

/// Latency of an idle volume, unless stated: single-digit milliseconds of gp3, below half a millisecond of
/// io2 Block Express (Amazon EBS, volume types).
const GP3_LATENCY: SimDuration = SimDuration::from_millis(1);
const IO2_LATENCY: SimDuration = SimDuration::from_nanos(500_000);

/// A rate of bytes: `125Mi` is a second's.
fn bytes_per_second(value: &Value<'_>) -> Option<f64> {
    let bytes = value.bytes()?;
    if bytes.0 <= 0 {
        value.report(value.error(codes::OUT_OF_RANGE, "must be above zero"));
        return None;
    }
    Some(bytes.as_f64())
}

/// `{type: gp3}`, or its figures. Of gp3 3,000 operations and 125 MiB a second are included; io2 has 1/4 MiB
/// for each operation a second, at most 4,000 MiB.
pub(super) fn disk(value: &Value<'_>) -> Option<DiskSpec> {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Gp3,
        Io2,
        Other,
    }
    let fields = value.fields()?;
    let kinds = [("gp3", Kind::Gp3), ("io2", Kind::Io2), ("other", Kind::Other)];
    let kind = fields.read_or("type", Kind::Other, |value| value.word(&kinds));
    let iops = fields.read("iops", |value| value.number(1.0..=10_000_000.0));
    let throughput = fields.read("throughput", bytes_per_second);
    let latency = fields.read("latency", Value::distribution);
    let burst = fields.read_or("burst", SimDuration::ZERO, Value::duration);
    let has = |name: &str| value.node().get(name).is_some();
    if kind == Some(Kind::Other) {
        let missing = ["iops", "throughput"].into_iter().filter(|name| !has(name));
        missing.for_each(|name| fields.report_missing(name));
    }
    if kind == Some(Kind::Io2) && !has("iops") {
        fields.report_missing("iops");
    }
    fields.finish("a disk");
    let (kind, iops, throughput) = (kind?, iops?, throughput?);
    let (iops, usual, idle) = match kind {
        Kind::Gp3 => (iops.unwrap_or(3_000.0), Some(125.0 * MIB), GP3_LATENCY),
        Kind::Io2 => {
            let iops = iops?;
            (iops, Some((iops * 0.25).min(4_000.0) * MIB), IO2_LATENCY)
        }
        Kind::Other => (iops?, None, SimDuration::ZERO),
    };
    Some(DiskSpec {
        iops,
        bytes_per_second: throughput.or(usual)?,
        burst_s: burst?.as_secs_f64(),
        latency: latency?.unwrap_or_else(|| Dist::fixed(idle)),
    })
}

/// `{operations: 3, bytes: 48Ki}`.
pub(super) fn io(value: &Value<'_>) -> Option<IoSpec> {
    let fields = value.fields()?;
    let operations = fields.read_or("operations", 1.0, |value| value.number(0.0..=1e9));
    let bytes = fields.read_or("bytes", Bytes(0), Value::bytes);
    fields.finish("what an operation reads and writes");
    Some(IoSpec { operations: operations?, bytes: bytes? })
}

/// `{bandwidth: 1Gi, perConnection: 100Mi}`.
pub(super) fn link(value: &Value<'_>) -> Option<LinkSpec> {
    let fields = value.fields()?;
    let bandwidth = fields.required("bandwidth").and_then(|value| bytes_per_second(&value));
    let one = fields.read("perConnection", bytes_per_second);
    fields.finish("a link");
    let (bandwidth, one) = (bandwidth?, one?);
    let per_connection = one.unwrap_or(bandwidth);
    Some(LinkSpec { bytes_per_second: bandwidth, per_connection })
}

/// `{hitRatio: 90%, warmAfter: 5000}`.
pub(super) fn cache(value: &Value<'_>) -> Option<CacheSpec> {
    let fields = value.fields()?;
    let hit_ratio = fields.required("hitRatio").and_then(|value| value.share());
    let warm_after = fields.read_or("warmAfter", 0.0, |value| value.number(0.0..=1e12));
    fields.finish("a cache");
    Some(CacheSpec { hit_ratio: hit_ratio?, warm_after: warm_after? })
}

/// Reads `network` of all documents, of which one may have it.
pub(super) fn network(documents: &[Fields<'_>], graph: &mut ServiceGraph) -> bool {
    let mut complete = true;
    for fields in documents {
        let Some(value) = fields.optional("network") else { continue };
        match network_of(&value) {
            Some(_) if graph.network.is_some() => {
                let message = "is written in two documents, which may contradict each other";
                value.report(value.error(codes::DUPLICATE_NAME, message));
                complete = false;
            }
            Some(network) => graph.network = Some(network),
            None => complete = false,
        }
    }
    complete
}

fn network_of(value: &Value<'_>) -> Option<NetworkSpec> {
    let fields = value.fields()?;
    let same_node = fields.read("sameNode", Value::distribution);
    let same_zone = fields.read("sameZone", Value::distribution);
    let cross_zone = fields.read("crossZone", Value::distribution);
    let outside = fields.read("outside", Value::distribution);
    let clients = fields.read("clients", Value::distribution);
    let bandwidth = fields.read("bandwidth", bytes_per_second);
    fields.finish("the network");
    Some(NetworkSpec {
        same_node: same_node?,
        same_zone: same_zone?,
        cross_zone: cross_zone?,
        outside: outside?,
        clients: clients?,
        bytes_per_second: bandwidth?,
    })
}
