//! Rates out of recordings: constant from one sample to the next, as a load replays them.

use std::collections::BTreeMap;

use super::{Format, Recording, Sample, Series};
use crate::units::SimDuration;
use crate::units::convert::{f64_from_i64, index, u64_from_usize};

/// What the values of a recording are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Events per second, from the sample's time to that of the next.
    Rates,
    /// Events from the sample's time to that of the next.
    Counts,
    /// Events since the recorder began; a fall is a new beginning.
    Counter,
    /// Each sample is an event.
    Events,
}

/// How rates are to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// What the values are; `None` goes by what wrote the recording and by names.
    pub meaning: Option<Meaning>,
    /// Events of so long are counted together.
    pub bin: SimDuration,
    /// A sample counts until the next one, but not for longer; beyond, nothing is known and the rate is
    /// zero. `None` is five minutes, or two and a half times the usual distance of samples.
    pub max_gap: Option<SimDuration>,
}

impl Default for Wish {
    fn default() -> Self {
        Self { meaning: None, bin: SimDuration::from_secs(1), max_gap: None }
    }
}

/// Rates that follow each other.
#[derive(Debug, Clone, PartialEq)]
pub struct RateTrace {
    /// When the first begins (Unix time, ns).
    pub start_ns: i64,
    /// How long each lasts and events per second.
    pub steps: Vec<(SimDuration, f64)>,
    /// What the values were taken for.
    pub meaning: Meaning,
    /// Stretches about which nothing is known, where the rate is zero: after how long, and how long.
    pub gaps: Vec<(SimDuration, SimDuration)>,
}

/// Why a recording has no rates.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RateError {
    /// No series was chosen.
    #[error("has no such series; its metrics are {0}")]
    NoSeries(String),
    /// Nothing to take differences of.
    #[error("has {0} samples in `{1}`, needs two to know how long one counts")]
    TooFew(usize, String),
    /// A negative or infinite rate.
    #[error("has the value {0} in `{1}`, which is no rate")]
    NoRate(f64, String),
    /// Rates or counts?
    #[error(
        "does not say what `{0}` holds: events per second (`values: rates`) or events per row (`values: counts`)"
    )]
    Ambiguous(String),
    /// Sums over a test are no course.
    #[error(
        "is a summary of k6: figures over the whole test, without a course over time; `k6 run --out json` writes one"
    )]
    WholeTest,
    /// The bins would not fit the memory.
    #[error("lasts {0}, too long for bins of {1}")]
    TooLong(SimDuration, SimDuration),
}

/// Most steps of a trace.
const STEPS_MOST: u64 = 5_000_000;

/// A rate from one instant to another (Unix time, ns).
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from_ns: i64,
    to_ns: i64,
    rate: f64,
}

impl Recording {
    /// The rate of events of some of its series together.
    ///
    /// # Errors
    /// What the series lack to have a rate.
    pub fn rates(&self, chosen: &[&Series], wish: &Wish) -> Result<RateTrace, RateError> {
        let Some(first) = chosen.first() else {
            return Err(RateError::NoSeries(self.names().join(", ")));
        };
        let meaning = match wish.meaning {
            Some(meaning) => meaning,
            None => self.meaning(first)?,
        };
        if meaning == Meaning::Events {
            return events(chosen, wish.bin);
        }
        let mut stretches = Vec::new();
        let mut gaps = Vec::new();
        for series in chosen {
            let (own, missing) = stretches_of(series, meaning, wish.max_gap)?;
            stretches.extend(own);
            gaps.extend(missing);
        }
        let start_ns = stretches.iter().map(|it| it.from_ns).min().unwrap_or_default();
        let steps = sum(&mut stretches);
        gaps.sort_unstable();
        let unknown = unknown(start_ns, &steps, &gaps);
        Ok(RateTrace { start_ns, steps, meaning, gaps: unknown })
    }

