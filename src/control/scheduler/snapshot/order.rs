//! The order of nodes: zones in order of appearance, one node of each in turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::control::scheduler::snapshot::NodeSlot;

type ZoneKey = (Arc<str>, Arc<str>);

/// Nodes by zone (backend/cache/node_tree.go).
#[derive(Debug, Clone, Default)]
pub(crate) struct NodeOrder {
    zones: Vec<(ZoneKey, Vec<NodeSlot>)>,
    zone_of: BTreeMap<NodeSlot, ZoneKey>,
    list: Vec<NodeSlot>,
    stale: bool,
}

/// Where a removed node stood, so that it can be put back.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    zone: ZoneKey,
    zone_position: usize,
    position: usize,
}

impl NodeOrder {
    pub(crate) fn push(&mut self, zone: ZoneKey, slot: NodeSlot) {
        self.zone_of.insert(slot, zone.clone());
        match self.zones.iter_mut().find(|(known, _)| *known == zone) {
            Some((_, members)) => members.push(slot),
            None => self.zones.push((zone, vec![slot])),
        }
        self.stale = true;
    }

    pub(crate) fn remove(&mut self, slot: NodeSlot) -> Place {
        let zone = self.zone_of.remove(&slot).expect("a node that goes was in the order");
        let zone_position = self.zones.iter().position(|(known, _)| *known == zone);
        let zone_position = zone_position.expect("a node's zone is in the order");
        let members = &mut self.zones[zone_position].1;
        let position = members.iter().position(|member| *member == slot);
        let position = position.expect("a node is listed in its zone");
        members.remove(position);
        if members.is_empty() {
            self.zones.remove(zone_position);
        }
        self.stale = true;
        Place { zone, zone_position, position }
    }

    pub(crate) fn restore(&mut self, slot: NodeSlot, place: Place) {
        let Place { zone, zone_position, position } = place;
        self.zone_of.insert(slot, zone.clone());
        if !self.zones.iter().any(|(known, _)| *known == zone) {
            self.zones.insert(zone_position.min(self.zones.len()), (zone.clone(), Vec::new()));
        }
        let found = self.zones.iter_mut().find(|(known, _)| *known == zone);
        let members = &mut found.expect("the zone was just made sure of").1;
        members.insert(position.min(members.len()), slot);
        self.stale = true;
    }

    /// One node of each zone in turn, exhausted zones skipped.
    pub(crate) fn list(&mut self) -> &[NodeSlot] {
        if self.stale {
            self.list.clear();
            let longest = self.zones.iter().map(|(_, members)| members.len()).max().unwrap_or(0);
            for turn in 0..longest {
                self.list.extend(self.zones.iter().filter_map(|(_, members)| members.get(turn)));
            }
            self.stale = false;
        }
        &self.list
    }

    /// The list as last made.
    pub(crate) fn listed(&self) -> &[NodeSlot] {
        assert!(!self.stale, "the list is made before it is read");
        &self.list
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = NodeSlot> {
        self.zones.iter().flat_map(|(_, members)| members.iter().copied())
    }

    pub(crate) fn len(&self) -> usize {
        self.zone_of.len()
    }
}
