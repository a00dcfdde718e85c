//! Processor sharing by virtual time: O(log n) per job, however many share the cores.
//!
//! All jobs inside get the same rate `min(threads, cores / n)`. A virtual clock advances at that
//! rate, so a job that needs `w` core-seconds leaves when the clock has moved by `w` since it came
//! (Kleinrock's egalitarian processor sharing; the tag idea is Demers, Keshav, Shenker 1989). Only
//! the smallest tag has to be known to know the next completion.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::service::quota::{Throttling, periods_in};
use crate::units::convert::{ceil_u64, f64_from_usize};
use crate::units::time::{SimDuration, SimTime};

/// Cores shared by the jobs inside.
#[derive(Debug, Clone)]
pub struct Processor {
    /// Cores in all.
    cores: f64,
    /// Cores one job can use at most.
    threads: f64,
    /// Cores each job gets now: `min(threads, cores / n)`.
    rate: f64,
    jobs: BinaryHeap<Reverse<Job>>,
    /// Virtual clock: core-seconds each job inside has received since the clock was last zero.
    virtual_s: f64,
    updated: SimTime,
    sequence: u64,
    /// Core-seconds spent since the processor was made.
    busy_core_s: f64,
    /// The cores are those of a limit, below what the machine would give.
    limited: bool,
    /// All cores are in use, and they are those of a limit.
    at_limit: bool,
    /// Nothing goes on.
    paused: bool,
    /// Time with jobs inside (s).
    active_s: f64,
    /// Of it at the limit (s).
    at_limit_s: f64,
    /// Of it without a core, if the limit were enforced in periods (s).
    held_up_s: f64,
}

/// Smallest tag first, the older one among equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Job {
    /// The tag's bits: floats that are not negative order as their bits do, at less cost.
    tag_bits: u64,
    sequence: u64,
    payload: u32,
}

impl Job {
    fn tag(&self) -> f64 {
        f64::from_bits(self.tag_bits)
    }
}

impl Processor {
    /// Idle cores at an instant. `threads` is how many cores one job can use.
    #[must_use]
    pub fn new(cores: f64, threads: f64, now: SimTime) -> Self {
        assert!(cores > 0.0 && threads > 0.0, "a processor has cores and a job uses some");
        Self {
            cores,
            threads,
            rate: threads.min(cores),
            jobs: BinaryHeap::new(),
            virtual_s: 0.0,
            updated: now,
            sequence: 0,
            busy_core_s: 0.0,
            limited: false,
            at_limit: false,
            paused: false,
            active_s: 0.0,
            at_limit_s: 0.0,
            held_up_s: 0.0,
        }
    }

    /// Jobs inside.
    #[must_use]
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether no job is inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Cores in all.
    #[must_use]
    pub fn cores(&self) -> f64 {
        self.cores
    }

    /// Shares the cores anew, after jobs or cores changed. Returns whether they are all in use.
    fn share(&mut self) -> bool {
        let jobs = f64_from_usize(self.jobs.len());
        let all = jobs * self.threads > self.cores;
        self.rate = if all { self.cores / jobs } else { self.threads };
        self.at_limit = all && self.limited;
        if self.paused {
            self.rate = 0.0;
        }
        all
    }

    /// Moves the virtual clock to `now`.
    fn advance(&mut self, now: SimTime) {
        let elapsed = now.since(self.updated);
        if elapsed.is_zero() {
            return;
        }
        self.updated = now;
        if !self.jobs.is_empty() {
            let elapsed_s = elapsed.as_secs_f64();
            let received_s = elapsed_s * self.rate;
            self.active_s += elapsed_s;
            if self.at_limit {
                self.at_limit_s += elapsed_s;
                self.held_up_s += elapsed_s * (1.0 - self.rate / self.threads);
            }
            self.virtual_s += received_s;
            self.busy_core_s += received_s * f64_from_usize(self.jobs.len());
        }
    }

    /// Cores that one job can use at most.
    #[must_use]
    pub fn threads(&self) -> f64 {
        self.threads
    }

    /// Cores in use now.
    #[must_use]
    pub fn used_cores(&self) -> f64 {
        self.rate * f64_from_usize(self.jobs.len())
    }

    /// Whether the cores are those of a limit, which holds processes up that want more.
    pub fn set_limited(&mut self, now: SimTime, limited: bool) {
        self.advance(now);
        self.limited = limited;
        self.share();
    }

    /// Nothing goes on from `now` on.
    pub fn pause(&mut self, now: SimTime) {
        self.advance(now);
        self.paused = true;
        self.share();
    }

    /// Everything goes on.
    pub fn resume(&mut self, now: SimTime) {
        self.advance(now);
        self.paused = false;
        self.share();
    }

    /// How much the limit held the jobs up until `now`, if it were enforced in periods: what wants more
    /// cores than the limit has them for a part of each period, and waits for the rest of it.
    pub fn throttling(&mut self, now: SimTime) -> Throttling {
        self.advance(now);
        Throttling {
            periods: if self.limited { periods_in(self.active_s) } else { 0.0 },
            throttled_periods: periods_in(self.at_limit_s),
            throttled_s: self.held_up_s,
        }
    }

