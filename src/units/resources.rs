//! What a pod asks for and a node has: cores, bytes and extended resources.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::sync::Arc;

use crate::units::convert::f64_from_i64;

/// CPU in thousandths of a core, as the scheduler counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MilliCpu(pub i64);

/// Memory or storage in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub i64);

impl MilliCpu {
    /// Cores as a float, for rates and shares.
    #[must_use]
    pub fn as_cores(self) -> f64 {
        f64_from_i64(self.0) / 1000.0
    }
}

impl Bytes {
    /// Bytes as a float, for shares.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64_from_i64(self.0)
    }

    /// Gibibytes as a float, for prices and tables.
    #[must_use]
    pub fn as_gib(self) -> f64 {
        self.as_f64() / 1_073_741_824.0
    }
}

impl fmt::Display for MilliCpu {
    /// Canonical Kubernetes form: `250m`, `2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 1000 == 0 { write!(f, "{}", self.0 / 1000) } else { write!(f, "{}m", self.0) }
    }
}

impl fmt::Display for Bytes {
    /// The largest binary suffix that divides exactly: `512Mi`, `4Gi`, `1536Mi`, else plain bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0;
        let mut suffix = "";
        for next in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] {
            if value == 0 || value % 1024 != 0 {
                break;
            }
            value /= 1024;
            suffix = next;
        }
        write!(f, "{value}{suffix}")
    }
}

// A quantity may be as large as the type holds, so that sums stop there.
macro_rules! linear {
    ($($unit:ident),*) => {$(
        impl Add for $unit {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }
        impl AddAssign for $unit {
            fn add_assign(&mut self, other: Self) {
                self.0 = self.0.saturating_add(other.0);
            }
        }
        impl Sub for $unit {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }
        impl SubAssign for $unit {
            fn sub_assign(&mut self, other: Self) {
                self.0 = self.0.saturating_sub(other.0);
            }
        }
        impl Sum for $unit {
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
                iter.fold(Self::default(), Add::add)
            }
        }
    )*};
}
linear!(MilliCpu, Bytes);

/// The name of an extended resource, e.g. `nvidia.com/gpu`.
pub type ResourceName = Arc<str>;

/// Requests or limits as a container states them: absent and zero are different things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceList {
    /// `cpu`, rounded up to the millicore.
    pub cpu: Option<MilliCpu>,
    /// `memory`, rounded up to the byte.
    pub memory: Option<Bytes>,
    /// `ephemeral-storage`, rounded up to the byte.
    pub ephemeral_storage: Option<Bytes>,
    /// Everything else by name, sorted; integer units.
    pub extended: Vec<(ResourceName, i64)>,
}

impl ResourceList {
    /// The amount of one resource by its Kubernetes name, in milli for cpu and whole units else.
    #[must_use]
    pub fn extended(&self, name: &str) -> Option<i64> {
        self.extended.iter().find(|(n, _)| &**n == name).map(|&(_, amount)| amount)
    }
}

/// A vector of resources that adds up and must fit: what a pod takes, what a node has left.
///
/// Absent means zero. `extended` is sorted by name and holds no zero entries, so that equality is
/// equality of amounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    /// Cores.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
    /// Local disk.
    pub ephemeral_storage: Bytes,
    extended: Vec<(ResourceName, i64)>,
}

impl Resources {
    /// Cores and memory only.
    #[must_use]
    pub fn new(cpu: MilliCpu, memory: Bytes) -> Self {
        Self { cpu, memory, ..Self::default() }
    }

    /// The amount of an extended resource; zero when absent.
    #[must_use]
    pub fn get(&self, name: &str) -> i64 {
        self.extended.iter().find(|(n, _)| &**n == name).map_or(0, |&(_, amount)| amount)
    }

    /// Extended resources with a non-zero amount, by name.
    pub fn extended(&self) -> impl Iterator<Item = (&ResourceName, i64)> {
        self.extended.iter().map(|(name, amount)| (name, *amount))
    }

    /// Whether any extended resource has a non-zero amount.
    #[must_use]
    pub fn has_extended(&self) -> bool {
        !self.extended.is_empty()
    }

