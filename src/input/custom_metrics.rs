//! `metrics` of ServiceProfiles: names under which HPAs find what is measured at services.

use std::collections::BTreeMap;

use super::codes;
use super::decode::{Fields, Value};
use super::kubernetes::meta::strings;
use crate::model::id::StationId;
use crate::scenario::custom_metric::{CustomMetricSpec, Quantity};
use crate::service::ServiceGraph;
use crate::units::SimDuration;

/// Span of a rate when nobody says so: that of prometheus-adapter's sample rules.
const WINDOW: SimDuration = SimDuration::from_secs(120);

/// Reads `metrics: {http_requests_per_second: {service: gateway, measures: requestsPerSecond}}` of all
/// documents.
pub(super) fn custom_metrics(
    documents: &[Fields<'_>],
    graph: Option<&ServiceGraph>,
) -> Option<Vec<CustomMetricSpec>> {
    let mut all: Vec<CustomMetricSpec> = Vec::new();
    let mut complete = Some(());
    for fields in documents {
        let entries = fields.optional("metrics").map(|metrics| metrics.entries());
        for (name, value) in entries.map_or(Some(Vec::new()), |entries| entries)? {
            match metric(name.text, &value, graph) {
                Some(spec)
                    if all
                        .iter()
                        .any(|known| known.name == spec.name && known.labels == spec.labels) =>
                {
                    let message =
                        format!("has the metric `{}` twice, with the same labels", spec.name);
                    value.report(value.error(codes::DUPLICATE_NAME, &message));
                    complete = None;
                }
                Some(spec) => all.push(spec),
                None => complete = None,
            }
        }
    }
    complete.map(|()| all)
}

fn metric(name: &str, value: &Value<'_>, graph: Option<&ServiceGraph>) -> Option<CustomMetricSpec> {
    let fields = value.fields()?;
    let service = fields.required("service");
    let quantities = [
        ("requestsPerSecond", Quantity::RequestsPerSecond),
        ("inFlight", Quantity::InFlight),
        ("waiting", Quantity::Waiting),
        ("meanLatency", Quantity::MeanLatency),
        ("p50Latency", Quantity::Latency(0.5)),
        ("p90Latency", Quantity::Latency(0.9)),
        ("p95Latency", Quantity::Latency(0.95)),
        ("p99Latency", Quantity::Latency(0.99)),
    ];
    let quantity = fields.required("measures").and_then(|value| value.word(&quantities));
    let window = fields.read_or("window", WINDOW, Value::duration);
    let labels = fields.read_or("labels", BTreeMap::new(), strings);
    let as_name = fields.read("name", Value::shared);
    fields.finish("a metric");
    let service = service?;
    let wanted = service.non_empty()?;
    let stations = &graph?.stations;
    let Some(found) = stations.iter().position(|station| *station.name == *wanted) else {
        let known = stations.iter().map(|station| &*station.name);
        service.report(service.unknown_reference(wanted, "service", known));
        return None;
    };
    Some(CustomMetricSpec {
        name: as_name?.unwrap_or_else(|| name.into()),
        labels: labels?,
        station: StationId::at(found),
        quantity: quantity?,
        window: window?,
        origin: value.origin(),
    })
}
