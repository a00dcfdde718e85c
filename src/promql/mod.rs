//! PromQL: samples in, what an expression selects of them out, by the rules of Prometheus 3.
//!
//! Floor 1. It knows no metric and no cluster. Texts are parsed by `promql-parser`; what follows from
//! the tree is computed here, after prometheus/promql (`engine.go`, `functions.go`, `quantile.go`) and
//! prometheus/rules (`alerting.go`). Native histograms and what Prometheus
//! holds for experimental are left out: [`Needs`] says so of an expression before anything is computed.

mod aggregate;
pub mod alerting;
mod binary;
mod calendar;
mod eval;
mod functions;
mod histogram;
mod labels;
mod needs;
mod numbers;
mod over_time;
mod storage;
#[cfg(test)]
mod tests;

use promql_parser::parser::Expr;

pub use eval::{Evaluation, Sample, Value};
pub use labels::{Labels, NAME};
pub use needs::{LabelMatch, Needs};
pub use storage::{Point, Storage};

/// How far an instant selector looks back for a sample (ms): `--query.lookback-delta`.
pub const LOOKBACK_MS: i64 = 5 * 60 * 1000;

/// Most instants at which the inner expression of subqueries is computed for one value, those of
/// subqueries in subqueries multiplied: 30 days by half minutes. Prometheus bounds the samples of a query
/// instead (`--query.max-samples`).
pub const MOST_STEPS: i64 = 100_000;

/// Longest expression that is parsed (bytes): the parser's stack grows with it.
const LONGEST: usize = 16 << 10;
/// Deepest nesting of brackets that is parsed.
const DEEPEST: u32 = 100;

/// An expression that cannot be computed, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// Parses an expression; the error is the parser's own sentence, or that nobody writes such a thing.
///
/// # Errors
/// When the text is no PromQL, or so long or deep that the parser's stack would be at risk.
pub fn parse(text: &str) -> Result<Expr, Error> {
    if text.len() > LONGEST || depth(text) > DEEPEST {
        return Err(Error("the expression is too long or too deep".to_owned()));
    }
    promql_parser::parser::parse(text).map_err(Error)
}

fn depth(text: &str) -> u32 {
    let (mut depth, mut most) = (0_u32, 0_u32);
    for byte in text.bytes() {
        match byte {
            b'(' | b'{' | b'[' => depth += 1,
            b')' | b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}
