//! Requests and limits of containers: missing, zero, of a unit nobody means, devices asked for in
//! part.

use crate::checks::subject::{Subject, WorkloadView, at};
use crate::cluster::api::pod::Container;
use crate::input::codes;
use crate::input::decode::Value;
use crate::input::diagnostic::Severity::{Error, Warning};
use crate::units::{Bytes, MilliCpu, ResourceList};

/// More cores than the largest machine of any cloud has.
const MOST_CORES: MilliCpu = MilliCpu(1_000_000);
/// No process lives in less.
const LEAST_MEMORY: Bytes = Bytes(1 << 20);

pub(super) fn check(subject: &Subject<'_>) {
    for workload in subject.workloads() {
        let spec = &workload.template.spec;
        let pod_level = &spec.pod_requests;
        for container in spec.containers.iter().chain(&spec.init_containers) {
            let value = workload.container(&container.name);
            let lives = spec.containers.contains(container) || container.sidecar;
            // A template may write resources of which no value speaks.
            let unseen = workload.roughly_told && value.get("resources").is_none();
            if lives && !unseen {
                let nothing = missing_requests(subject, workload, container, pod_level, &value);
                let limited = container.limits.memory.or(spec.pod_limits.memory).is_some();
                // A container of which nothing is known is told of once.
                if !limited && !nothing {
                    let message = format!(
                        "{}: container `{}` has no memory limit",
                        workload.name(),
                        container.name
                    );
                    let place = place(&value, &["resources", "limits"]);
                    subject.report(
                        at(&place, Warning, codes::MISSING_MEMORY_LIMIT, message, "no memory here")
                            .note("a leak takes the memory of the whole node before it is stopped"),
                    );
                }
            }
            amounts(subject, workload, container, &value);
            devices(subject, workload, container, &value);
        }
    }
}

/// The place of a field, or of the nearest field around it that is written.
fn place<'a>(value: &Value<'a>, path: &[&str]) -> Value<'a> {
    let mut at = value.clone();
    for key in path {
        let Some(next) = at.get(key) else { break };
        at = next;
    }
    // A container as a whole is told by its name.
    if at.node() == value.node() { value.get("name").unwrap_or(at) } else { at }
}

/// Tells what a container does not request; whether it states nothing at all.
fn missing_requests(
    subject: &Subject<'_>,
    workload: &WorkloadView<'_>,
    container: &Container,
    pod_level: &ResourceList,
    value: &Value<'_>,
) -> bool {
    let cpu = container.requests.cpu.is_none() && pod_level.cpu.is_none();
    let memory = container.requests.memory.is_none() && pod_level.memory.is_none();
    let (what, label) = match (cpu, memory) {
        (false, false) => return false,
        (true, true) => ("neither cpu nor memory", "no requests"),
        (true, false) => ("no cpu", "no cpu here"),
        (false, true) => ("no memory", "no memory here"),
    };
    let name = &container.name;
    let message = format!("{}: container `{name}` requests {what}", workload.name());
    let nothing = cpu && memory && container.limits.memory.is_none();
    let place = place(value, &["resources", "requests"]);
    let mut finding = at(&place, Warning, codes::MISSING_REQUEST, message, label);
    if nothing {
        finding = finding.note(
            "the scheduler counts it as nothing, it may take the memory of the whole node, and \
             under memory pressure it is evicted first",
        );
    } else if memory {
        finding = finding.note(
            "the scheduler counts it as nothing, and under memory pressure it is evicted first",
        );
    } else {
        finding = finding.note("the scheduler counts it as nothing and overpacks the node");
    }
    subject.report(finding);
    nothing
}

