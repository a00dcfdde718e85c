//! Passes of the disruption controller, and commands under way.
//!
//! sigs.k8s.io/karpenter, pkg/controllers/disruption/controller.go, queue.go.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::disruption::validation::validate;
use super::disruption::{Command, Found, Method, POLL, Sight, Stay, VALIDATION_DELAY, find};
use super::observation::Observation;
use super::provisioning::type_list;
use super::state::world;
use super::{Because, Karpenter, Order, Whose, say};
use crate::model::id::NodeId;
use crate::units::{SimDuration, SimTime};

/// Between two looks whether replacements are ready (queue.go `queueBaseDelay`).
const WAIT: SimDuration = SimDuration::from_secs(1);
/// How long a command may wait at least and at most, and what each of them adds
/// (queue.go `GetMaxRetryDuration`).
const LEAST_PATIENCE: SimDuration = SimDuration::from_secs(10 * 60);
const MOST_PATIENCE: SimDuration = SimDuration::from_secs(60 * 60);
const PATIENCE_PER_NODE: SimDuration = SimDuration::from_millis(80);

/// Where the disruption controller stands.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    next: SimTime,
    /// The method to go on with.
    method: usize,
    /// A command that waits for its second look.
    validating: Option<(Command, SimTime)>,
}

impl Default for Pass {
    fn default() -> Self {
        Self { next: SimTime::ZERO + POLL, method: 0, validating: None }
    }
}

impl Pass {
    pub(super) fn next(&self) -> SimTime {
        self.validating.as_ref().map_or(self.next, |(_, due)| *due)
    }
}

/// A command under way.
#[derive(Debug, Clone)]
pub(super) struct Running {
    method: Method,
    pub(super) nodes: Vec<NodeId>,
    /// Names of the claims that come first.
    replacements: Vec<Arc<str>>,
    started: SimTime,
    pub(super) next: SimTime,
}

impl Karpenter {
    /// Goes on with the pass, or begins one.
    pub(super) fn disrupt_due(&mut self, seen: &Observation, orders: &mut Vec<Order>) {
        let now = seen.now;
        if let Some((command, due)) = self.pass.validating.take() {
            if due > now {
                self.pass.validating = Some((command, due));
                return;
            }
            if self.second_look(seen, command, orders) {
                self.begin_again(now);
                return;
            }
        } else if self.pass.next > now {
            return;
        } else if !self.is_synced() {
            self.pass.next = now + SimDuration::from_secs(1);
            return;
        }
        while let Some(method) = Method::ALL.get(self.pass.method).copied() {
            self.pass.method += 1;
            let Some(command) = self.try_method(seen, method, orders) else { continue };
            if method.validates() {
                self.tell_candidates(&command, orders);
                self.pass.validating = Some((command, now + VALIDATION_DELAY));
                return;
            }
            if self.start(seen, &command, orders) {
                self.begin_again(now);
                return;
            }
        }
        self.pass.method = 0;
        self.pass.next = now + POLL;
    }

    fn begin_again(&mut self, now: SimTime) {
        self.pass.method = 0;
        // At once means after the writes of this pass were seen.
        self.pass.next = now + SimDuration::from_millis(100);
    }

