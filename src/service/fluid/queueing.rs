//! Formulas of waiting: how many are inside a station that passes on so much, and the step of time
//! that follows from it.
//!
//! A station's cores serve `min(n, c)` of the `n` inside at full speed, with `c` real (a limit of
//! 1.5 cores is one). Below `c` the stationary probabilities are those of Erlang; above, they fall
//! geometrically. Allen and Cunneen's correction (1978) makes the mean wait f times that of M/M/c for
//! variable or regular traffic, which is Pollaczek and Khinchine's exactly for one server; the tail
//! then falls by σ = ρf / (1 − ρ + ρf). Processor sharing is insensitive to the
//! distribution of work, so its f is that of the arrivals alone.

use crate::units::convert::{f64_from_i64, trunc_i64};

/// What stands around a formula: servers, variability, and the most there can be inside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Queue {
    /// Jobs that are served at full speed at once; 1 or more.
    pub(super) servers: f64,
    /// (ca² + cs²) / 2, or (ca² + 1) / 2 where cores are shared.
    pub(super) variability: f64,
    /// Virtual users whose calls come here; infinite for an open load.
    pub(super) users: f64,
    /// The most that can be inside; infinite without a bound.
    pub(super) limit: f64,
}

/// A stationary state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stationary {
    /// Mean number inside.
    pub(super) inside: f64,
    /// Mean number beyond those served at full speed (those inside less the servers' work).
    pub(super) beyond: f64,
    /// Probability that an arrival finds every server busy.
    pub(super) all_busy: f64,
    /// Ratio of the geometric tail.
    pub(super) ratio: f64,
    /// Probability that the place is full.
    pub(super) full: f64,
}

/// What an arrival of a closed load sees of the queue, (V − 1) / V (Schweitzer 1979); 1 for an open one.
pub(super) fn seen_by(users: f64) -> f64 {
    (1.0 - 1.0 / users).max(0.0)
}

impl Queue {
    /// The state in which a share `utilisation` of the servers is busy.
    pub(super) fn stationary(&self, utilisation: f64) -> Stationary {
        let rho = utilisation.clamp(0.0, 1.0);
        let load = rho * self.servers;
        if load < 1e-12 {
            return Stationary { inside: 0.0, beyond: 0.0, all_busy: 0.0, ratio: 0.0, full: 0.0 };
        }
        // The last state in which everyone has a server of its own and one more would have, too,
        // or would have a part of one.
        let floor = f64_from_i64(trunc_i64(self.servers));
        let shoulder = if floor >= self.servers { floor - 1.0 } else { floor };
        // Weights relative to the shoulder's, summed downwards: they stay within a float.
        let (mut weight, mut total, mut first) = (1.0, 1.0, shoulder);
        let mut state = shoulder;
        while state >= 1.0 && weight > 1e-13 {
            weight *= state / load;
            state -= 1.0;
            total += weight;
            first += weight * state;
        }
        // The chances to wait are those of M/M/c; the correction is of how long.
        let places = (self.limit - shoulder).max(1.0);
        let seen = seen_by(self.users);
        let tail = Tail::new(rho, rho * seen, places);
        let all = total + tail.sum;
        let inside = (first + shoulder * tail.sum + tail.first) / all;
        let beyond = (inside - load).max(0.0) * self.variability;
        let beyond = self.with_everyone(beyond, rho).min(places);
        let widened = rho * self.variability;
        let ratio = (widened / (1.0 - rho + widened)) * seen;
        let last = || rho * tail_left(ratio, places - 1.0);
        Stationary {
            inside: load + beyond,
            beyond,
            all_busy: tail.sum / all,
            ratio,
            full: if places < 1e6 { (last() / all).min(1.0) } else { 0.0 },
        }
    }

    /// How many of so many virtual users are beyond those served: none may be missing once the servers
    /// never rest, since whoever is not served waits then.
    fn with_everyone(&self, beyond: f64, rho: f64) -> f64 {
        if !self.users.is_finite() || beyond <= 0.0 {
            return beyond;
        }
        let most = (self.users - self.servers).max(0.0);
        if rho >= 1.0 {
            return most;
        }
        let gap = 1.0 - seen_by(self.users);
        let all_busy = if gap > 0.0 { self.beyond_when_full(gap) } else { beyond };
        let near = (beyond / all_busy.max(1e-9)).min(1.0);
        (beyond * (1.0 + (most / all_busy.max(1e-9) - 1.0) * near)).min(most)
    }

