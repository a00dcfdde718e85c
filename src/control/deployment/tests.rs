//! Rollouts step by step, with pods that follow at once.

use super::*;
use crate::cluster::api::meta::IntOrPercent::{self, Int, Percent};

/// A Deployment whose pods come and go at once and become available when asked.
struct Rollout {
    deployment: DeploymentSeen,
    wanted: u32,
    status: Status,
    sets: Vec<SetSeen>,
    now: SimTime,
}

impl Rollout {
    /// A finished rollout of template 0, and template 1 wanted.
    fn new(replicas: i32, max_surge: IntOrPercent, max_unavailable: IntOrPercent) -> Self {
        let strategy = DeploymentStrategy::RollingUpdate { max_surge, max_unavailable };
        let deployment = DeploymentSeen {
            replicas,
            strategy,
            progress_deadline: Some(SimDuration::from_secs(600)),
            revision_history_limit: 10,
            paused: false,
            generation: 1,
        };
        let status = Status::default();
        let now = SimTime::from_secs(100);
        let mut rollout = Self { deployment, wanted: 0, status, sets: Vec::new(), now };
        for _ in 0..4 {
            rollout.step();
            rollout.make_available();
        }
        rollout.wanted = 1;
        rollout.deployment.generation = 2;
        rollout
    }

    /// One synchronisation; says what kind of step it was.
    fn step(&mut self) -> Step {
        self.now += SimDuration::from_secs(1);
        let sync = sync(&Observation {
            now: self.now,
            deployment: self.deployment,
            wanted: self.wanted,
            status: &self.status,
            sets: &self.sets,
        });
        self.status = sync.status.clone();
        for update in &sync.updates {
            let set = self.sets.iter_mut().find(|set| set.template == update.template);
            let set = set.expect("an update names a set that exists");
            (set.replicas, set.annotations) = (update.replicas, update.annotations);
        }
        self.sets.extend(sync.create.map(|new| SetSeen {
            template: self.wanted,
            created: self.now,
            replicas: new.replicas,
            annotations: new.annotations,
            active: 0,
            ready: 0,
            available: 0,
            has_living_pods: false,
        }));
        for set in &mut self.sets {
            set.active = set.replicas;
            set.ready = set.ready.min(set.replicas);
            set.available = set.available.min(set.replicas);
            set.has_living_pods = set.active > 0;
        }
        sync.step
    }

    fn make_available(&mut self) {
        for set in &mut self.sets {
            (set.ready, set.available) = (set.replicas, set.replicas);
        }
    }

    fn sizes(&self) -> (i32, i32) {
        let size = |template| {
            self.sets.iter().find(|set| set.template == template).map_or(0, |set| set.replicas)
        };
        (size(0), size(1))
    }

    /// The sizes of old and new after each change, up to the end; pods become available when
    /// nothing else moves.
    fn sequence(&mut self) -> Vec<(i32, i32)> {
        let mut sizes = vec![self.sizes()];
        for _ in 0..60 {
            self.step();
            if sizes.last() == Some(&self.sizes()) {
                self.make_available();
            } else {
                sizes.push(self.sizes());
            }
        }
        sizes
    }
}

