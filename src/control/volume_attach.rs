//! The attach-detach controller: which disk is attached to which node.
//!
//! kube-controller-manager, volume/attachdetach/reconciler/reconciler.go `reconcile`,
//! `attachDesiredVolumes`. A disk that one node may mount is attached to no other before it is
//! detached; two pods of one node share it. It is detached when no pod of the node needs it and the
//! kubelet says that it is unmounted; a kubelet that says nothing is overruled after six minutes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::id::NodeId;
use crate::units::{SimDuration, SimTime};

/// How long the controller waits for a kubelet that does not answer to report a volume unmounted
/// (attach_detach_controller.go `ReconcilerMaxWaitForUnmountDuration`).
pub const FORCE_DETACH_AFTER: SimDuration = SimDuration::from_secs(360);

/// All attachments of a cluster.
#[derive(Debug, Clone, Default)]
pub struct AttachDetach {
    volumes: BTreeMap<Arc<str>, Vec<Attachment>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attachment {
    node: NodeId,
    state: State,
    /// How long its detaching takes.
    detach: SimDuration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// On the node from then on.
    Attached(SimTime),
    /// Nobody needs it, and the node does not say that it is unmounted.
    AwaitsUnmount(SimTime),
    /// Off the node from then on.
    Detaching(SimTime),
}

/// What became of the wish for a volume on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// It is there from this instant on.
    From(SimTime),
    /// It is attached to another node, and may be to one only: `Multi-Attach error`.
    OtherNode(NodeId),
    /// It is just being taken off this node.
    Busy,
}

impl AttachDetach {
    /// A pod of `node` needs a volume. `shared` ones may be attached to many nodes. `attach` and
    /// `detach` are how long the cloud takes for it.
    pub fn attach(
        &mut self,
        now: SimTime,
        (volume, shared): (&Arc<str>, bool),
        node: NodeId,
        attach: SimDuration,
        detach: SimDuration,
    ) -> Attach {
        let attachments = self.volumes.entry(Arc::clone(volume)).or_default();
        if let Some(mine) = attachments.iter_mut().find(|known| known.node == node) {
            return match mine.state {
                State::Attached(at) => Attach::From(at.max(now)),
                State::AwaitsUnmount(_) => {
                    mine.state = State::Attached(now);
                    Attach::From(now)
                }
                State::Detaching(_) => Attach::Busy,
            };
        }
        if let Some(other) = attachments.first().filter(|_| !shared) {
            return Attach::OtherNode(other.node);
        }
        let at = now + attach;
        attachments.push(Attachment { node, state: State::Attached(at), detach });
        Attach::From(at)
    }

    /// No pod of `node` needs a volume any more. A kubelet that `answers` has unmounted it.
    pub fn release(&mut self, now: SimTime, volume: &str, node: NodeId, answers: bool) {
        let attachments = self.volumes.get_mut(volume).into_iter().flatten();
        for mine in attachments.filter(|known| known.node == node) {
            if let State::Attached(_) = mine.state {
                mine.state = if answers {
                    State::Detaching(now + mine.detach)
                } else {
                    State::AwaitsUnmount(now + FORCE_DETACH_AFTER)
                };
            }
        }
    }

    /// A node answers again, or someone said that it is out of service: what nobody needs there is
    /// detached at once.
    pub fn unmounted(&mut self, now: SimTime, node: NodeId) {
        for mine in self.volumes.values_mut().flatten().filter(|known| known.node == node) {
            if let State::AwaitsUnmount(_) = mine.state {
                mine.state = State::Detaching(now + mine.detach);
            }
        }
    }

    /// Whether any volume is attached to a node, or not off it yet.
    #[must_use]
    pub fn holds(&self, node: NodeId) -> bool {
        self.volumes.values().flatten().any(|known| known.node == node)
    }

    /// When something is due next.
    #[must_use]
    pub fn next(&self) -> Option<SimTime> {
        let due = |attachment: &Attachment| match attachment.state {
            State::Attached(_) => None,
            State::AwaitsUnmount(at) | State::Detaching(at) => Some(at),
        };
        self.volumes.values().flatten().filter_map(due).min()
    }

    /// Does what is due: returns volumes that are being detached by force, and volumes that are off
    /// their node.
    pub fn due(&mut self, now: SimTime) -> Due {
        let mut due = Due::default();
        for (volume, attachments) in &mut self.volumes {
            for mine in attachments.iter_mut() {
                if let State::AwaitsUnmount(at) = mine.state
                    && at <= now
                {
                    mine.state = State::Detaching(now + mine.detach);
                    due.forced.push((Arc::clone(volume), mine.node));
                }
            }
            let off = |known: &Attachment| matches!(known.state, State::Detaching(at) if at <= now);
            due.detached |= attachments.iter().any(off);
            attachments.retain(|known| !off(known));
        }
        due
    }
}

/// What was due.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// Volumes that are taken off a node without its consent.
    pub forced: Vec<(Arc<str>, NodeId)>,
    /// Whether any volume came off its node.
    pub detached: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACH: SimDuration = SimDuration::from_secs(8);
    const DETACH: SimDuration = SimDuration::from_secs(5);

    fn at(seconds: u64) -> SimTime {
        SimTime::from_secs(seconds)
    }

    fn wish(controller: &mut AttachDetach, now: u64, shared: bool, node: u32) -> Attach {
        let volume: Arc<str> = Arc::from("default/data");
        controller.attach(at(now), (&volume, shared), NodeId(node), ATTACH, DETACH)
    }

    #[test]
    fn a_disk_is_on_one_node_at_a_time() {
        let mut disks = AttachDetach::default();
        assert_eq!(wish(&mut disks, 0, false, 1), Attach::From(at(8)));
        assert_eq!(wish(&mut disks, 2, false, 1), Attach::From(at(8)), "two pods of one node");
        assert_eq!(wish(&mut disks, 9, false, 2), Attach::OtherNode(NodeId(1)));
        disks.release(at(10), "default/data", NodeId(1), true);
        assert_eq!(wish(&mut disks, 11, false, 1), Attach::Busy);
        assert_eq!(disks.next(), Some(at(15)));
        assert!(disks.due(at(15)).detached);
        assert_eq!(wish(&mut disks, 15, false, 2), Attach::From(at(23)));
    }

    #[test]
    fn a_silent_node_is_overruled_after_six_minutes() {
        let mut disks = AttachDetach::default();
        let _ = wish(&mut disks, 0, false, 1);
        disks.release(at(100), "default/data", NodeId(1), false);
        assert_eq!(disks.next(), Some(at(460)));
        let due = disks.due(at(460));
        assert_eq!(due.forced, [(Arc::from("default/data"), NodeId(1))]);
        assert!(!due.detached, "detaching takes its time");
        assert_eq!(wish(&mut disks, 461, false, 2), Attach::OtherNode(NodeId(1)));
        assert!(disks.due(at(465)).detached);
    }

    #[test]
    fn a_node_that_answers_again_does_not_wait() {
        let mut disks = AttachDetach::default();
        let _ = wish(&mut disks, 0, false, 1);
        disks.release(at(100), "default/data", NodeId(1), false);
        disks.unmounted(at(130), NodeId(1));
        assert_eq!(disks.next(), Some(at(135)));
    }

    #[test]
    fn a_shared_volume_is_on_many_nodes() {
        let mut disks = AttachDetach::default();
        assert_eq!(wish(&mut disks, 0, true, 1), Attach::From(at(8)));
        assert_eq!(wish(&mut disks, 1, true, 2), Attach::From(at(9)));
    }
}
