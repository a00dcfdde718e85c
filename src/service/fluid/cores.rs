//! The cores and places of one pod, or of several as one: a step of time, and what an arrival meets.

use crate::service::fluid::queueing::{Queue, better_of_two, step, tail_left, waiting_for_slots};
use crate::service::spec::Routing;

/// What the requests of a station ask, on average over their mix, and how they come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Demand {
    /// CPU work of a request (core-s).
    pub(super) cpu_s: f64,
    /// Its squared coefficient of variation.
    pub(super) cpu_cs2: f64,
    /// How long a request holds its place beside the CPU: delays, GPU, calls of its own (s).
    pub(super) hold_s: f64,
    /// Squared coefficient of variation between arrivals at the station.
    pub(super) arrivals_ca2: f64,
    /// Virtual users whose calls come here; infinite for an open load.
    pub(super) users: f64,
    /// How long the least patient caller waits (s).
    pub(super) patience_s: f64,
}

/// The cores and places of a pod; of `pods` like it, when one list feeds all of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cores {
    /// Cores of a pod.
    pub(super) cores: f64,
    /// Cores that one request can use.
    pub(super) threads: f64,
    /// Requests that hold a place in a pod at once; infinite without a bound.
    pub(super) places: f64,
    /// Waiting places of a pod; infinite without a bound.
    pub(super) backlog: f64,
    /// How likely the machine has no core to spare, because of all who run there.
    pub(super) crowd: f64,
    /// Pods that take from one list.
    pub(super) pods: f64,
    /// Pods among which the arrivals of the station are spread.
    pub(super) spread: f64,
    /// How they are spread.
    pub(super) routing: Routing,
}

/// What an arrival meets.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct View {
    /// Share of the cores that is busy.
    pub(super) utilisation: f64,
    /// Requests at full speed at once.
    pub(super) servers: f64,
    /// Cores of a request that is alone.
    pub(super) speed: f64,
    /// By how much the sharing of cores lengthens work, on average: 0 is not at all.
    pub(super) slowdown: f64,
    /// Probability that the cores are shared.
    pub(super) shared: f64,
    /// Mean wait for a place (s), the part that chance makes.
    pub(super) wait_s: f64,
    /// Probability of that wait.
    pub(super) waits: f64,
    /// The part of the wait that everyone has: a backlog that stands (s).
    pub(super) backlog_s: f64,
    /// Share of the slowdown that chance makes.
    pub(super) random: f64,
    /// Share of arrivals that find no waiting place.
    pub(super) full: f64,
}

/// What a step of time did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stepped {
    /// Inside afterwards: waiting for a place, or on the CPU.
    pub(super) inside: f64,
    /// Of these on the CPU.
    pub(super) on_cpu: f64,
    /// Requests whose CPU part ended.
    pub(super) passed: f64,
    /// Arrivals that found no waiting place.
    pub(super) refused: f64,
    /// Waiting requests whose callers had gone, thrown away when their turn came.
    pub(super) dropped: f64,
}

/// Everyone at a utilisation.
#[derive(Debug, Clone, Copy)]
struct State {
    inside: f64,
    on_cpu: f64,
    shared: f64,
    waiting: f64,
    waits: f64,
    full: f64,
}

const NOTHING: f64 = 1e-9;

/// How much the number inside varies, over what chance makes of it with an open load: of a fixed number
/// of virtual users only those vary who are elsewhere, unless the queue runs empty at times.
fn varies(users: f64, inside: f64, utilisation: f64) -> f64 {
    if !users.is_finite() || inside <= 1.0 {
        return 1.0;
    }
    let elsewhere = libm::sqrt((users - inside).max(0.0)) / inside;
    (elsewhere + inside * (1.0 - utilisation)).min(1.0)
}

impl Cores {
    fn speed(&self) -> f64 {
        self.threads.min(self.cores)
    }

    /// Requests of one pod that are served at full speed at once.
    fn servers(&self) -> f64 {
        (self.cores / self.speed()).min(self.places).max(1.0)
    }

    /// Requests a second that the cores of all pods can serve.
    pub(super) fn capacity(&self, demand: &Demand) -> f64 {
        self.pods * self.servers() * self.speed() / demand.cpu_s.max(NOTHING)
    }

    /// Squared coefficient of variation between arrivals at one pod.
    fn ca2(&self, demand: &Demand) -> f64 {
        let whole = demand.arrivals_ca2;
        match self.routing {
            Routing::RoundRobin => whole / self.spread.max(1.0),
            Routing::Random | Routing::Pinned | Routing::LeastRequests | Routing::PowerOfTwo => {
                let share = 1.0 / self.spread.max(1.0);
                share * whole + (1.0 - share)
            }
        }
    }

