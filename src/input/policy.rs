//! What a caller does about calls that fail: `retry`, `hedge`, `breaker`, `deadline`, `patience`,
//! `onError`.

use super::codes;
use super::decode::{Fields, Value};
use crate::model::observer::CallEnd;
use crate::service::spec::{
    BreakerSpec, HedgeSpec, Jitter, OnError, PolicySpec, RetryBudget, RetryOn, RetrySpec,
};
use crate::units::SimDuration;

/// The keys of a policy, for readers that have to pass over them.
pub(super) const KEYS: [&str; 5] = ["retry", "hedge", "breaker", "deadline", "patience"];

/// The policy of a call; `Some(None)` when none is stated. Only a client has patience.
pub(super) fn policy(fields: &Fields<'_>, of_client: bool) -> Option<Option<PolicySpec>> {
    let retry = fields.read("retry", retry);
    let hedge = fields.read("hedge", hedge);
    let breaker = fields.read("breaker", breaker);
    let deadline = fields.read("deadline", Value::duration);
    let patience =
        if of_client { fields.read("patience", Value::distribution) } else { Some(None) };
    let spec = PolicySpec {
        retry: retry?,
        hedge: hedge?,
        breaker: breaker?,
        deadline: deadline?,
        patience: patience?,
    };
    Some((spec != PolicySpec::default()).then_some(spec))
}

/// `onError`: `fail`, `pass` or `ignore`.
pub(super) fn on_error(fields: &Fields<'_>) -> Option<OnError> {
    let words = [("fail", OnError::Fail), ("pass", OnError::Pass), ("ignore", OnError::Ignore)];
    fields.read_or("onError", OnError::Fail, |value| value.word(&words))
}

fn retry(value: &Value<'_>) -> Option<RetrySpec> {
    let fields = value.fields()?;
    let attempts = fields.required("attempts").and_then(|value| value.integer(2..=1_000_u32));
    let base = fields.read_or("base", SimDuration::from_millis(100), Value::duration);
    let multiplier = fields.read_or("multiplier", 2.0, |value| value.number(1.0..=1_000.0));
    let cap = fields.read_or("cap", SimDuration::from_secs(20), Value::duration);
    let jitters = [
        ("none", Jitter::None),
        ("full", Jitter::Full),
        ("equal", Jitter::Equal),
        ("decorrelated", Jitter::Decorrelated),
    ];
    let jitter = fields.read_or("jitter", Jitter::Full, |value| value.word(&jitters));
    let on = fields.read_or("on", RetryOn::USUAL, retry_on);
    let budget = fields.read("budget", budget);
    fields.finish("retries");
    let (base, cap) = (base?, cap?);
    if cap < base {
        value.report(value.error(
            codes::INVALID_VALUE,
            &format!("has a `cap` of {cap}, below its `base` of {base}"),
        ));
        return None;
    }
    Some(RetrySpec {
        attempts: attempts?,
        base,
        multiplier: multiplier?,
        cap,
        jitter: jitter?,
        on: on?,
        budget: budget?,
    })
}

fn retry_on(value: &Value<'_>) -> Option<RetryOn> {
    let words = [
        ("timeout", CallEnd::TimedOut),
        ("refused", CallEnd::Refused),
        ("cut", CallEnd::Cut),
        ("error", CallEnd::Failed),
        ("limited", CallEnd::Limited),
    ];
    let ends = value.list(|end| end.word(&words))?;
    Some(ends.into_iter().fold(RetryOn::none(), RetryOn::and))
}

/// Envoy's defaults: a fifth, and three at least.
fn budget(value: &Value<'_>) -> Option<RetryBudget> {
    let fields = value.fields()?;
    let share = fields.read_or("share", 0.2, Value::share);
    let min = fields.read_or("min", 3, |value| value.integer(0..=1_000_000_u32));
    fields.finish("a retry budget");
    Some(RetryBudget { share: share?, min: min? })
}

fn hedge(value: &Value<'_>) -> Option<HedgeSpec> {
    let fields = value.fields()?;
    let after = fields.required("after").and_then(|value| positive(&value));
    let most = fields.read_or("most", 1, |value| value.integer(1..=3_u32));
    fields.finish("hedging");
    Some(HedgeSpec { after: after?, most: most? })
}

/// The defaults of resilience4j, but for the window: 100 calls, half of them failed, open for 60 s, ten
/// to try.
fn breaker(value: &Value<'_>) -> Option<BreakerSpec> {
    let fields = value.fields()?;
    let calls = |value: &Value<'_>| value.integer(1..=10_000_u32);
    let window = fields.read_or("window", 100, calls);
    let min_calls = fields.read("minCalls", calls);
    let failure_share = fields.read_or("failures", 0.5, |value| {
        let share = value.share()?;
        if share <= 0.0 {
            value.report(value.error(codes::INVALID_VALUE, "must be above zero"));
            return None;
        }
        Some(share)
    });
    let slow_call = fields.read("slowCall", positive);
    let open_for = fields.read_or("openFor", SimDuration::from_secs(60), positive);
    let half_open_calls = fields.read_or("halfOpenCalls", 10, calls);
    fields.finish("a circuit breaker");
    let window = window?;
    Some(BreakerSpec {
        window,
        min_calls: min_calls?.unwrap_or(window),
        failure_share: failure_share?,
        slow_call: slow_call?,
        open_for: open_for?,
        half_open_calls: half_open_calls?,
    })
}

/// A span of time above zero.
pub(super) fn positive(value: &Value<'_>) -> Option<SimDuration> {
    let span = value.duration()?;
    if span.is_zero() {
        value.report(value.error(codes::INVALID_VALUE, "must be above zero"));
        return None;
    }
    Some(span)
}
