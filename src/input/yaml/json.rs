//! Trees as JSON: what `sigs.k8s.io/yaml` would hand to a decoder.

use serde_json::{Map, Number, Value};

use super::{Kind, Node, Scalar, ScalarValue};

impl Node {
    /// The node as JSON on one line. Numbers that JSON has not are null.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.to_json_value().to_string()
    }

    /// The node as a JSON value, keys in the order of writing.
    #[must_use]
    pub fn to_json_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(scalar) => json_scalar(scalar),
            Kind::Sequence(items) => Value::Array(items.iter().map(Self::to_json_value).collect()),
            Kind::Mapping(entries) => {
                let pair =
                    |entry: &super::Entry| (entry.key.to_string(), entry.value.to_json_value());
                Value::Object(entries.iter().map(pair).collect::<Map<_, _>>())
            }
        }
    }
}

fn json_scalar(scalar: &Scalar) -> Value {
    match scalar.value {
        ScalarValue::Null => Value::Null,
        ScalarValue::Boolean(truth) => Value::Bool(truth),
        ScalarValue::Integer(number) => {
            let wide = u64::try_from(number).map(Number::from);
            let number = i64::try_from(number).map(Number::from).or(wide);
            number.map_or(Value::Null, Value::Number)
        }
        ScalarValue::Float(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        ScalarValue::Text => Value::String(scalar.text.to_string()),
    }
}