    /// How many would be beyond at full use with a tail that falls by so much each.
    fn beyond_when_full(&self, gap: f64) -> f64 {
        let floor = f64_from_i64(trunc_i64(self.servers));
        let shoulder = if floor >= self.servers { floor - 1.0 } else { floor };
        let (mut weight, mut total, mut first, mut state) = (1.0, 1.0, shoulder, shoulder);
        while state >= 1.0 && weight > 1e-13 {
            weight *= state / self.servers;
            state -= 1.0;
            total += weight;
            first += weight * state;
        }
        let (sum, beyond) = (1.0 / gap, 1.0 / (gap * gap));
        let inside = (first + shoulder * sum + beyond) / (total + sum);
        (inside - self.servers).max(0.0) * self.variability
    }
}

/// `ratio^exponent` of a ratio up to 1: what a geometric tail has left so far out. Most tails end long before
/// the bound of their queue, and a power is dear: what is below e⁻⁵⁰ (2e-22, by ln x ≤ x − 1) is nothing, and
/// the rest needs no power to the last bit.
pub(super) fn tail_left(ratio: f64, exponent: f64) -> f64 {
    if exponent <= 0.0 || ratio >= 1.0 {
        1.0
    } else if (1.0 - ratio) * exponent > 50.0 || ratio <= 0.0 {
        0.0
    } else {
        libm::exp(exponent * libm::log(ratio))
    }
}

/// Sums over the states beyond the shoulder: weights ρ, ρσ, ρσ², … of the shoulder's.
#[derive(Debug, Clone, Copy)]
struct Tail {
    sum: f64,
    /// Weighted by how far beyond the shoulder.
    first: f64,
}

impl Tail {
    fn new(rho: f64, ratio: f64, places: f64) -> Self {
        let gap = 1.0 - ratio;
        if places > 1e8 || ratio <= 0.0 {
            let gap = gap.max(1e-12);
            return Self { sum: rho / gap, first: rho / (gap * gap) };
        }
        if gap < 1e-6 {
            return Self { sum: rho * places, first: rho * places * (places + 1.0) / 2.0 };
        }
        let power = tail_left(ratio, places);
        let sum = (1.0 - power) / gap;
        let first = (sum - places * power) / gap;
        Self { sum: rho * sum, first: rho * first }
    }
}

/// Mean number that waits for one of `slots` places, of which a share `utilisation` is taken:
/// Sakasegawa's closed form (1977), widened by the variability.
pub(super) fn waiting_for_slots(slots: f64, utilisation: f64, variability: f64) -> f64 {
    if utilisation >= 1.0 {
        return f64::INFINITY;
    }
    if utilisation < 0.05 {
        return 0.0;
    }
    let power = libm::sqrt(2.0 * (slots + 1.0));
    variability * libm::pow(utilisation, power) / (1.0 - utilisation)
}

/// How much less an arrival that joins the better of two drawn at random waits than one that joins
/// any (Mitzenmacher 2001, the limit of many servers).
pub(super) fn better_of_two(utilisation: f64) -> f64 {
    let rho = utilisation.clamp(0.0, 1.0 - 1e-9);
    if rho < 1e-6 {
        return rho;
    }
    let mut power = rho * rho * rho;
    let mut sum = 0.0;
    for _ in 0..24 {
        sum += power;
        power = power * power * rho;
        if power < 1e-15 {
            break;
        }
    }
    (sum * (1.0 - rho) / (rho * rho)).min(1.0)
}