/// Replicas, surge, unavailable, and the first sizes of old and new.
type Row = (i32, IntOrPercent, IntOrPercent, &'static [(i32, i32)]);

#[test]
fn a_rolling_update_goes_through_the_sizes_of_a_real_one() {
    let rows: [Row; 4] = [
        (10, Percent(25), Percent(25), &[(10, 0), (8, 3), (8, 5), (3, 5), (3, 10), (0, 10)]),
        (1, Percent(25), Percent(25), &[(1, 0), (1, 1), (0, 1)]),
        (3, Int(0), Int(1), &[(3, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2), (0, 3)]),
        // Both round to nothing, which would never move: one may be missing then.
        (10, Percent(0), Percent(5), &[(10, 0), (9, 0), (9, 1), (8, 1), (8, 2), (7, 2)]),
    ];
    for (replicas, surge, unavailable, expected) in rows {
        let sizes = Rollout::new(replicas, surge, unavailable).sequence();
        assert_eq!(sizes[..expected.len()], *expected, "{replicas} {surge} {unavailable}");
        assert_eq!(sizes.last(), Some(&(0, replicas)));
    }
}

/// E35, the stuck one: new pods never become ready and one of the old ones dies. There is nothing to
/// spare, so no set changes; the old set replaces its own pod.
#[test]
fn an_old_pod_that_dies_in_a_stuck_rollout_changes_no_size() {
    let mut rollout = Rollout::new(10, Percent(25), Percent(25));
    for _ in 0..3 {
        rollout.step();
    }
    assert_eq!(rollout.sizes(), (8, 5));
    let old = &mut rollout.sets[0];
    (old.active, old.ready, old.available) = (7, 7, 7);
    for _ in 0..3 {
        rollout.step();
        assert_eq!(rollout.sizes(), (8, 5));
        rollout.sets[0].available = 7;
    }
}

#[test]
fn a_rollout_whose_pods_never_come_up_stays_and_says_so_after_the_deadline() {
    let mut rollout = Rollout::new(10, Percent(25), Percent(25));
    for _ in 0..5 {
        rollout.step();
    }
    assert_eq!(rollout.sizes(), (8, 5));
    rollout.now += SimDuration::from_secs(700);
    rollout.step();
    assert_eq!(rollout.sizes(), (8, 5), "nothing is rolled back");
    let progress = rollout.status.conditions.progressing.map(|it| it.reason);
    assert_eq!(progress, Some(Progress::ProgressDeadlineExceeded));
}

#[test]
fn a_size_that_changes_half_way_is_shared_in_proportion() {
    let mut rollout = Rollout::new(10, Percent(25), Percent(25));
    rollout.step();
    rollout.step();
    assert_eq!(rollout.sizes(), (8, 5));
    rollout.deployment.replicas = 15;
    assert_eq!(rollout.step(), Step::Scaled);
    assert_eq!(rollout.sizes(), (12, 7));
}

#[test]
fn recreate_waits_for_the_last_old_pod() {
    let mut rollout = Rollout::new(3, Int(1), Int(0));
    rollout.deployment.strategy = DeploymentStrategy::Recreate;
    rollout.step();
    assert_eq!(rollout.sizes(), (0, 0));
    rollout.sets[0].has_living_pods = true;
    rollout.step();
    assert_eq!(rollout.sizes(), (0, 0), "a terminating pod counts");
    rollout.step();
    assert_eq!(rollout.sizes(), (0, 3));
}

fn empty_set(template: u32, revision: i64) -> SetSeen {
    SetSeen {
        template,
        created: SimTime::from_secs(u64::from(template)),
        replicas: 0,
        annotations: Annotations { revision, ..Annotations::default() },
        active: 0,
        ready: 0,
        available: 0,
        has_living_pods: false,
    }
}

/// The limit looks at the sets as they were before they were scaled.
#[test]
fn a_paused_deployment_beyond_its_history_limit_deletes_the_set_it_has_just_scaled_up() {
    let mut rollout = Rollout::new(5, Percent(25), Percent(25));
    rollout.sets = vec![empty_set(0, 1)];
    rollout.deployment.paused = true;
    let seen = |rollout: &Rollout| {
        sync(&Observation {
            now: rollout.now,
            deployment: rollout.deployment,
            wanted: 1,
            status: &rollout.status,
            sets: &rollout.sets,
        })
    };
    let kept = seen(&rollout);
    assert_eq!((kept.updates[0].replicas, kept.delete.len()), (5, 0));
    rollout.deployment.revision_history_limit = 0;
    let deleted = seen(&rollout);
    assert_eq!((deleted.updates.len(), deleted.delete), (0, vec![0]));
}

/// The condition that is noted when the set is made is stored at once, so it is no change.
#[test]
fn a_new_set_that_finds_no_room_is_looked_at_again_before_the_deadline() {
    let mut rollout = Rollout::new(4, Int(1), Int(0));
    // A scaling has written all but the progress; five pods of the old set, none available.
    let old = &mut rollout.sets[0];
    (old.replicas, old.active, old.ready, old.available) = (5, 4, 0, 0);
    rollout.status = Status {
        observed_generation: 2,
        replicas: 4,
        updated: 0,
        ready: 0,
        available: 0,
        unavailable: 5,
        conditions: Conditions {
            available: Some(Available::MinimumReplicasUnavailable),
            ..rollout.status.conditions
        },
    };
    let step = sync(&Observation {
        now: rollout.now,
        deployment: rollout.deployment,
        wanted: 1,
        status: &rollout.status,
        sets: &rollout.sets,
    });
    assert_eq!(step.create.map(|new| new.replicas), Some(0));
    assert_eq!(
        step.status.conditions.progressing.map(|it| it.reason),
        Some(Progress::NewReplicaSetCreated)
    );
    assert_eq!(step.requeue, Some(SimDuration::from_secs(601)));
}
