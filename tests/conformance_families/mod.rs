//! The families of conformance vectors, one file each.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde_json::Value;

mod budgets;
mod ca_eligibility;
mod ca_loop;
mod ca_scaleup;
mod ca_world;
mod common;
mod daemonset;
mod eviction;
mod hpa;
mod pdb_status;
mod queueing;
mod rollout;
mod rs_victims;
mod scheduling;
mod statefulset;
mod taint_eviction;

/// Every family the runner knows.
pub(crate) const FAMILIES: &[Family] = &[
    Family { name: "ca-eligibility", check: ca_eligibility::check },
    Family { name: "ca-loop", check: ca_loop::check },
    Family { name: "ca-scaleup", check: ca_scaleup::check },
    Family { name: "hpa", check: hpa::check },
    Family { name: "scheduling", check: scheduling::check },
    Family { name: "daemonset", check: daemonset::check },
    Family { name: "eviction", check: eviction::check },
    Family { name: "pdb-status", check: pdb_status::check },
    Family { name: "rollout", check: rollout::check },
    Family { name: "rs-victims", check: rs_victims::check },
    Family { name: "statefulset", check: statefulset::check },
    Family { name: "taint-eviction", check: taint_eviction::check },
    Family { name: "queueing", check: queueing::check },
];

/// How the vectors of one component are checked.
pub(crate) struct Family {
    /// What stands before the last `-` of the file name.
    pub(crate) name: &'static str,
    /// Checks all cases of the family; an error is a case that cannot be read.
    pub(crate) check: fn(&[Value]) -> Result<Outcome, String>,
}

/// What came out for one family.
#[derive(Default)]
pub(crate) struct Outcome {
    /// How many answers were compared.
    pub(crate) checks: usize,
    /// The answers that differ.
    pub(crate) mismatches: Vec<Mismatch>,
}

/// One answer that differs.
pub(crate) struct Mismatch {
    /// Case and moment.
    pub(crate) place: String,
    /// Field by field.
    pub(crate) differences: Vec<Difference>,
}

/// One field that differs.
pub(crate) struct Difference {
    /// The field.
    pub(crate) field: String,
    /// What the real component said.
    pub(crate) expected: String,
    /// What the simulator says.
    pub(crate) got: String,
}

/// The answers of one case, compared.
#[derive(Default)]
pub(crate) struct Checks(Vec<Mismatch>);

impl Checks {
    /// Begins the comparison of one answer; the place is shown if it differs.
    pub(crate) fn at(&mut self, place: String) -> &mut Self {
        self.0.push(Mismatch { place, differences: Vec::new() });
        self
    }

    /// Compares one field of the answer begun last.
    pub(crate) fn compare<T: PartialEq + Debug + ?Sized>(
        &mut self,
        field: &str,
        expected: &T,
        got: &T,
    ) {
        if expected != got {
            let answer = self.0.last_mut().expect("`at` comes before `compare`");
            answer.differences.push(Difference {
                field: field.to_owned(),
                expected: format!("{expected:?}"),
                got: format!("{got:?}"),
            });
        }
    }
}

/// Reads every case into its type and checks it on its own.
pub(crate) fn each_case<Case: DeserializeOwned>(
    cases: &[Value],
    check: impl Fn(Case) -> Checks,
) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    for (index, value) in cases.iter().enumerate() {
        let case = Case::deserialize(value).map_err(|error| {
            let name = value.get("name").and_then(Value::as_str).unwrap_or("without a name");
            format!("case {} ({name}): {error}", index + 1)
        })?;
        let Checks(answers) = check(case);
        outcome.checks += answers.len();
        outcome.mismatches.extend(answers.into_iter().filter(|it| !it.differences.is_empty()));
    }
    Ok(outcome)
}
