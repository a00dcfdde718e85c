//! The simulation kernel: an event queue, random streams, distributions. No word of Kubernetes.
//!
//! What it promises:
//! - **Order.** Events come out by time, then rank, then the order in which they were scheduled.
//!   Nothing else decides, so a run is a function of its input and its seed.
//! - **No past.** Scheduling before the current instant is a bug and asserts.
//! - **Independence.** Every purpose draws from a stream of its own, found by name. A new consumer
//!   never shifts another's draws, so two variants of a scenario meet the same chance.

pub mod dist;
pub mod queue;
pub mod streams;

pub use dist::Dist;
pub use queue::{EventQueue, Rank, TimerId};
pub use streams::{Stream, Streams};
