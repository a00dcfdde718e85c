//! A witness of whole runs: keeps the decision log and the figures, counts for itself what the run
//! counts too, and objects as soon as something is not as it must be.

use aurelius_sim::metrics::little::{self, Held};
use aurelius_sim::metrics::{LittleLaw, Measurements};
use aurelius_sim::model::id::{ClassId, LoadId, OperationId, PoolId};
use aurelius_sim::model::observer::{CallEnd, ClientCall, Observer, OperationEnd, Sample};
use aurelius_sim::model::record::Record;
use aurelius_sim::scenario::{DisruptionSpec, DisruptionTarget, Scenario};
use aurelius_sim::sim::{Outcome, RunOptions, StationOutcome, simulate};
use aurelius_sim::trace::{History, Keep, NodeLife};
use aurelius_sim::units::{SimDuration, SimTime};

/// A run that is over, and what was seen of it.
pub(crate) struct Seen {
    pub(crate) scenario: Scenario,
    pub(crate) outcome: Outcome,
    pub(crate) history: History,
    pub(crate) measured: Measurements,
    pub(crate) little: Vec<LittleLaw>,
    counts: Counts,
}

/// What a witness counts.
#[derive(Debug, Default)]
struct Counts {
    ends: [u64; CallEnd::ALL.len()],
    iterations_ended: u64,
    iterations_dropped: u64,
}

struct Witness<'a> {
    scenario: &'a Scenario,
    /// Whether every sample must find the autoscaled workloads within their bounds: false where
    /// somebody else writes their size.
    bounded: bool,
    history: History,
    measured: Measurements,
    counts: Counts,
}

/// Runs a scenario under the eyes of a witness, with the cluster's invariants checked after every
/// event of the control plane.
pub(crate) fn witness(scenario: Scenario, bounded: bool) -> Seen {
    let (history, measured) =
        (History::new(&scenario, Keep::Everything), Measurements::new(&scenario));
    let counts = Counts::default();
    let mut witness = Witness { scenario: &scenario, bounded, history, measured, counts };
    let options = RunOptions { seed: scenario.seed, replication: 0, check_invariants: true };
    let outcome = simulate(&scenario, options, &mut witness);
    let Witness { history, mut measured, counts, .. } = witness;
    measured.finish(SimTime::ZERO + scenario.total_time());
    let held =
        |station: &StationOutcome| Held { area_s: station.inside_area_s, inside: station.inside };
    let little = little::of_run(&scenario, outcome.stations.iter().map(held), &measured);
    Seen { scenario, outcome, history, measured, little, counts }
}

impl Seen {
    /// Nobody is made and nobody is lost: what began has ended in one way, or is still inside; and
    /// what the run counts is what it told.
    pub(crate) fn assert_conserved(&self) {
        let name = &self.scenario.name;
        let Seen { outcome, counts, .. } = self;
        let calls = outcome.calls;
        assert_eq!(counts.ends, calls.ends, "{name}: ends of calls");
        assert_eq!(calls.begun, calls.ended() + outcome.calls_inside, "{name}: calls");
        // A client waits for one call at a time.
        assert!(outcome.calls_inside <= outcome.iterations_inside, "{name}: {outcome:?}");
        assert_eq!(
            outcome.iterations_started,
            outcome.iterations_ended + outcome.iterations_interrupted + outcome.iterations_inside,
            "{name}: iterations"
        );
        assert_eq!(counts.iterations_ended, outcome.iterations_ended, "{name}: iterations ended");
        assert_eq!(counts.iterations_dropped, outcome.iterations_dropped, "{name}: dropped");
    }

    /// Little's law at every station, exactly: the area under the number inside is the sum of the
    /// sojourns that ended, and what is still inside adds at most the whole time each.
    pub(crate) fn assert_little(&self) {
        let total_s = self.scenario.total_time().as_secs_f64();
        for (law, station) in self.little.iter().zip(&self.outcome.stations) {
            let ended = self.measured.station(law.station);
            let sojourns_s = ended.whole_run_sojourn_ns as f64 / 1e9;
            let left_s = station.inside_area_s - sojourns_s;
            let margin_s = 1e-6 * (1.0 + station.inside_area_s);
            let most_s = f64::from(station.inside) * total_s;
            let holds = left_s >= -margin_s && left_s <= most_s + margin_s;
            assert!(holds, "{}: {left_s} s of at most {most_s} s, {law:?}", self.scenario.name);
        }
    }
}