    /// Changes the number of cores from `now` on.
    pub fn set_cores(&mut self, now: SimTime, cores: f64) {
        assert!(cores > 0.0, "a processor has cores");
        self.advance(now);
        self.cores = cores;
        self.share();
    }

    /// Lets a job of `demand_core_s` core-seconds in. Returns whether the next completion moved.
    pub fn admit(&mut self, now: SimTime, demand_core_s: f64, payload: u32) -> bool {
        self.advance(now);
        if self.jobs.is_empty() {
            self.virtual_s = 0.0;
        }
        debug_assert!(demand_core_s >= 0.0, "demands are not negative, nor are tags");
        let before = self.jobs.peek().map(|job| job.0.tag_bits);
        let tag_bits = (self.virtual_s + demand_core_s).to_bits();
        self.jobs.push(Reverse(Job { tag_bits, sequence: self.sequence, payload }));
        self.sequence += 1;
        self.share() || before.is_none_or(|least| tag_bits < least)
    }

    /// When the next job leaves if nothing else happens, rounded up to the nanosecond.
    #[must_use]
    pub fn next_completion(&self) -> Option<SimTime> {
        let Reverse(job) = self.jobs.peek()?;
        if self.paused {
            return None;
        }
        let left_ns = (job.tag() - self.virtual_s) / self.rate * 1e9;
        // A thousandth of a nanosecond is the error of the arithmetic, not work that is left: a job
        // of exactly one second is to end exactly when a timeout of one second does.
        Some(self.updated + SimDuration::from_nanos(ceil_u64(left_ns - 1e-3)))
    }

    /// The next job that is done at `now`, if any. Call again until there is none.
    pub fn take_done(&mut self, now: SimTime) -> Option<u32> {
        self.advance(now);
        let Reverse(job) = self.jobs.peek()?;
        // Half a nanosecond of work: less than the clock's resolution at one job per core.
        if job.tag() > self.virtual_s + 5e-10 {
            return None;
        }
        let done = self.jobs.pop().map(|job| job.0.payload);
        self.share();
        done
    }

    /// Throws every job out, e.g. because the process died. Returns their payloads.
    pub fn clear(&mut self, now: SimTime) -> Vec<u32> {
        self.advance(now);
        let mut jobs = std::mem::take(&mut self.jobs).into_vec();
        self.share();
        jobs.sort_unstable_by_key(|job| job.0.sequence);
        jobs.into_iter().map(|job| job.0.payload).collect()
    }

    /// Core-seconds spent until `now`.
    pub fn busy_core_s(&mut self, now: SimTime) -> f64 {
        self.advance(now);
        self.busy_core_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs_f64(seconds)
    }

    fn next(processor: &Processor) -> f64 {
        processor.next_completion().expect("a job is inside").as_secs_f64()
    }

    #[test]
    fn two_jobs_share_one_core_and_the_rest_speeds_up() {
        let mut cpu = Processor::new(1.0, 1.0, SimTime::ZERO);
        assert!(cpu.admit(at(0.0), 1.0, 7));
        assert!(cpu.admit(at(0.5), 2.0, 8));
        // 0.5 s done alone, 0.5 s left at half speed: leaves at 1.5 s.
        assert!((next(&cpu) - 1.5).abs() < 1e-9);
        assert_eq!(cpu.take_done(at(1.5)), Some(7));
        assert_eq!(cpu.take_done(at(1.5)), None);
        // 0.5 of 2 s are done; alone again: leaves at 3.0 s.
        assert!((next(&cpu) - 3.0).abs() < 1e-9);
        assert_eq!(cpu.take_done(at(3.0)), Some(8));
        assert!((cpu.busy_core_s(at(9.0)) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_job_uses_no_more_than_its_threads() {
        let mut cpu = Processor::new(4.0, 1.0, SimTime::ZERO);
        cpu.admit(at(0.0), 1.0, 1);
        // Room for all: the first completion stays where it is.
        assert!(!cpu.admit(at(0.0), 2.0, 2));
        assert!((next(&cpu) - 1.0).abs() < 1e-9);
        assert_eq!(cpu.take_done(at(1.0)), Some(1));
        assert!((cpu.busy_core_s(at(1.0)) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn fewer_cores_slow_everyone_down() {
        let mut cpu = Processor::new(2.0, 1.0, SimTime::ZERO);
        cpu.admit(at(0.0), 1.0, 1);
        cpu.admit(at(0.0), 1.0, 2);
        cpu.set_cores(at(0.5), 0.5);
        assert!((next(&cpu) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn equal_tags_leave_in_the_order_they_came() {
        let mut cpu = Processor::new(1.0, 1.0, SimTime::ZERO);
        for payload in 0..3 {
            cpu.admit(at(0.0), 1.0, payload);
        }
        let done: Vec<u32> = std::iter::from_fn(|| cpu.take_done(at(3.0))).collect();
        assert_eq!(done, [0, 1, 2]);
    }

    #[test]
    fn a_death_throws_everyone_out_in_order() {
        let mut cpu = Processor::new(1.0, 1.0, SimTime::ZERO);
        cpu.admit(at(0.0), 5.0, 1);
        cpu.admit(at(0.0), 1.0, 2);
        assert_eq!(cpu.clear(at(1.0)), [1, 2]);
        assert_eq!(cpu.next_completion(), None);
    }
}
