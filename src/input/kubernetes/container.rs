//! Containers: resources, probes, ports, lifecycle.

use std::sync::Arc;

use super::meta::seconds;
use crate::cluster::api::pod::{Container, HostPort, Probe};
use crate::input::codes;
use crate::input::decode::{Fields, Value, nearest};
use crate::input::yaml::ScalarValue;
use crate::units::{Origin, ResourceList, SimDuration};

/// Fields of a container that decide nothing here.
const ASIDE: [&str; 14] = [
    "args",
    "command",
    "envFrom",
    "imagePullPolicy",
    "resizePolicy",
    "restartPolicyRules",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
];

/// A container with the ports that it would take on a host network.
pub(super) struct Decoded {
    pub(super) container: Container,
    pub(super) declared_ports: Vec<HostPort>,
}

/// One container of a pod.
pub(super) fn container(value: &Value<'_>) -> Option<Decoded> {
    let fields = value.fields()?;
    let name = fields.required("name").and_then(|name| name.non_empty().map(Arc::from));
    let image = fields.read_or("image", Arc::from(""), Value::shared);
    let resources = resources(&fields);
    let ports = fields.read_or("ports", Vec::new(), |value| value.list(port));
    let startup_probe = fields.read("startupProbe", probe);
    let readiness_probe = fields.read("readinessProbe", probe);
    let liveness_probe = fields.read("livenessProbe", probe);
    let pre_stop = fields.read_or("lifecycle", SimDuration::ZERO, pre_stop);
    let always = [("Always", true), ("OnFailure", false), ("Never", false)];
    let sidecar = fields.read_or("restartPolicy", false, |value| value.word(&always));
    environment(&fields);
    fields.ignore(&ASIDE);
    fields.ignore(&["workingDir", "targetContainerName"]);
    fields.finish("Container (v1)");
    let Resources { requests, limits, origin } = resources?;
    let ports = ports?;
    let own = ports.iter().map(|port| port.own.clone()).collect();
    let (declared_ports, host_ports) = split(ports);
    let container = Container {
        name: name?,
        image: image?,
        requests,
        limits,
        resources_origin: origin,
        host_ports,
        ports: own,
        startup_probe: startup_probe?,
        readiness_probe: readiness_probe?,
        liveness_probe: liveness_probe?,
        pre_stop: pre_stop?,
        sidecar: sidecar?,
    };
    Some(Decoded { container, declared_ports })
}

/// `env` decides nothing here, but a number or a word like `true` in it is refused with the whole
/// object: `cannot unmarshal number into Go struct field EnvVar.value of type string`.
fn environment(fields: &Fields<'_>) {
    let Some(variables) = fields.optional("env") else { return };
    for variable in variables.elements() {
        let Some(value) = variable.get("value") else { continue };
        let Some(scalar) = value.node().scalar() else { continue };
        if matches!(scalar.value, ScalarValue::Text | ScalarValue::Null) {
            continue;
        }
        let message = format!("must be text, not {}", value.node().describe());
        let quoted = format!("\"{}\"", scalar.text);
        let error = value.error(codes::WRONG_TYPE, &message);
        value.report(error.fix("put it in quotes", value.node().span, quoted));
    }
}

/// `resources` of a container or pod.
pub(super) struct Resources {
    pub(super) requests: ResourceList,
    pub(super) limits: ResourceList,
    pub(super) origin: Origin,
}

/// `resources`: requests and limits, each request at most its limit (validation.go
/// `ValidateContainerResourceRequirements`).
pub(super) fn resources(fields: &Fields<'_>) -> Option<Resources> {
    let Some(value) = fields.optional("resources") else {
        let (requests, limits) = Default::default();
        return Some(Resources { requests, limits, origin: fields.value().origin() });
    };
    let inner = value.fields()?;
    let requests = inner.read_or("requests", ResourceList::default(), resource_list);
    let limits = inner.read_or("limits", ResourceList::default(), resource_list);
    inner.ignore(&["claims"]);
    inner.finish("ResourceRequirements (v1)");
    // Looked at before the lists are known to be right: a misspelt resource must not hide a request
    // above its limit.
    let within = check_limits(&inner_entries(&value, "requests"), &inner_entries(&value, "limits"));
    let (requests, limits) = (requests?, limits?);
    within?;
    Some(Resources { requests, limits, origin: value.origin() })
}