    /// Sets the amount of an extended resource.
    pub fn set(&mut self, name: &ResourceName, amount: i64) {
        match self.extended.binary_search_by(|(n, _)| n.cmp(name)) {
            Ok(at) if amount == 0 => {
                self.extended.remove(at);
            }
            Ok(at) => self.extended[at].1 = amount,
            Err(_) if amount == 0 => {}
            Err(at) => self.extended.insert(at, (Arc::clone(name), amount)),
        }
    }

    /// Takes the larger amount of each resource, as init containers do.
    #[must_use]
    pub fn max(mut self, other: &Self) -> Self {
        self.cpu = self.cpu.max(other.cpu);
        self.memory = self.memory.max(other.memory);
        self.ephemeral_storage = self.ephemeral_storage.max(other.ephemeral_storage);
        for (name, amount) in other.extended() {
            if amount > self.get(name) {
                self.set(name, amount);
            }
        }
        self
    }

    /// Whether every resource of this vector is at most that of `room`.
    #[must_use]
    pub fn fits_in(&self, room: &Self) -> bool {
        self.cpu <= room.cpu
            && self.memory <= room.memory
            && self.ephemeral_storage <= room.ephemeral_storage
            && self.extended().all(|(name, amount)| amount <= room.get(name))
    }
}

impl From<&ResourceList> for Resources {
    fn from(list: &ResourceList) -> Self {
        let mut all = Self {
            cpu: list.cpu.unwrap_or_default(),
            memory: list.memory.unwrap_or_default(),
            ephemeral_storage: list.ephemeral_storage.unwrap_or_default(),
            extended: Vec::new(),
        };
        for (name, amount) in &list.extended {
            all.set(name, *amount);
        }
        all
    }
}

impl AddAssign<&Self> for Resources {
    fn add_assign(&mut self, other: &Self) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        self.ephemeral_storage += other.ephemeral_storage;
        for (name, amount) in &other.extended {
            let sum = self.get(name).saturating_add(*amount);
            self.set(name, sum);
        }
    }
}

impl SubAssign<&Self> for Resources {
    /// May go below zero: an overcommitted node has negative room, and that must show.
    fn sub_assign(&mut self, other: &Self) {
        self.cpu -= other.cpu;
        self.memory -= other.memory;
        self.ephemeral_storage -= other.ephemeral_storage;
        for (name, amount) in &other.extended {
            let rest = self.get(name).saturating_sub(*amount);
            self.set(name, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu() -> ResourceName {
        Arc::from("nvidia.com/gpu")
    }

    #[test]
    fn amounts_print_in_canonical_form() {
        assert_eq!(MilliCpu(250).to_string(), "250m");
        assert_eq!(MilliCpu(4000).to_string(), "4");
        assert_eq!(Bytes(512 * 1024 * 1024).to_string(), "512Mi");
        assert_eq!(Bytes(1_500).to_string(), "1500");
        assert_eq!(Bytes(0).to_string(), "0");
    }

    #[test]
    fn extended_resources_add_up_and_vanish_at_zero() {
        let mut node = Resources::new(MilliCpu(4000), Bytes(100));
        node.set(&gpu(), 1);
        let mut pod = Resources::new(MilliCpu(1000), Bytes(10));
        pod.set(&gpu(), 1);
        assert!(pod.fits_in(&node));
        node -= &pod;
        assert!(!node.has_extended());
        assert!(!pod.fits_in(&node));
        node += &pod;
        assert_eq!(node.get("nvidia.com/gpu"), 1);
    }

    #[test]
    fn the_larger_of_two_wins_resource_by_resource() {
        let mut init = Resources::new(MilliCpu(2000), Bytes(5));
        init.set(&gpu(), 2);
        let app = Resources::new(MilliCpu(500), Bytes(50));
        let both = app.max(&init);
        assert_eq!(
            (both.cpu, both.memory, both.get("nvidia.com/gpu")),
            (MilliCpu(2000), Bytes(50), 2)
        );
    }
}
