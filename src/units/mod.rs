//! Quantities: time, cores, bytes, resources, money, and where a figure came from.
//!
//! Floor 0. Every number that has a unit gets a type here, so that a millicore cannot be added to
//! a byte and a bare `u64` never has to be guessed at. Nothing in this room knows of simulation.

pub mod convert;
pub mod origin;
pub mod quantity;
pub mod resources;
pub mod time;
pub mod words;

pub use origin::Origin;
pub use resources::{Bytes, MilliCpu, ResourceList, Resources};
pub use time::{SimDuration, SimTime};
pub use words::counted;
