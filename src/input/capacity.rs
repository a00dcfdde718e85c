//! `capacity` of a cluster profile, and the event that machines cannot be had.

use std::sync::Arc;

use super::catalogue::Catalogue;
use super::codes;
use super::decode::{Fields, Value, nearest};
use super::pool_events::NOTICE;
use crate::cluster::api::InstanceType;
use crate::scenario::capacity::{
    self, CapacitySpec, FailureRate, MachineFilter, Quota, SpotInterruptions,
};

/// What may be named: machine types and zones.
#[derive(Clone, Copy, Default)]
pub(super) struct Known<'a> {
    pub(super) machines: &'a [Arc<InstanceType>],
    pub(super) zones: &'a [Arc<str>],
}

/// A zone of the cluster.
pub(super) fn known_zone(value: &Value<'_>, zones: &[Arc<str>]) -> Option<Arc<str>> {
    let name = value.non_empty()?;
    let found = zones.iter().find(|zone| ***zone == *name);
    if found.is_none() {
        value.report(value.unknown_reference(name, "zone", zones.iter().map(|zone| &**zone)));
    }
    found.cloned()
}

/// `capacity`: what the cloud gives by itself.
pub(super) fn capacity(value: &Value<'_>, known: Known<'_>) -> Option<CapacitySpec> {
    let fields = value.fields()?;
    let failures = fields
        .read_or("failures", Vec::new(), |value| value.list(|value| failure_rate(value, known)));
    let quotas =
        fields.read_or("quotas", Vec::new(), |value| value.list(|value| quota(value, known)));
    let interruptions = fields.read_or("spotInterruptions", Vec::new(), |value| {
        value.list(|value| spot_interruptions(value, known))
    });
    fields.finish("capacity");
    Some(CapacitySpec { failures: failures?, quotas: quotas?, interruptions: interruptions? })
}

fn failure_rate(value: &Value<'_>, known: Known<'_>) -> Option<FailureRate> {
    let fields = value.fields()?;
    let of = machine_filter(&fields, known);
    let probability = fields.required("probability").and_then(|value| value.number(0.0..=1.0));
    fields.finish("a failure rate");
    Some(FailureRate { of: of?, probability: probability? })
}

fn spot_interruptions(value: &Value<'_>, known: Known<'_>) -> Option<SpotInterruptions> {
    let fields = value.fields()?;
    let instances = fields.read_or("instances", Vec::new(), |value| {
        value.list(|pattern| known_instances(pattern, known.machines))
    });
    let zones = fields
        .read_or("zones", Vec::new(), |value| value.list(|zone| known_zone(zone, known.zones)));
    let every = fields.required("every");
    let spans = every.as_ref().and_then(Value::distribution);
    let share = fields.read_or("share", 1.0, |value| value.number(0.0..=1.0));
    let notice = fields.read_or("notice", NOTICE, Value::duration);
    let handler = fields.read_or("terminationHandler", false, Value::boolean);
    fields.finish("spot interruptions");
    let (every, spans) = (every?, spans?);
    if spans.mean() < 1.0 {
        let message = "has a mean below a second: machines would be gone before they are there";
        every.report(every.error(codes::OUT_OF_RANGE, message));
        return None;
    }
    let of = MachineFilter { instances: instances?, zones: zones?, spot: Some(true) };
    let (share, notice, handler) = (share?, notice?, handler?);
    Some(SpotInterruptions { of, every: spans, share, notice, handler })
}

fn quota(value: &Value<'_>, known: Known<'_>) -> Option<Quota> {
    let fields = value.fields()?;
    let of = machine_filter(&fields, known);
    let count = |value: &Value<'_>| value.integer(0..=10_000_000_i64);
    let vcpus = fields.read("vcpus", count);
    let gpus = fields.read("gpus", count);
    fields.finish("a quota");
    let (vcpus, gpus) = (vcpus?, gpus?);
    if vcpus.is_none() && gpus.is_none() {
        let message = "limits nothing: give `vcpus`, `gpus` or both";
        value.report(value.error(codes::MISSING_FIELD, message));
        return None;
    }
    Some(Quota { of: of?, vcpus, gpus })
}

/// The fields `instances`, `zones` and `capacityType` of a mapping that may have others.
pub(super) fn machine_filter(fields: &Fields<'_>, known: Known<'_>) -> Option<MachineFilter> {
    let instances = fields.read_or("instances", Vec::new(), |value| {
        value.list(|pattern| known_instances(pattern, known.machines))
    });
    let zones = fields
        .read_or("zones", Vec::new(), |value| value.list(|zone| known_zone(zone, known.zones)));
    let spot =
        fields.read("capacityType", |value| value.word(&[("spot", true), ("on-demand", false)]));
    Some(MachineFilter { instances: instances?, zones: zones?, spot: spot? })
}

/// A pattern that at least one machine type matches.
fn known_instances(value: &Value<'_>, machines: &[Arc<InstanceType>]) -> Option<Arc<str>> {
    let pattern = value.non_empty()?;
    if machines.iter().any(|machine| capacity::matches(pattern, &machine.name)) {
        return Some(Arc::from(pattern));
    }
    report_unknown(value, pattern, machines.iter().map(|machine| &*machine.name));
    None
}

/// Reports a machine type that the catalogue does not have.
pub(super) fn report_instance(value: &Value<'_>, name: &str, catalogue: &Catalogue) {
    report_unknown(value, name, catalogue.keys().map(|name| &**name));
}

fn report_unknown<'n>(value: &Value<'_>, name: &str, known: impl Iterator<Item = &'n str>) {
    let message = format!("is `{name}`, which the catalogue does not list");
    let mut error = value.error(codes::UNKNOWN_INSTANCE, &message);
    if let Some(near) = nearest(name, known) {
        error = error.replace("a similar machine type exists", value.span(), near);
    }
    value.report(error);
}