impl Witness<'_> {
    /// A group never has more instances than its maximum, those that are being given back aside.
    fn pool_grew(&self, pool: PoolId) {
        let of_pool = self.history.nodes().filter(|node| node.pool == pool);
        // The object of a machine that the cloud took back outlives it for a while.
        let is_instance = |node: &&NodeLife| {
            node.removing.is_none() && node.gone.is_none() && node.reclaimed.is_none()
        };
        let alive = of_pool.filter(is_instance).count();
        let spec = &self.scenario.pools[pool.index()];
        if spec.node_pool.is_some() {
            // Karpenter's machines are no group's.
            return;
        }
        // The surge of an upgrade comes on top, and stays when it fails.
        let surge = |disruption: &DisruptionSpec| match &disruption.target {
            DisruptionTarget::UpgradePool { pool: of, spec, .. } if *of == pool => spec.surge,
            _ => 0,
        };
        let surge = self.scenario.disruptions.iter().map(surge).sum::<u32>();
        let max = usize::try_from(spec.max.max(spec.initial) + surge).expect("it is small");
        assert!(alive <= max, "{} has {alive} nodes, max {max}", spec.name);
    }
}

impl Observer for Witness<'_> {
    fn record(&mut self, at: SimTime, record: Record) {
        self.measured.note(at, &record);
        let requested =
            if let Record::NodeRequested { pool, .. } = &record { Some(*pool) } else { None };
        if let Record::HpaSynced(id, sync) = &record
            && sync.rescaled
        {
            let spec = self.scenario.hpas[id.index()].spec.clone().with_defaults();
            let bounds = spec.min_replicas.unwrap_or(1)..=spec.max_replicas;
            assert!(bounds.contains(&sync.desired), "{} wants {}", id, sync.desired);
        }
        self.history.record(at, record);
        if let Some(pool) = requested {
            self.pool_grew(pool);
        }
    }

    fn call_ended(&mut self, at: SimTime, call: &ClientCall) {
        self.counts.ends[call.end.number()] += 1;
        self.measured.call_ended(at, call);
    }

    fn operation_ended(&mut self, at: SimTime, operation: OperationId, ended: &OperationEnd) {
        self.measured.operation_ended(at, operation, ended);
    }

    fn iteration_ended(&mut self, at: SimTime, load: LoadId, class: ClassId, took: SimDuration) {
        self.counts.iterations_ended += 1;
        self.measured.iteration_ended(at, load, class, took);
    }

    fn iteration_dropped(&mut self, at: SimTime, load: LoadId) {
        self.counts.iterations_dropped += 1;
        self.measured.iteration_dropped(at, load);
    }

    fn sample(&mut self, at: SimTime, sample: &Sample) {
        for hpa in self.scenario.hpas.iter().filter(|_| self.bounded) {
            let spec = hpa.spec.clone().with_defaults();
            let bounds = spec.min_replicas.unwrap_or(1)..=spec.max_replicas;
            let found = sample.workloads[hpa.target.index()].desired;
            assert!(bounds.contains(&found), "{} has {found} replicas at {at}", hpa.meta.name);
        }
        for (pool, spec) in sample.pools.iter().zip(&self.scenario.pools) {
            let cpu = pool.cpu_requested_cores <= pool.cpu_allocatable_cores + 1e-6;
            let memory = pool.memory_requested_bytes <= pool.memory_allocatable_bytes + 0.5;
            let gpus = pool.gpus_requested <= pool.gpus_allocatable;
            // Pods stay bound to nodes that are lost, which offer nothing.
            let all_ready = pool.nodes == pool.ready;
            assert!(!all_ready || (cpu && memory && gpus), "{} at {at}: {pool:?}", spec.name);
        }
        self.measured.sample(at, sample);
        self.history.sample(at, sample);
    }

    fn warm_up_ended(&mut self, at: SimTime) {
        self.measured.warm_up_ended(at);
        self.history.warm_up_ended(at);
    }
}
