//! What every object has: name, namespace, labels; and the integer-or-percentage of Kubernetes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::units::Origin;

/// Labels or annotations, by key.
pub type Labels = BTreeMap<Arc<str>, Arc<str>>;

/// Name, namespace, labels and the place an object was read from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectMeta {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `metadata.namespace`; `default` when absent.
    pub namespace: Arc<str>,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: Labels,
    /// Where the object starts in its file.
    pub origin: Origin,
}

/// A number of pods, or a percentage of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntOrPercent {
    /// So many pods.
    Int(i32),
    /// So many per cent of the pods.
    Percent(i32),
}

impl IntOrPercent {
    /// The number of pods of `total`, percentages rounded up or down
    /// (apimachinery, `GetScaledValueFromIntOrPercent`).
    #[must_use]
    pub fn scaled(self, total: i32, round_up: bool) -> i32 {
        match self {
            Self::Int(count) => count,
            Self::Percent(percent) => {
                let product = i64::from(percent) * i64::from(total);
                let floor = product.div_euclid(100);
                let exact = product.rem_euclid(100) == 0;
                let value = if round_up && !exact { floor + 1 } else { floor };
                i32::try_from(value).expect("a percentage of a replica count fits 32 bits")
            }
        }
    }
}

impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_as_asked() {
        assert_eq!(IntOrPercent::Percent(25).scaled(5, true), 2);
        assert_eq!(IntOrPercent::Percent(25).scaled(5, false), 1);
        assert_eq!(IntOrPercent::Percent(50).scaled(4, true), 2);
        assert_eq!(IntOrPercent::Percent(1).scaled(3, true), 1);
        assert_eq!(IntOrPercent::Int(3).scaled(5, false), 3);
    }
}
