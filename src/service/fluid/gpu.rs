//! A GPU that serves batches: a step of time, and what an arrival meets.
//!
//! Pollaczek and Khinchine's wait (the residual of what runs, over what is free) with batches as
//! services: whoever came while one ran makes up the next, as large as the limit allows, so the time
//! a request costs the GPU falls with the load, and who waits, waits for what runs and rarely longer.

use crate::service::fluid::queueing::{Found, step, tail_left};
use crate::service::spec::{BatchLatency, GpuSpec};
use crate::units::convert::{f64_from_u64, round_u64};

/// One of several models on a GPU: no batch holds requests of two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Batched<'g> {
    /// Share of all requests for the GPU that are for it.
    pub(super) share: f64,
    /// Items that each of them brings.
    pub(super) items: f64,
    pub(super) latency: &'g BatchLatency,
}

impl Batched<'_> {
    /// Requests for it that find each other in a row, at most a full batch.
    fn largest(&self, max_batch: u32) -> f64 {
        let full = (f64::from(max_batch) / self.items.max(1.0)).max(1.0);
        if self.share < 1.0 { full.min(1.0 / (1.0 - self.share)) } else { full }
    }

    /// How many of them share a batch where so many wait, and how long it takes (s) by its latency alone.
    pub(super) fn batch(&self, max_batch: u32, waiting: f64) -> (f64, f64) {
        let size = waiting.min(self.largest(max_batch)).max(1.0);
        (size, between(self.latency, (size * self.items).max(1.0)))
    }
}

/// The latency of a batch of a number of items that need not be whole (s).
fn between(latency: &BatchLatency, items: f64) -> f64 {
    let below = u32::try_from(round_u64(libm::floor(items))).unwrap_or(u32::MAX);
    let low = latency.of(below).as_secs_f64();
    let high = latency.of(below.saturating_add(1)).as_secs_f64();
    low + (high - low) * (items - f64_from_u64(u64::from(below)))
}

/// What the requests of a station ask of its GPUs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct GpuMix<'g> {
    /// The models whose requests share batches.
    pub(super) models: Vec<Batched<'g>>,
    /// Share of requests that bring items for batches; the others have the GPU alone.
    pub(super) batched: f64,
    /// Mean time of a request that is alone (s).
    pub(super) alone_s: f64,
    /// Its squared coefficient of variation.
    pub(super) alone_cs2: f64,
    /// Squared coefficient of variation between arrivals at one GPU.
    pub(super) ca2: f64,
    /// Share of the queue that an arrival sees: below 1 for few virtual users.
    pub(super) seen: f64,
    /// Share of arrivals whose senders have a fixed number inside: their queue does not vary.
    pub(super) steady: f64,
    /// How many times as long as usual everything takes.
    pub(super) slow: f64,
    /// GPUs that share what comes.
    pub(super) pods: f64,
}

/// What an arrival meets at a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct GpuView {
    /// Share of time that the GPU is busy.
    pub(super) busy: f64,
    /// Mean wait (s), the part that chance makes.
    pub(super) wait_s: f64,
    /// The same if there were places for all.
    pub(super) free_wait_s: f64,
    /// A wait in which all places are taken (s): whoever would wait longer is refused.
    pub(super) longest_s: f64,
    /// By which share that varies, because services do.
    pub(super) longest_spread: f64,
    /// The part that everyone has: a queue that stands (s).
    pub(super) backlog_s: f64,
    /// How long a batch takes (s).
    pub(super) batch_s: f64,
    /// How long the batch takes that a request is in (s): large ones have more of them.
    pub(super) own_s: f64,
    /// How batches vary.
    pub(super) batches: Batches,
    /// Requests of a batch, as many as wait together.
    pub(super) size: f64,
    /// Requests of a batch on average, where models share the GPU: no batch holds those of two.
    pub(super) per_batch: f64,
    /// Chance that a request that waits, waits for yet another service.
    pub(super) again: f64,
    /// Requests that wait, on average.
    pub(super) waiting: f64,
    /// Share of arrivals that find no waiting place.
    pub(super) full: f64,
    /// Share of its capacity that is used.
    pub(super) utilisation: f64,
    /// How many more would be inside for each unit of utilisation, about; 0 when unknown.
    pub(super) steepness: f64,
}