    fn with_sight<T>(&self, seen: &Observation, look: impl FnOnce(&Sight<'_>) -> T) -> T {
        let unavailable = self.known_unavailable();
        let in_command = self.in_command();
        let world = world(&self.spec, seen, &self.states, &unavailable, &self.domain_groups);
        look(&Sight { world, states: &self.states, in_command: &in_command })
    }

    fn try_method(
        &mut self,
        seen: &Observation,
        method: Method,
        orders: &mut Vec<Order>,
    ) -> Option<Command> {
        let change = self.last_change(seen.now);
        let consolidated = self.consolidated.get(&method) == Some(&change);
        let found = self.with_sight(seen, |sight| find(sight, method, consolidated));
        if found.settled {
            self.consolidated.insert(method, change);
        }
        self.tell_found(&found, method, consolidated, orders);
        found.command
    }

    /// Tells why nodes stay and pools are blocked, where it is news.
    fn tell_found(
        &mut self,
        found: &Found,
        method: Method,
        consolidated: bool,
        orders: &mut Vec<Order>,
    ) {
        for (node, stay) in &found.stay {
            if consolidated || self.told_stay.get(node) == Some(stay) {
                continue;
            }
            self.told_stay.insert(*node, stay.clone());
            let (event, message) = match stay {
                Stay::Blocked(message) => ("DisruptionBlocked", message),
                Stay::Unconsolidatable(message) => ("Unconsolidatable", message),
            };
            orders.push(say(Whose::Node(*node), event, message.clone()));
        }
        for pool in &found.blocked_pools {
            let word = Because::Disruption(method.reason()).word();
            if self.told_pools.insert(*pool, word) != Some(word) {
                let message = format!(
                    "No allowed disruptions for disruption reason {word} due to blocking budget"
                );
                let about = Whose::Pool(Arc::clone(&self.spec.pools[*pool].name));
                orders.push(say(about, "DisruptionBlocked", message));
            }
        }
    }

    fn tell_candidates(&self, command: &Command, orders: &mut Vec<Order>) {
        if command.method == Method::Emptiness {
            return;
        }
        for candidate in &command.candidates {
            let message = format!(
                "Consolidation candidate: {} (savings: ${:.2})",
                of_node(command, &candidate.node.name),
                command.savings()
            );
            orders.push(say(Whose::Node(candidate.node.id), "ConsolidationCandidate", message));
        }
    }

    /// Looks at a command again, and starts it when it still holds; whether it was started.
    fn second_look(
        &mut self,
        seen: &Observation,
        command: Command,
        orders: &mut Vec<Order>,
    ) -> bool {
        let first = command.clone();
        match self.with_sight(seen, |sight| validate(sight, command)) {
            Ok(command) => self.start(seen, &command, orders),
            Err(invalid) => {
                for candidate in &first.candidates {
                    let message = format!(
                        "Consolidation rejected: {}, reason: {} (savings: ${:.2})",
                        of_node(&first, &candidate.node.name),
                        invalid.word(),
                        first.savings()
                    );
                    let about = Whose::Node(candidate.node.id);
                    orders.push(say(about, "ConsolidationRejected", message));
                }
                false
            }
        }
    }

    /// Taints the nodes, makes the claims that come first, and marks the nodes (`StartCommand`);
    /// whether all claims could be made.
    fn start(&mut self, seen: &Observation, command: &Command, orders: &mut Vec<Order>) -> bool {
        let now = seen.now;
        let reason = Because::Disruption(command.method.reason()).word();
        self.tell_start(command, reason, orders);
        let nodes: Vec<NodeId> = command.candidates.iter().map(|it| it.node.id).collect();
        orders.extend(nodes.iter().map(|node| Order::Taint(*node)));
        let mut replacements = Vec::new();
        for plan in &command.replacements {
            match self.create(seen, plan.clone(), &reason.to_lowercase(), orders) {
                Some(name) => replacements.push(name),
                None => {
                    orders.extend(nodes.iter().map(|node| Order::Untaint(*node)));
                    return false;
                }
            }
        }
        for node in &nodes {
            if let Some(state) = self.states.get_mut(node) {
                state.marked = true;
            }
            self.batch.look_at(super::batch::Trigger::Node(*node), now);
        }
        for node in &command.takers {
            self.nominate(*node, now);
        }
        self.touch(now);
        let method = command.method;
        self.commands.push(Running { method, nodes, replacements, started: now, next: now });
        true
    }

    fn tell_start(&self, command: &Command, reason: &str, orders: &mut Vec<Order>) {
        let pools: BTreeSet<usize> = command.candidates.iter().map(|it| it.pool).collect();
        let pods: usize = command.candidates.iter().map(|it| it.reschedulable.len()).sum();
        let types = match &command.replacements[..] {
            [one] => format!(", replacement types {}", type_list(&one.choices)),
            _ => String::new(),
        };
        let savings = command.savings();
        for pool in pools {
            let message = format!(
                "disrupting node(s): {reason}: {command} ({pods} pod{} to move, savings \
                 ${savings:.2} per hour{types})",
                if pods == 1 { "" } else { "s" },
            );
            let about = Whose::Pool(Arc::clone(&self.spec.pools[pool].name));
            orders.push(say(about, "Disrupting", message));
        }
    }

    /// Deletes the nodes of commands whose replacements are ready; gives up those whose replacements
    /// are gone, or that take too long (`waitOrTerminate`).
    pub(super) fn continue_commands(&mut self, seen: &Observation, orders: &mut Vec<Order>) {
        let now = seen.now;
        let nodes = u64::try_from(self.in_command().len()).unwrap_or(u64::MAX);
        let patience = SimDuration::from_nanos(PATIENCE_PER_NODE.as_nanos().saturating_mul(nodes))
            .clamp(LEAST_PATIENCE, MOST_PATIENCE);
        let mut kept = Vec::new();
        for mut running in std::mem::take(&mut self.commands) {
            if running.next > now {
                kept.push(running);
                continue;
            }
            match self.state_of(&running) {
                Replacements::Ready => self.finish(&running, now, orders),
                Replacements::Gone => self.roll_back(&running, "replacement was deleted", orders),
                Replacements::Coming if now > running.started + patience => {
                    self.roll_back(&running, "command reached timeout", orders);
                }
                Replacements::Coming => {
                    running.next = now + WAIT;
                    kept.push(running);
                }
            }
        }
        self.commands.extend(kept);
    }

    fn state_of(&self, running: &Running) -> Replacements {
        let mut state = Replacements::Ready;
        for name in &running.replacements {
            let launching = self.launching.iter().any(|it| it.name == *name);
            let node = self.claims.get(name).and_then(|node| self.states.get(node));
            match node {
                Some(node) if node.initialized.is_some() => {}
                Some(_) => state = Replacements::Coming,
                None if launching => state = Replacements::Coming,
                None => return Replacements::Gone,
            }
        }
        state
    }

    fn finish(&mut self, running: &Running, now: SimTime, orders: &mut Vec<Order>) {
        let because = Because::Disruption(running.method.reason());
        for node in &running.nodes {
            let message = format!("Disrupting Node: {}", because.word());
            orders.push(say(Whose::Node(*node), "DisruptionTerminating", message));
            self.delete_claim(*node, because, now, orders);
        }
    }

    fn roll_back(&mut self, running: &Running, why: &str, orders: &mut Vec<Order>) {
        for node in &running.nodes {
            let Some(state) = self.states.get_mut(node) else { continue };
            state.marked = false;
            if state.deleted.is_none() {
                orders.push(Order::Untaint(*node));
                let message = format!("failed terminating nodes, {why}; the node stays");
                orders.push(say(Whose::Node(*node), "DisruptionFailed", message));
            }
        }
        self.change.0 += 1;
    }
}

/// How far what a command waits for has come.
enum Replacements {
    Ready,
    Coming,
    Gone,
}

/// A command as an event of one of its nodes tells it (types.go `StringForNode`).
fn of_node(command: &Command, name: &str) -> String {
    match command.candidates.len() {
        1 => command.to_string(),
        many => format!("{}: [{name}] (part of {many}-node consolidation)", command.decision()),
    }
}
