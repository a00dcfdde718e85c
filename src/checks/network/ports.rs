//! Ports of Services and containers, and which leads to which.

use std::sync::Arc;

use super::policies::PodPort;
use crate::checks::subject::{Subject, WorkloadView};
use crate::input::decode::Value;
use crate::input::kubernetes::ServiceObject;
use crate::input::material::PortName;
use crate::input::yaml::ScalarValue;

/// A port of a Service.
#[derive(Debug, Clone)]
pub(in crate::checks) struct ServicePort<'a> {
    pub(in crate::checks) name: Option<Arc<str>>,
    pub(in crate::checks) number: u16,
    pub(in crate::checks) target: PortName,
    pub(in crate::checks) protocol: Arc<str>,
    pub(in crate::checks) value: Value<'a>,
}

/// The ports of a Service; what cannot be read is left out.
pub(in crate::checks) fn service_ports<'a>(
    subject: &Subject<'a>,
    service: &ServiceObject,
) -> Vec<ServicePort<'a>> {
    let Some(value) = subject.value("Service", &service.meta) else { return Vec::new() };
    let ports = value.at(&["spec", "ports"]).map(|ports| ports.elements()).unwrap_or_default();
    let read = |port: Value<'a>| {
        let number = number(&port.get("port")?)?;
        let target = port.get("targetPort").and_then(|target| port_name(&target));
        Some(ServicePort {
            name: port.get("name").and_then(|name| text(&name)),
            number,
            target: target.unwrap_or(PortName::Number(number)),
            protocol: port.get("protocol").and_then(|it| text(&it)).unwrap_or_else(|| "TCP".into()),
            value: port,
        })
    };
    ports.into_iter().filter_map(read).collect()
}

/// The ports that the containers of a workload declare.
pub(in crate::checks) fn container_ports(workload: &WorkloadView<'_>) -> Vec<PodPort> {
    let containers = workload.containers();
    let ports = containers.iter().filter_map(|(_, container)| container.get("ports"));
    let ports = ports.flat_map(|ports| ports.elements());
    ports
        .filter_map(|port| {
            Some(PodPort {
                number: number(&port.get("containerPort")?)?,
                name: port.get("name").and_then(|name| text(&name)),
                protocol: port
                    .get("protocol")
                    .and_then(|it| text(&it))
                    .unwrap_or_else(|| "TCP".into()),
            })
        })
        .collect()
}

/// The port of a pod that a target leads to; `None` for a name that no container has.
pub(in crate::checks) fn resolve(
    target: &PortName,
    protocol: &Arc<str>,
    declared: &[PodPort],
) -> Option<PodPort> {
    match target {
        PortName::Name(name) => {
            declared.iter().find(|port| port.name.as_ref() == Some(name)).cloned()
        }
        PortName::Number(number) => {
            let known =
                declared.iter().find(|port| port.number == *number && port.protocol == *protocol);
            let unnamed =
                || PodPort { number: *number, name: None, protocol: Arc::clone(protocol) };
            Some(known.cloned().unwrap_or_else(unnamed))
        }
    }
}

fn number(value: &Value<'_>) -> Option<u16> {
    match value.node().scalar()?.value {
        ScalarValue::Integer(number) => u16::try_from(number).ok(),
        ScalarValue::Null | ScalarValue::Boolean(_) | ScalarValue::Float(_) | ScalarValue::Text => {
            None
        }
    }
}

fn port_name(value: &Value<'_>) -> Option<PortName> {
    number(value).map(PortName::Number).or_else(|| text(value).map(PortName::Name))
}

fn text(value: &Value<'_>) -> Option<Arc<str>> {
    value.node().text().map(Arc::from)
}
