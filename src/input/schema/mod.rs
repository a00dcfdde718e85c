//! JSON Schemas of our documents, for editors, made of what the decoders ask of the documents that
//! ship with the program. The reference documents (`profiles/reference`) use every field; their comments
//! are the descriptions.

mod reference;

use std::path::Path;

use serde_json::{Map, Value, json};

use super::decode::{Shape, Shapes};
use super::loader::shapes;
use super::source::Sources;
use reference::Descriptions;

/// The kinds that have a schema.
pub const KINDS: [&str; 5] = ["Scenario", "ClusterProfile", "ServiceProfiles", "Load", "PodTrace"];

macro_rules! shipped {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../", $path)))),*]
    };
}

/// Documents from which the schemas are made.
const DOCUMENTS: &[(&str, &str)] = shipped![
    "profiles/aurelius/emergency.yaml",
    "profiles/aurelius/rendered/prod.yaml",
    "profiles/aurelius/services.yaml",
    "profiles/clusters/eks-t4.yaml",
    "profiles/clusters/system.yaml",
    "profiles/demo/cluster.yaml",
    "profiles/demo/services.yaml",
    "profiles/demo/shop.yaml",
    "profiles/demo/scenario.yaml",
    "profiles/instances/aws_eks_us-east-1.csv",
    "scenarios/drain.yaml",
    "scenarios/gpu-sharing.yaml",
    "scenarios/gpu-surge.yaml",
    "scenarios/k6-smoke.yaml",
    "scenarios/night.yaml",
    "scenarios/node-loss.yaml",
    "scenarios/peak.yaml",
    "scenarios/pool-upgrade.yaml",
    "scenarios/preemption.yaml",
    "scenarios/spot-reclaim.yaml",
    "scenarios/volumes.yaml",
    "scenarios/zone-outage.yaml",
    "scenarios/alerts-fire.yaml",
    "scenarios/alerts-quiet.yaml",
    "scenarios/capacity-shortage.yaml",
    "scenarios/consolidation-ca.yaml",
    "scenarios/consolidation-karpenter.yaml",
    "scenarios/day.yaml",
    "scenarios/gpu-label.yaml",
    "scenarios/gpu-operator.yaml",
    "scenarios/helm-upgrade.yaml",
    "scenarios/backup.yaml",
    "scenarios/celery-scale-in.yaml",
    "scenarios/connection-pool.yaml",
    "scenarios/gpu-batching.yaml",
    "scenarios/slow-dependency.yaml",
    "scenarios/retry-budget.yaml",
    "scenarios/retry-storm.yaml",
    "scenarios/scale-from-zero.yaml",
    "scenarios/web-day.yaml",
    "scenarios/elb-fortnight.yaml",
    "scenarios/llm-bursty.yaml",
    "scenarios/llm-smooth.yaml",
    "scenarios/hospital-day.yaml",
    "profiles/lessons/replays.services.yaml",
    "profiles/lessons/llm.services.yaml",
    "profiles/clusters/eks-karpenter.yaml",
    "profiles/clusters/eks-t4-zonal.yaml",
    "profiles/clusters/karpenter.yaml",
    "profiles/aurelius/retrain.yaml",
    "profiles/reference/scenario.yaml",
    "profiles/reference/services.yaml",
    "profiles/reference/cluster.yaml",
    "profiles/reference/system.yaml",
    "profiles/reference/instances.csv",
    "profiles/reference/manifests.yaml",
    "profiles/reference/next.yaml",
    "profiles/reference/rules.yaml",
    "profiles/reference/requests.csv",
    "profiles/reference/by-rates.yaml",
    "profiles/reference/charted.yaml",
    "profiles/reference/values.yaml",
    "profiles/reference/load.yaml",
    "profiles/reference/small.yaml",
    "profiles/reference/live.yaml",
    "profiles/reference/by-iterations.yaml",
    "profiles/reference/by-stages.yaml",
    "profiles/reference/nodes.yaml",
];

/// The scenarios among them.
fn is_scenario(path: &str) -> bool {
    const OTHERS: [&str; 6] = [
        "profiles/demo/scenario.yaml",
        "profiles/reference/scenario.yaml",
        "profiles/reference/by-rates.yaml",
        "profiles/reference/by-iterations.yaml",
        "profiles/reference/by-stages.yaml",
        "profiles/reference/charted.yaml",
    ];
    path.starts_with("scenarios/") || OTHERS.contains(&path)
}

/// The JSON Schema (draft 07) of a kind of [`KINDS`]; `None` for any other.
#[must_use]
pub fn schema(kind: &str) -> Option<Value> {
    let kind = KINDS.into_iter().find(|known| known.eq_ignore_ascii_case(kind))?;
    if kind == "PodTrace" {
        return headed(Reader::of_traces().schema(kind, ""), kind);
    }
    let reader = Reader::of_scenarios();
    if kind == "Load" {
        return headed(load(reader.schema("Scenario", ""))?, kind);
    }
    headed(reader.schema(kind, ""), kind)
}

