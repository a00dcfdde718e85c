//! Leaky buckets and counts of requests, as nginx keeps them.

use crate::service::spec::{ConnectionLimitSpec, RateLimitSpec};
use crate::units::convert::index;
use crate::units::time::{SimDuration, SimTime};

/// The account of one key (`ngx_http_limit_req_lookup`).
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// Requests ahead of the rate when it was last looked at; `None` before the first.
    ahead: Option<f64>,
    looked: SimTime,
}

/// What a limit of rate says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may go on at once.
    Pass,
    /// It waits for its turn.
    Wait(SimDuration),
    /// It is turned away.
    Reject,
}

/// Accounts by key.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    buckets: Vec<Bucket>,
}

impl RateLimit {
    /// A request of a key comes. One that is turned away leaves the account as it was.
    pub(super) fn ask(&mut self, now: SimTime, key: u32, spec: &RateLimitSpec) -> Verdict {
        let bucket = grown(&mut self.buckets, key);
        let ahead = bucket.ahead.map_or(0.0, |ahead| {
            let leaked = now.since(bucket.looked).as_secs_f64() * spec.per_second;
            (ahead - leaked + 1.0).max(0.0)
        });
        // Rounding must not turn away a request that comes in time; nginx counts in thousandths.
        if ahead > f64::from(spec.burst) + 1e-6 {
            return Verdict::Reject;
        }
        *bucket = Bucket { ahead: Some(ahead), looked: now };
        match spec.delay_after {
            Some(free) if ahead > f64::from(free) => {
                let wait_s = (ahead - f64::from(free)) / spec.per_second;
                Verdict::Wait(SimDuration::from_secs_f64(wait_s))
            }
            Some(_) | None => Verdict::Pass,
        }
    }
}

/// Requests inside by key.
#[derive(Debug, Default)]
pub(super) struct ConnectionLimit {
    inside: Vec<u32>,
}

impl ConnectionLimit {
    /// Counts a request in, unless there are too many of its key.
    pub(super) fn enter(&mut self, key: u32, spec: &ConnectionLimitSpec) -> bool {
        let inside = grown(&mut self.inside, key);
        let fits = *inside < spec.most;
        *inside += u32::from(fits);
        fits
    }

    /// Counts a request out.
    pub(super) fn leave(&mut self, key: u32) {
        self.inside[index(key)] -= 1;
    }
}

/// The place of a key; keys are few and dense, so that places are made once.
fn grown<T: Clone + Default>(places: &mut Vec<T>, key: u32) -> &mut T {
    let position = index(key);
    if places.len() <= position {
        places.resize(position + 1, T::default());
    }
    &mut places[position]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observer::CallEnd;
    use crate::service::spec::LimitKey;

    const SPEC: RateLimitSpec = RateLimitSpec {
        per_second: 10.0,
        burst: 3,
        delay_after: None,
        key: LimitKey::User,
        end: CallEnd::Limited,
    };

    fn ms(count: u64) -> SimTime {
        SimTime::from_nanos(count * 1_000_000)
    }

    #[test]
    fn without_delay_the_burst_passes_at_once_and_the_rest_is_turned_away() {
        let mut limit = RateLimit::default();
        // One on the rate and three ahead of it.
        let said: Vec<_> = (0..6).map(|_| limit.ask(ms(0), 0, &SPEC)).collect();
        let (pass, reject) = (Verdict::Pass, Verdict::Reject);
        assert_eq!(said, [pass, pass, pass, pass, reject, reject]);
        assert_eq!(limit.ask(ms(99), 0, &SPEC), reject, "a place leaks out every 100 ms");
        assert_eq!(limit.ask(ms(100), 0, &SPEC), pass);
        assert_eq!(limit.ask(ms(100), 0, &SPEC), reject);
        assert_eq!(limit.ask(ms(100), 1, &SPEC), pass, "another key has its own account");
    }

    #[test]
    fn with_delay_the_burst_goes_out_at_the_rate() {
        let spec = RateLimitSpec { delay_after: Some(0), ..SPEC };
        let mut limit = RateLimit::default();
        let said: Vec<_> = (0..5).map(|_| limit.ask(ms(0), 0, &spec)).collect();
        let wait = |count| Verdict::Wait(SimDuration::from_millis(count));
        assert_eq!(said, [Verdict::Pass, wait(100), wait(200), wait(300), Verdict::Reject]);
        let some = RateLimitSpec { delay_after: Some(2), ..SPEC };
        let mut limit = RateLimit::default();
        let said: Vec<_> = (0..4).map(|_| limit.ask(ms(0), 0, &some)).collect();
        assert_eq!(said, [Verdict::Pass, Verdict::Pass, Verdict::Pass, wait(100)]);
    }

    #[test]
    fn a_steady_stream_at_the_rate_is_never_turned_away() {
        let spec = RateLimitSpec { burst: 0, per_second: 7.0, ..SPEC };
        let mut limit = RateLimit::default();
        for number in 0..10_000_u64 {
            let at = SimTime::from_nanos(number * 1_000_000_000 / 7 + 1);
            assert_eq!(limit.ask(at, 0, &spec), Verdict::Pass, "request {number}");
        }
        let mut passed = 0;
        for number in 0..14_000_u64 {
            let at = SimTime::from_secs(3_000) + SimDuration::from_millis(number);
            passed += u32::from(limit.ask(at, 0, &spec) == Verdict::Pass);
        }
        assert!((98..=99).contains(&passed), "14 s at 7/s: {passed}");
    }

    #[test]
    fn connections_are_counted_by_key() {
        let spec = ConnectionLimitSpec { most: 2, key: LimitKey::User, end: CallEnd::Refused };
        let mut limit = ConnectionLimit::default();
        assert!(limit.enter(4, &spec) && limit.enter(4, &spec) && limit.enter(0, &spec));
        assert!(!limit.enter(4, &spec));
        limit.leave(4);
        assert!(limit.enter(4, &spec));
    }
}
