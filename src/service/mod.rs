//! Queueing: what happens to a request between its arrival and its answer.
//!
//! Floor 3. A *station* is the ready pods of one workload; a *call* is one request to an operation
//! of a station, made by a client or by another call. This room knows neither pods' lives nor
//! loads: servers are opened and closed from outside, and ends are told to an observer.

mod answers;
mod breaker;
mod call;
mod clients;
mod connections;
mod effort;
pub mod fluid;
mod front;
mod gpu;
mod graph;
mod job_work;
pub mod lane;
mod latency;
mod limits;
mod machine;
mod model;
mod pins;
mod pods;
mod probe;
pub mod processor;
mod quota;
mod resources;
mod runtime;
mod server;
pub mod spec;
mod station;
mod tasks;

pub use connections::PoolUse;
pub use fluid::Fluid;
pub use job_work::WorkOver;
pub use latency::Latencies;
pub use machine::Place;
pub use model::Model;
pub use pods::{Ended, Usage};
pub use probe::ProbeAnswer;
pub use quota::Throttling;
pub use runtime::{CallTally, Ctx, IterationEnd, Services};
pub use spec::ServiceGraph;