    fn meaning(&self, series: &Series) -> Result<Meaning, RateError> {
        let name = series.name.to_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        match self.format {
            Format::K6Json | Format::K6Csv => Ok(Meaning::Events),
            Format::K6Summary => Err(RateError::WholeTest),
            Format::Prometheus | Format::Exposition if ends(&["_total", "_count"]) => {
                Ok(Meaning::Counter)
            }
            Format::Prometheus | Format::Exposition => Ok(Meaning::Rates),
            Format::Table if name.is_empty() => Ok(Meaning::Events),
            Format::Table if ends(&["requests", "count", "counts", "hits", "events"]) => {
                Ok(Meaning::Counts)
            }
            Format::Table if ends(&["rate", "rps", "qps", "per_second", "/s"]) => {
                Ok(Meaning::Rates)
            }
            Format::Table => Err(RateError::Ambiguous(series.name.clone())),
        }
    }

    /// The series whose events begin the iterations of a load, if `metric` names none: of k6 the
    /// iterations, or the requests when labels choose some that iterations do not carry.
    #[must_use]
    pub fn load_series<'r>(
        &'r self,
        metric: Option<&'r str>,
        labels: &'r std::collections::BTreeMap<String, String>,
    ) -> Vec<&'r Series> {
        let of = |name| self.select(name, labels).collect::<Vec<_>>();
        let k6 = matches!(self.format, Format::K6Json | Format::K6Csv);
        if metric.is_some() || !k6 {
            return of(metric);
        }
        let candidates = ["iteration_duration", "http_req_duration", "http_reqs"];
        candidates
            .into_iter()
            .map(|name| of(Some(name)))
            .find(|it| !it.is_empty())
            .unwrap_or_default()
    }
}

/// Where no series knows anything: what lies in a gap and has no rate.
fn unknown(
    start_ns: i64,
    steps: &[(SimDuration, f64)],
    gaps: &[Gap],
) -> Vec<(SimDuration, SimDuration)> {
    let (mut at, mut next, mut until) = (SimDuration::ZERO, 0, i64::MIN);
    let mut unknown = Vec::new();
    for (length, rate) in steps {
        let from = start_ns.saturating_add(signed(at));
        while let Some((_, end)) = gaps.get(next).filter(|(gap, _)| *gap <= from) {
            until = until.max(*end);
            next += 1;
        }
        if rate.abs() <= 0.0 && from < until {
            unknown.push((at, *length));
        }
        at += *length;
    }
    unknown
}

/// When the event of a sample began: k6 stamps its end, and a trend of time tells how long it took (ms).
pub(super) fn began_ns(series: &Series, sample: &Sample) -> i64 {
    let timed = series.name.ends_with("_duration") && sample.value.is_finite();
    let took_ns = if timed {
        SimDuration::from_secs_f64(sample.value.max(0.0) / 1e3)
    } else {
        SimDuration::ZERO
    };
    sample.at_ns.saturating_sub(signed(took_ns))
}

fn events(chosen: &[&Series], bin: SimDuration) -> Result<RateTrace, RateError> {
    let all = chosen
        .iter()
        .flat_map(|series| series.samples.iter().map(|sample| began_ns(series, sample)));
    let mut starts: Vec<i64> = all.collect();
    starts.sort_unstable();
    let (Some(first), Some(last)) = (starts.first().copied(), starts.last().copied()) else {
        return Err(RateError::TooFew(0, chosen[0].name.clone()));
    };
    let bin_ns = signed(bin).max(1);
    let span_ns = last.saturating_sub(first);
    let bins = u64::try_from(span_ns / bin_ns).unwrap_or(0) + 1;
    if bins > STEPS_MOST {
        let span = SimDuration::from_nanos(u64::try_from(span_ns).unwrap_or(0));
        return Err(RateError::TooLong(span, bin));
    }
    let mut counts = vec![0_u32; usize::try_from(bins).expect("bins are bounded")];
    for start in starts {
        let at = usize::try_from((start - first) / bin_ns).expect("starts are sorted");
        counts[at] += 1;
    }
    let rate = |count: u32| f64::from(count) / bin.as_secs_f64();
    let steps = counts.into_iter().map(|count| (bin, rate(count))).collect();
    Ok(RateTrace { start_ns: first, steps, meaning: Meaning::Events, gaps: Vec::new() })
}