/// The entries of one of the two lists, by resource name.
fn inner_entries<'a>(resources: &Value<'a>, list: &'static str) -> Vec<(&'a str, Value<'a>)> {
    let inner = resources.fields().and_then(|fields| fields.optional(list));
    let entries = inner.and_then(|inner| inner.entries()).unwrap_or_default();
    entries.into_iter().map(|(name, value)| (name.text, value)).collect()
}

fn check_limits(requests: &[(&str, Value<'_>)], limits: &[(&str, Value<'_>)]) -> Option<()> {
    let mut holds = Some(());
    for (name, request) in requests {
        let Some((_, limit)) = limits.iter().find(|(limited, _)| limited == name) else { continue };
        let (Some(asked), Some(most)) = (request.quantity(), limit.quantity()) else { continue };
        if asked > most {
            let message =
                format!("is {asked}, must be less than or equal to {name} limit of {most}");
            let error = request.error(codes::REQUEST_ABOVE_LIMIT, &message);
            request.report(error.secondary(limit.span(), "the limit"));
            holds = None;
        }
    }
    holds
}

/// Quantities by resource name; cpu in millicores, memory and storage in bytes, all else in whole
/// units.
pub(super) fn resource_list(value: &Value<'_>) -> Option<ResourceList> {
    let mut list = ResourceList::default();
    let mut complete = true;
    for (name, amount) in value.entries()? {
        let read = match name.text {
            "cpu" => amount.cores().map(|cores| list.cpu = Some(cores)),
            "memory" => amount.bytes().map(|bytes| list.memory = Some(bytes)),
            "ephemeral-storage" => amount.bytes().map(|bytes| list.ephemeral_storage = Some(bytes)),
            extended if extended.contains('/') || extended.starts_with("hugepages-") => {
                whole_units(&amount).map(|units| list.extended.push((Arc::from(extended), units)))
            }
            other => unknown_resource(&amount, other),
        };
        complete &= read.is_some();
    }
    list.extended.sort();
    complete.then_some(list)
}

/// Devices are counted in whole units (validation.go `ValidateResourceQuantityValue`).
fn whole_units(value: &Value<'_>) -> Option<i64> {
    let quantity = value.positive_quantity()?;
    if !quantity.is_whole() {
        value.report(
            value.error(codes::INVALID_QUANTITY, &format!("is {quantity}, must be a whole number")),
        );
        return None;
    }
    Some(quantity.value_ceil())
}

fn unknown_resource(value: &Value<'_>, name: &str) -> Option<()> {
    let message = "is no resource: it must be a standard resource type or fully qualified";
    let mut error = value.error(codes::INVALID_VALUE, message).primary(value.key_span(), "");
    if let Some(near) = nearest(name, ["cpu", "memory", "ephemeral-storage", "nvidia.com/gpu"]) {
        error = error.replace("a similar resource exists", value.key_span(), near);
    } else if name == "gpu" {
        error =
            error.replace("GPUs are asked for by their vendor", value.key_span(), "nvidia.com/gpu");
    }
    value.report(error);
    None
}

/// A port: the address that it takes on its host, when it asks for one, and what it takes on a host
/// network.
struct Port {
    declared: HostPort,
    on_host: bool,
    /// Its name and number in the container.
    own: (Option<Arc<str>>, i32),
}

fn port(value: &Value<'_>) -> Option<Port> {
    let fields = value.fields()?;
    let container_port =
        fields.required("containerPort").and_then(|port| port.integer(1..=65_535_i32));
    let host_port = fields.read_or("hostPort", 0, |port| port.integer(0..=65_535_i32));
    let ip = fields.read_or("hostIP", Arc::from("0.0.0.0"), Value::shared);
    let protocols = [("TCP", "TCP"), ("UDP", "UDP"), ("SCTP", "SCTP"), ("", "TCP")];
    let protocol = fields.read_or("protocol", "TCP", |value| value.word(&protocols));
    let name = fields.read("name", Value::shared);
    fields.finish("ContainerPort (v1)");
    let name = name?;
    let (container_port, host_port, ip, protocol) = (container_port?, host_port?, ip?, protocol?);
    let port = if host_port == 0 { container_port } else { host_port };
    Some(Port {
        declared: HostPort { ip, protocol: protocol.into(), port },
        on_host: host_port != 0,
        own: (name, container_port),
    })
}

