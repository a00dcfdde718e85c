//! Load: who arrives when. Shapes of rates, arrival processes and k6's executors.
//!
//! Floor 3. Pure state machines that the simulation loop drives: they know no event queue, no
//! cluster and no service. What they promise:
//! - **k6's arithmetic.** Arrival instants, the steps of ramping VUs, graceful stops and dropped
//!   iterations follow grafana/k6 `lib/executor/` (read at version 2); each type names its file and
//!   says where it differs.
//! - **Exact rates.** A load of changing rate is sampled by inverting the integral of its rate, so
//!   there is no thinning and no step size.
//! - **Constant cost.** An arrival costs O(1) amortised, allocates nothing and leaves nothing behind.
//!
//! Two families. *Open* loads start iterations by the clock, whatever the system does
//! ([`Arrivals`], [`OpenPool`]); *closed* ones have virtual users (VUs) that start the next
//! iteration when the last is over ([`VuPool`]). [`Generator`] is either of them, made from a
//! [`LoadSpec`].

pub mod arrivals;
pub mod draft;
pub mod generator;
pub mod hospital;
pub mod mix;
pub mod open_pool;
pub mod rate;
pub mod shape;
pub mod spec;
pub mod vu_pool;
pub mod vu_schedule;

mod check;
mod lower;
mod scale;

pub use arrivals::Arrivals;
pub use draft::{Bursts, Executor, LoadDraft, LoadError, Spacing};
pub use generator::Generator;
pub use hospital::Hospital;
pub use mix::Mix;
pub use open_pool::OpenPool;
pub use rate::Rate;
pub use shape::Shape;
pub use spec::LoadSpec;
pub use vu_pool::VuPool;
pub use vu_schedule::{VuChange, VuSchedule, VuTransition};