/// Counts of bins, by position from 1970 on, as rates; bins between them are empty.
pub(super) fn of_bins(
    bins: &BTreeMap<i64, u32>,
    bin: SimDuration,
    meaning: Meaning,
) -> Result<RateTrace, RateError> {
    let (Some(first), Some(last)) = (bins.keys().next(), bins.keys().last()) else {
        return Err(RateError::TooFew(0, String::new()));
    };
    let count = u64::try_from(last - first).unwrap_or(u64::MAX).saturating_add(1);
    if count > STEPS_MOST {
        let span = SimDuration::from_nanos(bin.as_nanos().saturating_mul(count));
        return Err(RateError::TooLong(span, bin));
    }
    let of = |slot: i64| bins.get(&slot).copied().unwrap_or(0);
    let steps = (*first..=*last).map(|slot| (bin, f64::from(of(slot)) / bin.as_secs_f64()));
    Ok(RateTrace {
        start_ns: first.saturating_mul(signed(bin)),
        steps: steps.collect(),
        meaning,
        gaps: Vec::new(),
    })
}

type Gap = (i64, i64);

fn stretches_of(
    series: &Series,
    meaning: Meaning,
    max_gap: Option<SimDuration>,
) -> Result<(Vec<Stretch>, Vec<Gap>), RateError> {
    // What was not measured is not there; two samples of one instant are added up (several instances).
    let mut samples: Vec<Sample> = Vec::new();
    for sample in series.samples.iter().filter(|sample| !sample.value.is_nan()) {
        if sample.value < 0.0 || sample.value.is_infinite() {
            return Err(RateError::NoRate(sample.value, series.name.clone()));
        }
        match samples.last_mut() {
            // A counter that was read twice has not counted twice.
            Some(last) if last.at_ns == sample.at_ns && meaning == Meaning::Counter => {
                last.value = last.value.max(sample.value);
            }
            Some(last) if last.at_ns == sample.at_ns => last.value += sample.value,
            Some(_) | None => samples.push(*sample),
        }
    }
    if samples.len() < 2 {
        return Err(RateError::TooFew(samples.len(), series.name.clone()));
    }
    let mut distances: Vec<i64> =
        samples.windows(2).map(|pair| pair[1].at_ns - pair[0].at_ns).collect();
    distances.sort_unstable();
    let usual = distances[distances.len() / 2];
    let regular = distances.iter().filter(|distance| **distance == usual).count() * 10;
    let regular = regular >= distances.len() * 9;
    let most = max_gap.map_or_else(|| (usual * 5 / 2).max(300_000_000_000), signed);
    let mut stretches = Vec::new();
    let mut gaps = Vec::new();
    let ends = samples.iter().skip(1).map(|sample| sample.at_ns);
    let ends = ends.chain(samples.last().map(|sample| sample.at_ns + usual));
    for (at, (sample, end)) in samples.iter().zip(ends).enumerate() {
        let next = samples.get(at + 1);
        let length_ns = end - sample.at_ns;
        let (rate, to_ns) = match (meaning, next) {
            (Meaning::Counter, None) => break,
            (Meaning::Counter, Some(next)) => {
                let grown =
                    if next.value < sample.value { next.value } else { next.value - sample.value };
                (per_second(grown, length_ns), end)
            }
            // A sample beyond which nothing is known counts as long as its neighbours do.
            _ if length_ns > most => {
                gaps.push((sample.at_ns + usual, end));
                (of(meaning, sample.value, usual), sample.at_ns + usual)
            }
            // Of regular rows each counts what came in its own time, also before one that is missing.
            _ if regular => (of(meaning, sample.value, usual), end),
            _ => (of(meaning, sample.value, length_ns), end),
        };
        stretches.push(Stretch { from_ns: sample.at_ns, to_ns, rate });
    }
    Ok((stretches, gaps))
}

fn of(meaning: Meaning, value: f64, length_ns: i64) -> f64 {
    if meaning == Meaning::Counts { per_second(value, length_ns) } else { value }
}

fn per_second(count: f64, length_ns: i64) -> f64 {
    count / (f64_from_i64(length_ns.max(1)) / 1e9)
}

