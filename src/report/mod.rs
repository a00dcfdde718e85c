//! Reports: pure functions of what was simulated, measured and found.

pub mod explain;
pub mod ndjson;
pub mod sparkline;
pub mod svg;
pub mod text;