    fn state(&self, demand: &Demand, utilisation: f64) -> State {
        let servers = self.servers();
        // Pods whose arrivals always find the least busy one are nearly one large pod.
        let as_one = match self.routing {
            Routing::LeastRequests => self.spread.max(1.0),
            Routing::Random | Routing::Pinned | Routing::RoundRobin | Routing::PowerOfTwo => 1.0,
        };
        let ca2 = self.ca2(demand);
        let room = self.places - servers;
        // Those beyond the places wait their turn, and variable work makes turns long.
        let in_turn = if room.is_finite() { tail_left(utilisation, room * as_one) } else { 0.0 };
        let sharing = ca2.midpoint(1.0);
        let variability = sharing + in_turn * (ca2.midpoint(demand.cpu_cs2) - sharing);
        let limit = if self.pods > 1.0 { f64::INFINITY } else { self.places + self.backlog };
        let queue = Queue {
            servers: servers * as_one,
            variability: variability.max(1e-3),
            users: demand.users,
            limit: limit * as_one,
        };
        let found = queue.stationary(utilisation);
        let relief = match self.routing {
            Routing::PowerOfTwo if self.spread > 1.5 => better_of_two(utilisation),
            Routing::PowerOfTwo
            | Routing::Random
            | Routing::Pinned
            | Routing::RoundRobin
            | Routing::LeastRequests => 1.0,
        };
        let beyond = found.beyond / as_one * relief;
        let load = servers * utilisation;
        let bounded = room.is_finite() && demand.users > self.places;
        let late = if bounded { tail_left(found.ratio, room * as_one) } else { 0.0 };
        let (in_cores, mut waiting) = (load + beyond * (1.0 - late), beyond * late);
        let mut waits = found.all_busy * late;
        if demand.hold_s > 0.0 && self.places.is_finite() {
            let rate = self.capacity(demand) * utilisation / self.pods;
            let taken = (in_cores + rate * demand.hold_s) / self.places;
            let spread = (self.places * self.pods * as_one).max(1.0);
            let behind = waiting_for_slots(spread, taken, variability.max(0.5));
            let behind = behind / (self.pods * as_one);
            if behind > waiting {
                waiting = behind;
                waits = (behind * (1.0 - taken) / taken).clamp(waits, 1.0);
            }
        }
        let inside = self.pods * (in_cores + waiting);
        State {
            inside,
            on_cpu: self.pods * in_cores,
            shared: found.all_busy,
            waiting: self.pods * waiting,
            waits,
            full: found.full,
        }
    }

    /// The mean wait for a place (s) and the seconds a core-second takes, at rest under so many requests
    /// a second; `None` when they are too many.
    pub(super) fn at_rest(&self, demand: &Demand, rate: f64) -> Option<(f64, f64)> {
        let utilisation = rate / self.capacity(demand);
        if utilisation > 1.0 || (utilisation >= 1.0 && demand.users.is_infinite()) {
            return None;
        }
        let state = self.state(demand, utilisation);
        let load = (self.servers() * utilisation * self.pods).max(NOTHING);
        let stretch = (state.on_cpu / load).max(1.0) / self.speed();
        let wait_s = state.waiting / rate.max(NOTHING);
        wait_s.is_finite().then_some((wait_s, stretch))
    }

    /// Lets `arrivals` requests come evenly over `dt_s` seconds to `inside` that are there. `guess` is
    /// a utilisation to look near.
    pub(super) fn advance(
        &self,
        demand: &Demand,
        (inside, arrivals): (f64, f64),
        dt_s: f64,
        guess: f64,
    ) -> (Stepped, View) {
        let capacity = self.capacity(demand);
        let offered = arrivals / dt_s / capacity;
        let turned_away = if offered < 1.0 && self.pods <= 1.0 {
            self.state(demand, offered).full * arrivals
        } else {
            0.0
        };
        let arrivals = arrivals - turned_away;
        let total = inside + arrivals;
        if total <= NOTHING * 1e-3 {
            return self.idle(demand);
        }
        let found = step(total, capacity * dt_s, guess, |u| self.state(demand, u).inside);
        let utilisation = found.unwrap_or(1.0);
        let state = self.state(demand, utilisation);
        let passed = (capacity * utilisation * dt_s).min(total);
        let mut left = total - passed;
        let on_cpu = if found.is_some() {
            state.on_cpu.min(left)
        } else {
            left.min(self.places * self.pods)
        };
        let (mut refused, mut dropped) = (turned_away, 0.0);
        let rate = passed / dt_s;
        let waiting = left - on_cpu;
        if waiting > rate * demand.patience_s {
            dropped = waiting - rate * demand.patience_s;
            left -= dropped;
        }
        let most_waiting = self.backlog * self.pods;
        if left - on_cpu > most_waiting {
            refused += left - on_cpu - most_waiting;
            left = on_cpu + most_waiting;
        }
        let stepped = Stepped { inside: left, on_cpu, passed, refused, dropped };
        let usual = if offered < 1.0 {
            self.state(demand, offered.min(0.98)).inside.max(NOTHING)
        } else {
            1.0 / (offered - 1.0).max(0.02)
        };
        let random = if offered < 0.98 && left <= 1.5 * usual + 1.0 {
            1.0
        } else {
            (usual / left.max(NOTHING)).min(1.0)
        };
        let random = random * varies(demand.users, left / self.pods, utilisation);
        (stepped, self.view(demand, (&stepped, &state), utilisation, random))
    }

    fn view(
        &self,
        demand: &Demand,
        (stepped, state): (&Stepped, &State),
        utilisation: f64,
        random: f64,
    ) -> View {
        let (servers, speed) = (self.servers(), self.speed());
        let load = (servers * utilisation * self.pods).max(NOTHING);
        let rate = (self.capacity(demand) * utilisation).max(NOTHING);
        let waiting = (stepped.inside - stepped.on_cpu).max(0.0);
        let wait_s = waiting / rate;
        View {
            utilisation,
            servers,
            speed,
            slowdown: (stepped.on_cpu / load - 1.0).max(0.0),
            shared: state.shared.max(self.crowd).clamp(1e-6, 1.0),
            wait_s: wait_s * random,
            waits: if state.waiting > 0.0 { state.waits.clamp(1e-6, 1.0) } else { 1.0 },
            backlog_s: wait_s * (1.0 - random),
            random,
            full: state.full,
        }
    }

    fn idle(&self, demand: &Demand) -> (Stepped, View) {
        let nothing = Stepped { inside: 0.0, on_cpu: 0.0, passed: 0.0, refused: 0.0, dropped: 0.0 };
        let state = self.state(demand, 0.0);
        (nothing, self.view(demand, (&nothing, &state), 0.0, 1.0))
    }
}