/// All ports as a host network would take them, and those that ask for a host port.
fn split(ports: Vec<Port>) -> (Vec<HostPort>, Vec<HostPort>) {
    let on_host =
        ports.iter().filter(|port| port.on_host).map(|port| port.declared.clone()).collect();
    (ports.into_iter().map(|port| port.declared).collect(), on_host)
}

/// Timing of a probe. Zero is "not written" for all but the initial delay (defaults.go
/// `SetDefaults_Probe`).
fn probe(value: &Value<'_>) -> Option<Probe> {
    let default = Probe::default();
    let fields = value.fields()?;
    let initial_delay = fields.read_or("initialDelaySeconds", default.initial_delay, seconds);
    let period = fields.read_or("periodSeconds", default.period, seconds);
    let timeout = fields.read_or("timeoutSeconds", default.timeout, seconds);
    let count = |value: &Value<'_>| value.integer(0..=i32::MAX.unsigned_abs());
    let success_threshold = fields.read_or("successThreshold", default.success_threshold, count);
    let failure_threshold = fields.read_or("failureThreshold", default.failure_threshold, count);
    let is_request = ["httpGet", "grpc"].iter().any(|it| value.node().get(it).is_some());
    fields.ignore(&["exec", "grpc", "httpGet", "tcpSocket", "terminationGracePeriodSeconds"]);
    fields.finish("Probe (v1)");
    let span_or = |span: SimDuration, default| if span.is_zero() { default } else { span };
    let count_or = |count, default| if count == 0 { default } else { count };
    Some(Probe {
        initial_delay: initial_delay?,
        period: span_or(period?, default.period),
        timeout: span_or(timeout?, default.timeout),
        success_threshold: count_or(success_threshold?, default.success_threshold),
        failure_threshold: count_or(failure_threshold?, default.failure_threshold),
        is_request,
    })
}

/// How long `lifecycle.preStop` takes: its `sleep`, or the first `sleep N` of its command; other
/// hooks count as immediate.
fn pre_stop(value: &Value<'_>) -> Option<SimDuration> {
    let fields = value.fields()?;
    let hook = fields.read_or("preStop", SimDuration::ZERO, |hook| {
        let fields = hook.fields()?;
        let sleep = fields.read("sleep", |sleep| {
            let fields = sleep.fields()?;
            let span = fields.required("seconds").and_then(|value| seconds(&value));
            fields.finish("SleepAction (v1)");
            span
        });
        let command = fields.optional("exec").and_then(|exec| sleep_of_command(&exec));
        fields.ignore(&["httpGet", "tcpSocket"]);
        fields.finish("LifecycleHandler (v1)");
        Some(sleep?.or(command).unwrap_or(SimDuration::ZERO))
    });
    fields.ignore(&["postStart", "stopSignal"]);
    fields.finish("Lifecycle (v1)");
    hook
}

/// `["sleep", "15"]` and `["sh", "-c", "sleep 15 && quit"]` both wait 15 seconds.
fn sleep_of_command(exec: &Value<'_>) -> Option<SimDuration> {
    let words = exec.node().get("command")?.sequence()?.iter();
    let words: Vec<&str> =
        words.filter_map(|word| word.scalar()).map(|scalar| &*scalar.text).collect();
    let line = words.join(" ");
    let mut parts =
        line.split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')'));
    parts.find(|part| *part == "sleep" || part.ends_with("/sleep"))?;
    let amount = parts.find(|part| !part.is_empty())?;
    let spelt = if amount.ends_with(|c: char| c.is_ascii_digit()) {
        format!("{amount}s")
    } else {
        amount.to_owned()
    };
    let nanos =
        crate::input::scalar::duration(&spelt, crate::input::scalar::BareNumber::Refused).ok()?;
    Some(SimDuration::from_nanos(nanos))
}