/// A Load is the head and the `load` of a scenario.
fn load(mut scenario: Value) -> Option<Value> {
    let fields = scenario.get_mut("properties")?.as_object_mut()?;
    fields.retain(|name, _| ["apiVersion", "kind", "metadata", "load"].contains(&&**name));
    // In a scenario another document may stand in for it.
    let own = fields.get("load").cloned().unwrap_or_default();
    if let Some(mut inner) = own.get("anyOf").and_then(|any| any.get(0)).cloned() {
        inner["description"] = own["description"].clone();
        fields.insert("load".to_owned(), inner);
    }
    scenario["required"] = json!(["apiVersion", "kind", "metadata", "load"]);
    Some(scenario)
}

/// A schema with what all of them begin with.
fn headed(mut root: Value, kind: &str) -> Option<Value> {
    let object = root.as_object_mut()?;
    let fields = object.get_mut("properties").and_then(Value::as_object_mut)?;
    let version = json!({"const": "aurelius.dev/v1", "description": "version of the form"});
    fields.insert("apiVersion".to_owned(), version);
    let told = json!({"const": kind, "description": "kind of the document"});
    fields.insert("kind".to_owned(), told);
    let mut head = Map::new();
    head.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    head.insert("title".to_owned(), json!(format!("{kind} (aurelius.dev/v1)")));
    head.extend(object.clone());
    Some(Value::Object(head))
}

/// What was learned of documents.
struct Reader {
    shapes: Shapes,
    descriptions: Descriptions,
}

impl Reader {
    /// Of scenarios and what they name.
    fn of_scenarios() -> Self {
        let mut sources = Sources::new();
        for (path, text) in DOCUMENTS {
            sources.embed(Path::new(path), text);
        }
        // The demo has the machines of AWS as its own.
        let aws = DOCUMENTS.iter().find(|(path, _)| path.ends_with("aws_eks_us-east-1.csv"));
        let (_, machines) = aws.expect("the catalogue is among the documents");
        sources.embed(Path::new("profiles/demo/instances.csv"), machines);
        let paths = DOCUMENTS.iter().map(|(path, _)| *path);
        let scenarios: Vec<&Path> =
            paths.clone().filter(|path| is_scenario(path)).map(Path::new).collect();
        let shapes = shapes(sources.clone(), &scenarios);
        let reference = paths.filter(|path| path.starts_with("profiles/reference/"));
        let descriptions = Descriptions::of(&sources, reference, &KINDS, &shapes);
        Self { shapes, descriptions }
    }

    /// Of pod traces.
    fn of_traces() -> Self {
        let (sources, shapes) = super::pod_trace::shapes();
        let reference = ["profiles/reference/pod-trace.yaml"];
        let descriptions = Descriptions::of(&sources, reference, &KINDS, &shapes);
        Self { shapes, descriptions }
    }

    /// The schema of what stands at a path.
    fn schema(&self, kind: &'static str, path: &str) -> Value {
        let Some(shape) = self.shapes.get(kind, path) else { return json!({}) };
        let mut choices: Vec<Value> = Vec::new();
        for name in &shape.types {
            match *name {
                "object" => choices.push(self.object(kind, path, shape)),
                "array" => {
                    let item = self.schema(kind, &format!("{path}[]"));
                    choices.push(json!({"type": "array", "items": item}));
                }
                // A whole number is a number, and words are the texts that are taken.
                "integer" if shape.types.contains("number") => {}
                "integer" => choices.push(integer(shape)),
                "string" if shape.words.is_empty() => choices.push(json!({"type": "string"})),
                "string" => choices.push(json!({"enum": shape.words})),
                other => choices.push(json!({"type": other})),
            }
        }
        match choices.len() {
            0 => json!({}),
            1 => choices.remove(0),
            _ => json!({"anyOf": choices}),
        }
    }

    fn object(&self, kind: &'static str, path: &str, shape: &Shape) -> Value {
        let mut value = json!({"type": "object"});
        if shape.free {
            value["additionalProperties"] = self.schema(kind, &format!("{path}.*"));
            return value;
        }
        let mut properties = Map::new();
        for name in shape.fields.keys() {
            let at = format!("{path}.{name}");
            let mut inner = self.schema(kind, &at);
            // A field that may be left out may also be null, as everywhere in Kubernetes.
            let demanded = shape.fields[name] == shape.visits && shape.visits > 0;
            if !demanded && inner != json!({}) {
                inner = json!({"anyOf": [inner, {"type": "null"}]});
            }
            if let Some(text) = self.descriptions.get(kind, &at, shape.fields.keys().copied()) {
                inner["description"] = text.into();
            }
            properties.insert((*name).to_owned(), inner);
        }
        let required: Vec<&str> = shape
            .fields
            .iter()
            .filter(|(_, demanded)| shape.visits > 0 && **demanded == shape.visits)
            .map(|(name, _)| *name)
            .collect();
        if !properties.is_empty() {
            value["properties"] = Value::Object(properties);
            value["additionalProperties"] = json!(false);
        }
        if !required.is_empty() {
            value["required"] = json!(required);
        }
        value
    }
}

fn integer(shape: &Shape) -> Value {
    let mut value = json!({"type": "integer"});
    let (low, high) = shape.bounds.unwrap_or((i128::MIN, i128::MAX));
    // Bounds of the type alone say nothing to an author.
    if let Ok(low) = i64::try_from(low)
        && low > i64::from(i32::MIN)
    {
        value["minimum"] = json!(low);
    }
    if let Ok(high) = i64::try_from(high)
        && high < i64::from(i32::MAX)
    {
        value["maximum"] = json!(high);
    }
    value
}