/// Finds the utilisation `u` at which `inside(u) + passed · u` equals `total`, both growing in `u`:
/// one step of time of a queue, taken backwards (implicit Euler), so that it is stable for any
/// length and exact where the queue only grows. `None` when even full utilisation leaves more.
pub(super) fn step(
    total: f64,
    passed: f64,
    guess: f64,
    inside: impl Fn(f64) -> f64,
) -> Option<f64> {
    let left = |u: f64| inside(u) + passed * u - total;
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    // The value at full utilisation is asked for when it is in doubt: where less is enough, so is that.
    let (mut low_value, mut high_value) = (-total, None);
    let mut at = guess.clamp(1e-6, 1.0 - 1e-6);
    for _ in 0..60 {
        let value = left(at);
        if value.abs() <= 1e-9 * (total + 1e-9) {
            return Some(at);
        }
        let bound = if value > 0.0 {
            high = at;
            value
        } else {
            (low, low_value) = (at, value);
            high_value.unwrap_or_else(|| left(1.0))
        };
        if bound < 0.0 {
            return None;
        }
        high_value = Some(bound);
        if high - low < 1e-13 {
            break;
        }
        // Newton by a difference where it stays within the bracket, else the chord, else the middle.
        let nudge = (1e-6 * (1.0 - at)).max(1e-12);
        let slope = (left((at + nudge).min(1.0)) - value) / nudge;
        let newton = at - value / slope;
        let middle = f64::midpoint(low, high);
        let chord = low - low_value * (high - low) / (bound - low_value);
        at = if newton > low && newton < high {
            newton
        } else if chord > low && chord < high && bound.is_finite() {
            f64::midpoint(chord, middle)
        } else {
            middle
        };
    }
    Some(f64::midpoint(low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_left_out_only_where_it_is_nothing() {
        for ratio in [0.0, 0.1, 0.5, 0.9, 0.99, 0.9999, 1.0] {
            for exponent in [0.0, 1.0, 40.0, 500.0, 1e4, 1e7, f64::INFINITY] {
                let left = tail_left(ratio, exponent);
                let exact = libm::pow(ratio, exponent);
                assert!((left - exact).abs() < 1e-21 + 1e-13 * exact, "{ratio}^{exponent}");
            }
        }
    }

    const OPEN: Queue =
        Queue { servers: 1.0, variability: 1.0, users: f64::INFINITY, limit: f64::INFINITY };

    #[track_caller]
    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{value}: {expected}");
    }

    /// Erlang's table: 10 servers at 0.9 make 66.87 % wait, and 6.0186 wait on average.
    #[test]
    fn erlang_c_is_met() {
        let ten = Queue { servers: 10.0, ..OPEN }.stationary(0.9);
        near(ten.all_busy, 0.668_731_8);
        near(ten.beyond, 0.668_731_8 * 9.0);
        near(ten.inside, 9.0 + 0.668_731_8 * 9.0);
        let one = OPEN.stationary(0.8);
        near(one.inside, 4.0);
    }

    #[test]
    fn one_server_is_pollaczek_and_khinchine() {
        for (cs2, rho) in [(0.0, 0.5), (1.0, 0.9), (4.0, 0.7)] {
            let queue = Queue { variability: (1.0 + cs2) / 2.0, ..OPEN };
            near(queue.stationary(rho).inside, rho + rho * rho * (1.0 + cs2) / 2.0 / (1.0 - rho));
        }
    }

    /// M/M/1/5 at 0.8: P(full) = 0.2 · 0.8^5 / (1 − 0.8^6).
    #[test]
    fn a_bounded_place_blocks_as_it_must() {
        let full = Queue { limit: 5.0, ..OPEN }.stationary(0.8).full;
        near(full, 0.2 * libm::pow(0.8, 5.0) / (1.0 - libm::pow(0.8, 6.0)));
    }

    /// Cores shared by parts: states 0, 1 at rates 1, then 1.5.
    #[test]
    fn a_core_and_a_half_is_its_own_chain() {
        let (servers, rho): (f64, f64) = (1.5, 0.6);
        let load = servers * rho;
        let weights: Vec<f64> = (0..200)
            .map(|n| if n == 0 { 1.0 } else { load * libm::pow(rho, f64::from(n - 1)) })
            .collect();
        let total: f64 = weights.iter().sum();
        let mean: f64 =
            (0_i32..).zip(&weights).map(|(n, weight)| f64::from(n) * weight).sum::<f64>() / total;
        near(Queue { servers, ..OPEN }.stationary(rho).inside, mean);
    }

    #[test]
    fn a_step_settles_where_the_formula_says_and_grows_where_it_must() {
        let inside = |u| OPEN.stationary(u).inside;
        let mut n = 0.0;
        for _ in 0..200 {
            let u = step(n + 8.0, 10.0, 0.5, inside).expect("it is stable");
            n = n + 8.0 - 10.0 * u;
        }
        near(n, 4.0);
        for _ in 0..1_000 {
            let u = step(n + 12.0, 10.0, 0.9, inside).unwrap_or(1.0);
            n = n + 12.0 - 10.0 * u;
        }
        assert!((n - 2_000.0).abs() < 60.0, "{n}");
    }

    #[test]
    fn the_better_of_two_is_far_better_under_load() {
        near(better_of_two(0.9), {
            let sum: f64 = (2..12).map(|k| libm::pow(0.9, libm::exp2(f64::from(k)) - 1.0)).sum();
            sum * 0.1 / 0.81
        });
    }
}
