//! From what an alert's expression selects to pending, firing and resolved (rules/alerting.go `Eval`).

use std::collections::BTreeMap;

use crate::promql::{Error, Labels, Sample};

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its expression holds, not for long enough yet.
    Pending,
    /// It fires.
    Firing,
}

/// How long an alert must hold, and is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Patience {
    /// `for` (ms).
    pub hold_ms: i64,
    /// `keep_firing_for` (ms).
    pub keep_ms: i64,
}

/// What became of one alert, by its labels, at an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which.
    pub labels: Labels,
    /// Where it stands now; `None`: nowhere any more.
    pub state: Option<State>,
    /// The value of its expression, last seen.
    pub value: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Active {
    since_ms: i64,
    state: State,
    /// Since when only patience keeps it firing.
    kept_since_ms: Option<i64>,
    value: f64,
}

/// All alerts of one rule that are pending or fire.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Alerts {
    active: BTreeMap<Labels, Active>,
}

impl Alerts {
    /// Takes in what the expression selects at an instant, under the labels that alerts carry. The
    /// changes are those of this instant; who is not among them stands where it stood.
    ///
    /// # Errors
    /// When two elements come to the same labels.
    pub fn evaluate(
        &mut self,
        at_ms: i64,
        selected: &[Sample],
        patience: Patience,
    ) -> Result<Vec<Change>, Error> {
        let mut now: BTreeMap<&Labels, f64> = BTreeMap::new();
        for sample in selected {
            if now.insert(&sample.labels, sample.value).is_some() {
                return Err(Error(
                    "vector contains metrics with the same labelset after applying alert labels"
                        .to_owned(),
                ));
            }
        }
        let mut changes = Vec::new();
        for (labels, value) in &now {
            if let Some(active) = self.active.get_mut(*labels) {
                active.value = *value;
                active.kept_since_ms = None;
            } else {
                let fresh = Active {
                    since_ms: at_ms,
                    state: State::Pending,
                    kept_since_ms: None,
                    value: *value,
                };
                self.active.insert((*labels).clone(), fresh);
                changes.push(Change {
                    labels: (*labels).clone(),
                    state: Some(State::Pending),
                    value: *value,
                });
            }
        }
        self.active.retain(|labels, active| {
            if !now.contains_key(labels) {
                let kept = active.state == State::Firing && patience.keep_ms > 0 && {
                    let since = *active.kept_since_ms.get_or_insert(at_ms);
                    at_ms - since < patience.keep_ms
                };
                if !kept {
                    let value = active.value;
                    changes.push(Change { labels: labels.clone(), state: None, value });
                }
                return kept;
            }
            if active.state == State::Pending && at_ms - active.since_ms >= patience.hold_ms {
                active.state = State::Firing;
                let (labels, value) = (labels.clone(), active.value);
                // One that holds at once was never pending.
                changes.retain(|change| change.labels != labels);
                changes.push(Change { labels, state: Some(State::Firing), value });
            }
            true
        });
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(pods: &[&str]) -> Vec<Sample> {
        pods.iter().map(|pod| Sample { labels: Labels::of([("pod", *pod)]), value: 1.0 }).collect()
    }

    fn states(
        alerts: &mut Alerts,
        at_ms: i64,
        pods: &[&str],
        patience: Patience,
    ) -> Vec<Option<State>> {
        let changes = alerts.evaluate(at_ms, &selected(pods), patience).expect("labels differ");
        changes.into_iter().map(|change| change.state).collect()
    }

    #[test]
    fn it_fires_when_it_has_held_for_long_enough_and_begins_anew_after_a_gap() {
        let patience = Patience { hold_ms: 120_000, keep_ms: 0 };
        let mut alerts = Alerts::default();
        assert_eq!(states(&mut alerts, 0, &["a"], patience), [Some(State::Pending)]);
        assert_eq!(states(&mut alerts, 60_000, &["a"], patience), []);
        assert_eq!(states(&mut alerts, 90_000, &[], patience), [None]);
        assert_eq!(states(&mut alerts, 120_000, &["a"], patience), [Some(State::Pending)]);
        assert_eq!(states(&mut alerts, 240_000, &["a"], patience), [Some(State::Firing)]);
    }

    #[test]
    fn without_for_it_fires_at_once_and_patience_keeps_it() {
        let patience = Patience { hold_ms: 0, keep_ms: 60_000 };
        let mut alerts = Alerts::default();
        assert_eq!(states(&mut alerts, 0, &["a"], patience), [Some(State::Firing)]);
        assert_eq!(states(&mut alerts, 30_000, &[], patience), []);
        assert_eq!(states(&mut alerts, 60_000, &["a"], patience), []);
        assert_eq!(states(&mut alerts, 90_000, &[], patience), []);
        assert_eq!(states(&mut alerts, 120_000, &[], patience), []);
        assert_eq!(states(&mut alerts, 150_000, &[], patience), [None]);
    }

    #[test]
    fn two_alerts_of_one_name_are_an_error() {
        let twice = selected(&["a", "a"]);
        assert!(Alerts::default().evaluate(0, &twice, Patience::default()).is_err());
    }
}