/// How batches vary with who came while the one before ran.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Batches {
    /// Time of one that begins at an idle GPU (s).
    pub(super) first_s: f64,
    /// Time of the largest (s).
    pub(super) full_s: f64,
    /// Time that one more request takes (s).
    pub(super) each_s: f64,
    /// Requests for batches that come in a second.
    pub(super) rate: f64,
    /// Squared coefficient of variation of their times.
    pub(super) cs2: f64,
}

impl Batches {
    /// The time of a batch whose requests came while another ran for so long (s), when one of `size`
    /// takes `batch_s`.
    pub(super) fn after_s(&self, ran_s: f64, size: f64, batch_s: f64) -> f64 {
        let company = 1.0 + self.rate * ran_s - size;
        (batch_s + self.each_s * company).clamp(self.first_s, self.full_s.max(self.first_s))
    }

    /// How long a batch lasts that a request finds running (s): long ones are found more often.
    pub(super) fn found_s(&self, batch_s: f64) -> f64 {
        batch_s * (1.0 + self.cs2)
    }
}

/// A state of a GPU that passes on `rate` requests a second.
#[derive(Debug, Clone, Copy)]
struct State {
    inside: f64,
    waiting: f64,
    /// Would wait if there were places for all.
    unbounded: f64,
    cs2: f64,
    busy: f64,
    batch_s: f64,
    own_s: f64,
    size: f64,
    per_batch: f64,
    /// The utilisation that says how many turns one waits.
    crowded: f64,
    batches: Batches,
}

