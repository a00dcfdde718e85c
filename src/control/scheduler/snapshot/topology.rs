//! Topology keys as numbers: which domain of a key a node lies in.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::Labels;
use crate::units::convert::{count_u32, index};

/// Number of a topology key in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyId(u32);

/// Domain of a node that lacks the key.
pub(crate) const NO_DOMAIN: u32 = u32::MAX;

/// The domains of every key that some shape names. Domain numbers are never reused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topology {
    names: Vec<Arc<str>>,
    keys: Vec<Key>,
}

#[derive(Debug, Clone, Default)]
struct Key {
    by_value: BTreeMap<Arc<str>, u32>,
    of_node: Vec<u32>,
}

impl Topology {
    /// The number of a key, and whether it is new: then every node must be placed anew.
    pub(crate) fn intern(&mut self, name: &Arc<str>) -> (KeyId, bool) {
        if let Some(known) = self.names.iter().position(|known| known == name) {
            return (KeyId(count_u32(known)), false);
        }
        self.names.push(Arc::clone(name));
        self.keys.push(Key::default());
        (KeyId(count_u32(self.names.len() - 1)), true)
    }

    /// The number of a key that was interned.
    pub(crate) fn key(&self, name: &str) -> KeyId {
        let at = self.names.iter().position(|known| &**known == name);
        KeyId(count_u32(at.expect("the keys of a shape are interned when it is made")))
    }

    /// Takes a node's labels in.
    pub(crate) fn place(&mut self, slot: usize, labels: &Labels) {
        for (name, key) in self.names.iter().zip(&mut self.keys) {
            let next = count_u32(key.by_value.len());
            let domain = labels
                .get(name)
                .map_or(NO_DOMAIN, |value| *key.by_value.entry(Arc::clone(value)).or_insert(next));
            if key.of_node.len() <= slot {
                key.of_node.resize(slot + 1, NO_DOMAIN);
            }
            key.of_node[slot] = domain;
        }
    }

    /// The domain of every node slot.
    pub(crate) fn domains(&self, key: KeyId) -> &[u32] {
        &self.keys[index(key.0)].of_node
    }

    /// The domain of a value, if some node has or had it.
    pub(crate) fn domain_of(&self, key: KeyId, value: &str) -> Option<u32> {
        self.keys[index(key.0)].by_value.get(value).copied()
    }

    /// How many domains a key has, present or past.
    pub(crate) fn size(&self, key: KeyId) -> usize {
        self.keys[index(key.0)].by_value.len()
    }
}