/// Adds up what holds at each instant.
fn sum(stretches: &mut [Stretch]) -> Vec<(SimDuration, f64)> {
    let mut changes: Vec<(i64, f64, i32)> = Vec::with_capacity(stretches.len() * 2);
    for stretch in stretches.iter() {
        changes.push((stretch.from_ns, stretch.rate, 1));
        changes.push((stretch.to_ns, -stretch.rate, -1));
    }
    changes.sort_by(|a, b| a.0.cmp(&b.0).then(a.2.cmp(&b.2)));
    let mut steps = Vec::new();
    let (mut rate, mut active) = (0.0_f64, 0);
    let mut at = 0;
    while let Some((from_ns, ..)) = changes.get(at).copied() {
        while let Some((instant, by, count)) = changes.get(at).copied().filter(|it| it.0 == from_ns)
        {
            active += count;
            // Exact again whenever nothing is left, or one series alone goes on.
            rate = if active == 0 {
                0.0
            } else if active == 1 && count > 0 {
                by
            } else {
                rate + by
            };
            debug_assert_eq!(instant, from_ns, "changes of one instant");
            at += 1;
        }
        let Some((to_ns, ..)) = changes.get(at) else { break };
        let length = SimDuration::from_nanos(u64::try_from(to_ns - from_ns).unwrap_or(0));
        steps.push((length, rate.max(0.0)));
    }
    steps
}

fn signed(span: SimDuration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

impl RateTrace {
    /// How long it lasts.
    #[must_use]
    pub fn span(&self) -> SimDuration {
        self.steps.iter().map(|step| step.0).sum()
    }

    /// The highest rate (events/s).
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.steps.iter().map(|step| step.1).fold(0.0, f64::max)
    }

    /// Events in all.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.steps.iter().map(|(length, rate)| length.as_secs_f64() * rate).sum()
    }

    /// The part from an offset on, at most so long.
    #[must_use]
    pub fn cut(&self, from: SimDuration, most: SimDuration) -> Self {
        let end = from + most;
        let mut at = SimDuration::ZERO;
        let mut steps = Vec::new();
        for (length, rate) in &self.steps {
            let (begins, ends) = (at.max(from), (at + *length).min(end));
            if begins < ends {
                steps.push((ends.saturating_sub(begins), *rate));
            }
            at += *length;
        }
        let start_ns = self.start_ns.saturating_add(signed(from));
        let moved = self.gaps.iter().filter(|(gap, length)| *gap + *length > from && *gap < end);
        let gaps = moved.map(|(gap, length)| (gap.saturating_sub(from), *length)).collect();
        Self { start_ns, steps, meaning: self.meaning, gaps }
    }

    /// All rates times a factor.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        for step in &mut self.steps {
            step.1 *= factor;
        }
        self
    }

    /// The same rates in so many times less time: a day in an hour has the day's rates, and a
    /// twenty-fourth of its events.
    #[must_use]
    pub fn compressed(mut self, times: f64) -> Self {
        let shorter = |span: SimDuration| SimDuration::from_secs_f64(span.as_secs_f64() / times);
        for step in &mut self.steps {
            step.0 = shorter(step.0);
        }
        for gap in &mut self.gaps {
            *gap = (shorter(gap.0), shorter(gap.1));
        }
        self
    }

    /// Means over windows of one length, so that rates of single events become smooth.
    #[must_use]
    pub fn smoothed(&self, window: SimDuration) -> Self {
        let (mut steps, mut left, mut events) = (Vec::new(), window, 0.0);
        for (length, rate) in &self.steps {
            let mut rest = *length;
            while !rest.is_zero() && !window.is_zero() {
                let part = rest.min(left);
                events += part.as_secs_f64() * rate;
                (rest, left) = (rest.saturating_sub(part), left.saturating_sub(part));
                if left.is_zero() {
                    steps.push((window, events / window.as_secs_f64()));
                    (left, events) = (window, 0.0);
                }
            }
        }
        let begun = window.saturating_sub(left);
        if !begun.is_zero() {
            steps.push((begun, events / begun.as_secs_f64()));
        }
        Self { steps, ..self.clone() }
    }

    /// Again and again until it is so long.
    #[must_use]
    pub fn repeated(&self, until: SimDuration) -> Self {
        let span = self.span();
        if span.is_zero() || span >= until {
            return self.cut(SimDuration::ZERO, until);
        }
        let times = until.as_nanos().div_ceil(span.as_nanos());
        let most = STEPS_MOST / u64_from_usize(self.steps.len()).max(1) + 1;
        let times = index(u32::try_from(times.min(most)).unwrap_or(u32::MAX));
        let steps = std::iter::repeat_n(&self.steps, times).flatten().copied().collect();
        Self { steps, ..self.clone() }.cut(SimDuration::ZERO, until)
    }
}