impl GpuMix<'_> {
    /// Batches wait behind others than their own: of another model, or of requests that are alone.
    fn is_mixed(&self) -> bool {
        self.batched < 1.0 || self.models.len() > 1
    }

    /// Requests of one operation that find each other in a row, at most a full batch.
    fn largest(&self, spec: &GpuSpec) -> f64 {
        let rows = self.models.iter().map(|model| model.largest(spec.max_batch));
        rows.fold(1.0, f64::max)
    }

    /// Batches by model when so many requests wait together: how many there are of each for one request,
    /// the requests of one, and its time (s).
    fn by_model(&self, spec: &GpuSpec, waiting: f64) -> impl Iterator<Item = (f64, f64, f64)> {
        let batched = self.batched.max(1e-300);
        self.models.iter().map(move |model| {
            let (size, took_s) = model.batch(spec.max_batch, waiting);
            (model.share / batched / size, size, self.slow * took_s)
        })
    }

    /// Mean time of a batch when so many requests wait together (s).
    fn batch_s(&self, spec: &GpuSpec, waiting: f64) -> f64 {
        let (mut many, mut all_s) = (0.0, 0.0);
        for (often, _, took_s) in self.by_model(spec, waiting) {
            many += often;
            all_s += often * took_s;
        }
        if many > 0.0 { all_s / many } else { 0.0 }
    }

    /// Mean requests of a batch when so many wait together.
    fn per_batch(&self, spec: &GpuSpec, waiting: f64) -> f64 {
        if self.models.len() < 2 {
            return waiting;
        }
        1.0 / self.by_model(spec, waiting).map(|(often, _, _)| often).sum::<f64>().max(1e-300)
    }

    /// Squared coefficient of variation between the models' batches, and the mean time of the batch that a
    /// request is in (s).
    fn between_models(&self, spec: &GpuSpec, waiting: f64, batch_s: f64) -> (f64, f64) {
        if self.models.len() < 2 || batch_s <= 0.0 {
            return (0.0, batch_s);
        }
        let (mut many, mut squares, mut own_s) = (0.0, 0.0, 0.0);
        for (often, size, took_s) in self.by_model(spec, waiting) {
            many += often;
            squares += often * took_s * took_s;
            own_s += often * size * took_s;
        }
        ((squares / many / (batch_s * batch_s) - 1.0).max(0.0), own_s)
    }

    /// Requests a second that a GPU can serve.
    pub(super) fn capacity(&self, spec: &GpuSpec) -> f64 {
        let largest = self.largest(spec);
        let in_batches = if self.batched > 0.0 {
            self.batched * self.batch_s(spec, largest) / self.per_batch(spec, largest)
        } else {
            0.0
        };
        1.0 / (in_batches + (1.0 - self.batched) * self.alone_s).max(1e-9)
    }

    fn state(&self, spec: &GpuSpec, capacity: f64, room: f64, utilisation: f64) -> State {
        let rate = capacity * utilisation;
        let largest = self.largest(spec);
        let delay_s = spec.max_queue_delay.as_secs_f64();
        let (size, batch_s, shape) = self.batches(spec, rate * self.batched);
        let per_batch = self.per_batch(spec, size);
        let batches = rate * self.batched / per_batch;
        let alone = rate * (1.0 - self.batched);
        let busy = (batches * batch_s + alone * self.alone_s).min(1.0);
        let squares = batches * batch_s * batch_s * (1.0 + shape.cs2)
            + alone * self.alone_s * self.alone_s * (1.0 + self.alone_cs2);
        let mean = if rate > 0.0 { busy / (batches + alone).max(1e-300) } else { 0.0 };
        let cs2 = if mean > 0.0 {
            (squares / (batches + alone) / (mean * mean) - 1.0).max(0.0)
        } else {
            0.0
        };
        // Between several models two of one wait together less often than with one: turns lie between those of
        // full batches and those of single services.
        let crowded = if self.models.len() > 1 {
            utilisation + 0.25 * (busy - utilisation).max(0.0)
        } else {
            utilisation
        };
        let crowded = crowded.min(1.0 - 1e-9);
        let turns = self.turns(spec, cs2, crowded * self.seen);
        // Of a fixed number inside only its split over the GPUs varies: by (p − 1) / p of what it does with
        // an open load, as the product form of a closed network says.
        let split = 1.0 - self.steady / self.pods.max(1.0);
        let wait_s = squares / 2.0 * self.regularity(cs2, utilisation) * turns * split;
        let company = if size < largest {
            delay_s * (1.0 - busy) * (1.0 + 1.0 / per_batch) / 2.0
        } else {
            0.0
        };
        let unbounded = rate * (wait_s + self.batched * company);
        let waiting = within(unbounded, busy, room);
        let own_s = if self.is_mixed() {
            self.between_models(spec, size, batch_s).1
        } else {
            let ran_s = shape.found_s(batch_s);
            (1.0 - busy) * shape.first_s + busy * shape.after_s(ran_s, size, batch_s)
        };
        let served = rate * (self.batched * own_s + (1.0 - self.batched) * self.alone_s);
        let inside = waiting + served;
        State {
            inside,
            waiting,
            unbounded,
            cs2,
            busy,
            batch_s,
            own_s,
            size,
            per_batch,
            crowded,
            batches: shape,
        }
    }

    /// Mean size and time (s) of batches under so many requests a second, and how they vary. Whoever
    /// came while one ran is in the next; when nobody did, the GPU idles until one comes.
    fn batches(&self, spec: &GpuSpec, rate: f64) -> (f64, f64, Batches) {
        if self.batched <= 0.0 {
            return (1.0, 0.0, Batches::default());
        }
        let largest = self.largest(spec);
        let patient = 1.0 + rate * spec.max_queue_delay.as_secs_f64();
        let next = |size: f64| {
            let came = rate * self.batch_s(spec, size);
            (came + patient * libm::exp(-came)).max(patient).clamp(1.0, largest)
        };
        let mut size = patient.min(largest);
        for _ in 0..4 {
            // Steffensen's iteration: two steps, then where they lead.
            let one = next(size);
            if one.to_bits() == size.to_bits() {
                break;
            }
            let two = next(one);
            let bend = two - 2.0 * one + size;
            let step = one - size;
            let led = if bend.abs() > 1e-12 { size - step * step / bend } else { two };
            size = led.clamp(1.0, largest);
        }
        let batch_s = self.batch_s(spec, size);
        let up = (size + 0.5).min(largest);
        let each_s = (self.batch_s(spec, up) - self.batch_s(spec, up - 1.0)).max(0.0);
        // Sizes follow one another: n' is Poisson around rate · time(n).
        let follows = (rate * each_s).min(0.95);
        let room = 1.0 - (size - 1.0) / (largest - 1.0).max(1e-9);
        let variance = rate * batch_s / (1.0 - follows * follows) * room.clamp(0.0, 1.0);
        let within = each_s * each_s * variance / (batch_s * batch_s).max(1e-300);
        let cs2 = within + self.between_models(spec, size, batch_s).0;
        let (first_s, full_s) =
            (self.batch_s(spec, patient.min(largest)), self.batch_s(spec, largest));
        (size, batch_s, Batches { first_s, full_s, each_s, rate, cs2 })
    }

    /// Services that a request waits for, the one that runs among them. When each serves one request, or
    /// batches wait behind requests that are alone, one after another (1 / (1 − ρ)); a large batch takes
    /// all who wait, and more than it takes wait as rarely as for one of so many servers (Sakasegawa's
    /// exponent), under heavy load as Kingman says.
    fn turns(&self, spec: &GpuSpec, cs2: f64, utilisation: f64) -> f64 {
        let largest = if self.is_mixed() { 1.0 } else { self.largest(spec) };
        let weight = (1.0 + largest * cs2) / (largest * (1.0 + cs2));
        let power = libm::sqrt(2.0 * (largest + 1.0)) - 1.0;
        1.0 + weight * tail_left(utilisation, power) / (1.0 - utilisation)
    }

    /// What arrivals that are more or less regular than by chance make of a wait: Allen and Cunneen,
    /// with Krämer and Langenbach-Belz' correction for regular ones under light load (1976).
    fn regularity(&self, cs2: f64, utilisation: f64) -> f64 {
        let plain = (self.ca2 + cs2) / (1.0 + cs2);
        if self.ca2 >= 1.0 || utilisation <= 0.0 {
            return plain;
        }
        let gap = 1.0 - self.ca2;
        let spread = (self.ca2 + cs2).max(1e-9);
        plain * libm::exp(-2.0 * (1.0 - utilisation) * gap * gap / (3.0 * utilisation * spread))
    }

    /// The mean wait (s) at rest under so many requests a second; `None` when they are too many.
    pub(super) fn at_rest(&self, spec: &GpuSpec, rate: f64) -> Option<f64> {
        let capacity = self.capacity(spec);
        let utilisation = rate / capacity;
        if utilisation >= 1.0 - 1e-9 && (self.seen >= 1.0 || utilisation > 1.0) {
            return None;
        }
        let state = self.state(spec, capacity, f64::INFINITY, utilisation);
        Some(state.waiting / rate.max(1e-12))
    }

    /// Lets `arrivals` requests come evenly over `dt_s` seconds to `inside` that are there: those
    /// that are left, those that were served, and what an arrival meets.
    pub(super) fn advance(
        &self,
        spec: &GpuSpec,
        backlog: f64,
        (inside, arrivals): (f64, f64),
        dt_s: f64,
        before: &GpuView,
    ) -> (f64, f64, GpuView) {
        let capacity = self.capacity(spec);
        let total = inside + arrivals;
        // A queue that does not vary has no tail to be cut off.
        let room = backlog / (1.0 - self.steady).max(1e-3);
        let at = |u: f64| self.state(spec, capacity, room, u.min(1.0 - 1e-9));
        let guess =
            Found { utilisation: before.utilisation, steepness: before.steepness, state: () };
        let inside_at = |u: f64| {
            let state = at(u);
            (state.inside, state)
        };
        let found = step(total, capacity * dt_s, guess, inside_at);
        let settles = found.is_some();
        let Found { utilisation, steepness, state } =
            found.unwrap_or_else(|| Found { utilisation: 1.0, steepness: 0.0, state: at(1.0) });
        let passed = (capacity * utilisation * dt_s).min(total);
        let left = total - passed;
        let rate = (passed / dt_s).max(1e-9);
        let waiting = if settles { state.waiting.min(left) } else { left };
        let wanted = arrivals / (1.0 - before.full).max(1e-3);
        let offered = wanted / (capacity * dt_s);
        let random = (1.0 - self.steady) * self.chance(spec, left, offered);
        let busy = state.busy.max(1e-9);
        let view = GpuView {
            busy,
            wait_s: waiting / rate * random,
            free_wait_s: state.unbounded.max(waiting) / rate * random,
            longest_s: (backlog + 1.0) / rate,
            longest_spread: libm::sqrt(3.0 * state.cs2 / (backlog + 1.0)).min(1.0),
            backlog_s: waiting / rate * (1.0 - random),
            batch_s: state.batch_s,
            own_s: state.own_s,
            batches: state.batches,
            size: state.size,
            per_batch: state.per_batch,
            again: 1.0 - 1.0 / self.turns(spec, state.cs2, state.crowded.min(1.0 - 1e-9)),
            waiting,
            full: before.full,
            utilisation,
            steepness,
        };
        (left, passed, view)
    }

    /// Share of `arrivals` in the next `dt_s` seconds that find every waiting place taken. Below capacity
    /// it is that of the tail of the number that waits without a bound, cut off (M/G/1/K; exact for
    /// M/M/1/K); above, what is too much, with the queue a little under its bound (M/M/1/K: by 1 / (ρ − 1)
    /// on average). A fixed number of requests is spread over the GPUs by chance.
    pub(super) fn full(
        &self,
        spec: &GpuSpec,
        (backlog, waiting): (f64, f64),
        arrivals: f64,
        dt_s: f64,
    ) -> f64 {
        if arrivals <= 0.0 {
            return 0.0;
        }
        let split = self.steady * full_by_split(backlog, waiting, self.pods);
        let offered = arrivals / (self.capacity(spec) * dt_s);
        self.full_by_chance(spec, (backlog, waiting), offered, arrivals).max(split)
    }

    fn full_by_chance(
        &self,
        spec: &GpuSpec,
        (backlog, waiting): (f64, f64),
        offered: f64,
        wanted: f64,
    ) -> f64 {
        if !backlog.is_finite() {
            return 0.0;
        }
        let standing = waiting * self.steady;
        let room = (backlog - standing).max(0.0);
        if offered < 1.0 {
            let free = self.state(spec, self.capacity(spec), f64::INFINITY, offered);
            let varying = free.waiting * (1.0 - self.steady);
            let ratio = varying / (varying + free.busy).max(1e-12);
            let tail = free.busy * tail_left(ratio, room);
            return ((1.0 - offered) * tail / (1.0 - offered * tail)).clamp(0.0, 1.0);
        }
        let most = room / 2.0 * (1.0 - self.steady);
        let gap = (1.0 / (offered - 1.0).max(1e-9)).min(most);
        let surplus = waiting - (backlog - gap);
        (1.0 - 1.0 / offered + surplus / wanted.max(1e-9)).clamp(0.0, 1.0)
    }

    /// Share of the wait that chance makes; the rest is a queue that stands.
    fn chance(&self, spec: &GpuSpec, left: f64, offered: f64) -> f64 {
        if offered < 0.98 && left <= 1.0 {
            return 1.0;
        }
        let usual = if offered < 1.0 {
            let capacity = self.capacity(spec);
            self.state(spec, capacity, f64::INFINITY, offered.min(0.98)).inside
        } else {
            1.0 / (offered - 1.0).max(0.02)
        };
        if offered < 0.98 && left <= 1.5 * usual + 1.0 {
            1.0
        } else {
            (usual / left.max(1e-9)).min(1.0)
        }
    }
}