fn amounts(
    subject: &Subject<'_>,
    workload: &WorkloadView<'_>,
    container: &Container,
    value: &Value<'_>,
) {
    for (list, amounts) in [("requests", &container.requests), ("limits", &container.limits)] {
        let Some(written) = value.at(&["resources", list]) else { continue };
        let singular = list.trim_end_matches('s');
        let object = workload.name();
        if let (Some(cpu), Some(place)) = (amounts.cpu, written.get("cpu")) {
            if cpu.0 == 0 {
                report_zero(subject, &object, container, "cpu", singular, &place);
            } else if cpu >= MOST_CORES {
                let name = &container.name;
                let message = format!("{object}: cpu {singular} of `{name}` is {cpu} cores");
                let finding = at(&place, Warning, codes::CPU_SUSPICIOUS, message, "whole cores");
                let text = place.node().scalar().map(|scalar| scalar.text.to_string());
                let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                // `100Mi` is a slip for `100m`, the suffix of memory taken to the line above.
                let binary = written_number_with_binary_suffix(&place);
                let finding = match binary {
                    Some(number) => finding
                        .note("binary suffixes such as `Mi` are for memory")
                        .replace("did you mean", place.node().span, format!("{number}m")),
                    None => finding,
                };
                subject.report(match text {
                    Some(text) => finding.replace(
                        "thousandths of a core have the suffix `m`",
                        place.node().span,
                        format!("{text}m"),
                    ),
                    None => finding,
                });
            }
        }
        if let (Some(memory), Some(place)) = (amounts.memory, written.get("memory")) {
            let text = place.node().scalar().map(|scalar| scalar.text.to_string());
            let milli = text.as_ref().is_some_and(|text| text.ends_with('m'));
            if memory.0 == 0 {
                report_zero(subject, &object, container, "memory", singular, &place);
            } else if memory < LEAST_MEMORY && !milli {
                let name = &container.name;
                let bytes = memory.0;
                let message = format!("{object}: memory {singular} of `{name}` is {bytes} bytes");
                let finding = at(&place, Warning, codes::MEMORY_WITHOUT_SUFFIX, message, "bytes");
                let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                subject.report(match text {
                    Some(text) => {
                        finding.fix("use a binary suffix", place.node().span, format!("{text}Mi"))
                    }
                    None => finding,
                });
            }
        }
    }
}

/// The number before a suffix of memory, such as `100` of `100Mi`.
fn written_number_with_binary_suffix(place: &Value<'_>) -> Option<String> {
    let text = &place.node().scalar()?.text;
    let number = ["Ki", "Mi", "Gi"].iter().find_map(|suffix| text.strip_suffix(suffix))?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.to_owned())
}

fn report_zero(
    subject: &Subject<'_>,
    object: &str,
    container: &Container,
    resource: &str,
    list: &str,
    place: &Value<'_>,
) {
    let message = format!("{object}: {resource} {list} of `{}` is zero", container.name);
    let finding = at(place, Warning, codes::ZERO_RESOURCE, message, "as if it were not written");
    subject.report(finding.note("a zero limit is no limit, and a zero request is no request"));
}

/// Extended resources: the limit must be there, and the request equal to it (validation.go
/// `validateContainerResourceRequirements`, helpers `IsOvercommitAllowed`).
fn devices(
    subject: &Subject<'_>,
    workload: &WorkloadView<'_>,
    container: &Container,
    value: &Value<'_>,
) {
    for (device, asked) in &container.requests.extended {
        let limit = container.limits.extended(device);
        if limit == Some(*asked) {
            continue;
        }
        let requests = place(value, &["resources", "requests", device]);
        let object = workload.name();
        let (message, says) = match limit {
            None => (
                format!(
                    "{object}: `{}` requests {asked} {device} and has no limit for it",
                    container.name
                ),
                "Limit must be set for non overcommitable resources".to_owned(),
            ),
            Some(limit) => (
                format!(
                    "{object}: `{}` requests {asked} {device}, and its limit is {limit}",
                    container.name
                ),
                format!("must be equal to {device} limit of {limit}"),
            ),
        };
        let mut finding =
            at(&requests, Error, codes::DEVICE_REQUEST_NOT_LIMIT, message, "the request");
        if let Some(limit) = value.at(&["resources", "limits", device]) {
            finding = finding.secondary(limit.span(), "the limit");
        }
        subject.report(finding.note(format!("the API server says: {says}")));
    }
}