/// How likely a GPU has all its waiting places taken when the number that waits at all of them is fixed,
/// `waiting` at each on average: without a drift every way to share out what is free is equally likely,
/// so what is free at one is geometric, as far as its places go.
fn full_by_split(places: f64, waiting: f64, pods: f64) -> f64 {
    if pods <= 1.0 || !places.is_finite() || places < 1.0 {
        return 0.0;
    }
    let free = (places - waiting).max(0.0) * pods / (pods - 1.0);
    if free >= places {
        return 0.0;
    }
    let mirrored = free > places / 2.0;
    let mean = if mirrored { places - free } else { free };
    let (mut low, mut high) = (0.0_f64, 1.0 - 1e-9);
    for _ in 0..40 {
        let ratio = f64::midpoint(low, high);
        let power = libm::pow(ratio, places + 1.0);
        let found = ratio / (1.0 - ratio) - (places + 1.0) * power / (1.0 - power);
        if found < mean { low = ratio } else { high = ratio }
    }
    let ratio = f64::midpoint(low, high);
    let none = (1.0 - ratio) / (1.0 - libm::pow(ratio, places + 1.0));
    if mirrored { none * libm::pow(ratio, places) } else { none }
}

/// The mean of a number that waits when its geometric tail is cut off at so many places.
fn within(waiting: f64, busy: f64, places: f64) -> f64 {
    let ratio = waiting / (waiting + busy).max(1e-12);
    if places > 1e6 || places * (1.0 - ratio) > 40.0 {
        return waiting;
    }
    let power = libm::pow(ratio, places + 1.0);
    if 1.0 - power < 1e-6 {
        return busy * places / 2.0;
    }
    let mean = waiting - busy * (places + 1.0) * power / (1.0 - power);
    mean.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::spec::BatchLatency;
    use crate::units::SimDuration;

    fn near(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() <= tolerance * expected, "{value}: {expected}");
    }

    const LINE: BatchLatency = BatchLatency::Line {
        base: SimDuration::from_millis(2),
        per_item: SimDuration::from_millis(1),
    };

    fn mix() -> GpuMix<'static> {
        GpuMix {
            models: vec![Batched { share: 1.0, items: 1.0, latency: &LINE }],
            batched: 1.0,
            ca2: 1.0,
            seen: 1.0,
            slow: 1.0,
            pods: 1.0,
            ..GpuMix::default()
        }
    }

    fn spec(max_batch: u32) -> GpuSpec {
        GpuSpec { max_batch, max_queue_delay: SimDuration::ZERO, latency: LINE }
    }

    /// The chain of batch sizes, solved: from n requests at 2 + n ms, Poisson many come, at least one is
    /// next, at most `most`.
    fn chain(rate: f64, most: usize) -> (f64, f64) {
        let ms = |n: usize| 2.0 + crate::service::fluid::number(n);
        let mut at = vec![1.0 / crate::service::fluid::number(most); most];
        for _ in 0..400 {
            let mut next = vec![0.0; most];
            for (size, share) in at.iter().enumerate() {
                let came = rate * ms(size + 1) / 1_000.0;
                let (mut chance, mut upto) = (libm::exp(-came), 0.0);
                for many in 0..200_usize {
                    next[many.clamp(1, most) - 1] += share * chance;
                    upto += chance;
                    chance *= came / crate::service::fluid::number(many + 1);
                }
                assert!((upto - 1.0).abs() < 1e-6, "{upto}");
            }
            at = next;
        }
        let mean = |of: &dyn Fn(usize) -> f64| {
            at.iter().enumerate().map(|(n, share)| share * of(n + 1)).sum::<f64>()
        };
        let size = mean(&crate::service::fluid::number);
        (size, rate * mean(&ms) / 1_000.0 / size)
    }

    #[test]
    fn batches_are_as_large_as_the_chain_of_arrivals_says() {
        for (rate, tolerance) in [(50.0, 0.01), (200.0, 0.02), (500.0, 0.06)] {
            let (size, busy) = chain(rate, 64);
            let spec = spec(64);
            let state = mix().state(&spec, mix().capacity(&spec), f64::INFINITY, {
                rate / mix().capacity(&spec)
            });
            near(state.size, size, tolerance);
            near(state.busy, busy, tolerance);
        }
    }

    /// One at a time is Pollaczek and Khinchine: 3 ms at 250 a second wait 4.5 ms.
    #[test]
    fn one_at_a_time_waits_as_it_always_did() {
        let wait_s = mix().at_rest(&spec(1), 250.0).expect("it is stable");
        near(wait_s, 0.75 * 0.003 / 2.0 / 0.25, 1e-9);
    }

    #[test]
    fn a_large_batch_takes_all_who_wait() {
        let wait_s = mix().at_rest(&spec(64), 500.0).expect("it is stable");
        let state =
            mix().state(&spec(64), mix().capacity(&spec(64)), f64::INFINITY, 500.0 * 66.0 / 64e3);
        assert!(wait_s < state.batches.found_s(state.batch_s) / 2.0 * 1.02, "{wait_s}");
    }

    /// What comes in a tick is refused in that tick, however long it is and however full it was before.
    #[test]
    fn a_burst_fills_the_places_and_no_more() {
        let spec = spec(1);
        let (mut inside, mut view) = (0.0, GpuView::default());
        for dt_s in [1.0, 10.0, 1.0, 0.02, 10.0] {
            let arrivals = 800.0 * dt_s;
            view.full = mix().full(&spec, (500.0, view.waiting), arrivals, dt_s);
            let came = arrivals * (1.0 - view.full);
            (inside, _, view) = mix().advance(&spec, 500.0, (inside, came), dt_s, &view);
            assert!(inside < 502.0, "{inside} are inside after {dt_s} s");
        }
        assert!(inside > 490.0, "{inside}");
    }

    /// Two free places among four GPUs: of the ten ways to share them out six leave a given one none.
    #[test]
    fn a_fixed_number_is_spread_by_chance() {
        near(full_by_split(13.0, 12.5, 4.0), 0.6, 0.01);
        near(full_by_split(12.0, 0.0, 4.0).max(1e-12), 1e-12, 1e-6);
        near(full_by_split(12.0, 12.0, 1.0).max(1e-12), 1e-12, 1e-6);
    }
}
