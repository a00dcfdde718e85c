//! For each threshold that is not met: the chain of decisions and figures that led to it.

use crate::findings::Case;
use crate::findings::code::{self, Code};
use crate::findings::demand::{cores_per_pod, offered_cores, offered_rate};
use crate::findings::finding::{Finding, Subject};
use crate::findings::text::{cores, millis, rate};
use crate::metrics::ThresholdResult;
use crate::model::id::{HpaId, StationId, WorkloadId};
use crate::units::{Origin, SimDuration, SimTime, counted};

/// Why a threshold is not met.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    /// The threshold, by its place in the scenario.
    pub threshold: usize,
    /// The chain in words, with figures and the lines of the input that hold them.
    pub sentence: String,
    /// Positions of the findings it rests on.
    pub findings: Vec<usize>,
    /// The figures of the input that decided it.
    pub origins: Vec<Origin>,
}

/// Obstacles told of one service at most.
const OBSTACLES_MOST: usize = 3;
/// What happened so long before a violation may have led to it.
const BEFORE: SimDuration = SimDuration::from_secs(600);

/// A cause for each threshold that was crossed, in the scenario's order.
#[must_use]
pub fn causes(case: &Case<'_>, findings: &[Finding]) -> Vec<Cause> {
    let crossed = case.thresholds.iter().filter(|result| !result.is_met(false));
    crossed.map(|result| Search::new(case, findings, result).cause()).collect()
}

/// The search for one cause: findings that touch the time of the violation.
struct Search<'a> {
    case: &'a Case<'a>,
    findings: &'a [Finding],
    result: &'a ThresholdResult,
    from: SimTime,
    until: SimTime,
    used: Vec<usize>,
    parts: Vec<String>,
    origins: Vec<Origin>,
}

impl<'a> Search<'a> {
    fn new(case: &'a Case<'a>, findings: &'a [Finding], result: &'a ThresholdResult) -> Self {
        let own =
            findings.iter().find(|finding| finding.subject == Subject::Threshold(result.threshold));
        let start = case.history.clock().measured_from;
        let from = own.map_or(start, |finding| finding.from);
        let until = own.and_then(|finding| finding.until).unwrap_or(case.end());
        let (used, parts, origins) = (Vec::new(), Vec::new(), Vec::new());
        Self { case, findings, result, from, until, used, parts, origins }
    }

    fn cause(mut self) -> Cause {
        let spec = &self.case.scenario.thresholds[self.result.threshold];
        match spec.metric().name() {
            "pods_pending" | "time_to_scale" => {
                self.pending(None);
            }
            "oom_kills" => {
                self.tell_best(&code::OUT_OF_MEMORY, None);
            }
            "evictions_blocked" => {
                self.tell_best(&code::EVICTION_REFUSED, None);
            }
            "nodes_disrupted" | "pods_disrupted" => {
                let _ = self.tell_best(&code::NODES_DISRUPTED, None)
                    || self.tell_best(&code::NODES_REMOVED, None);
            }
            "cost_per_month" | "cost_per_million_requests" | "nodes" => self.nodes(),
            _ => self.traffic(),
        }
        if self.parts.is_empty() {
            self.slowest();
        }
        let Self { parts, used, mut origins, result, .. } = self;
        let mut seen = Vec::new();
        origins.retain(|origin: &Origin| {
            let new = !seen.contains(origin);
            seen.push(origin.clone());
            new
        });
        let sentence = format!("{}.", parts.join("; "));
        Cause { threshold: result.threshold, sentence, findings: used, origins }
    }

    /// The overlap of a finding with the violation and the time before it.
    fn overlap(&self, finding: &Finding) -> SimDuration {
        let until = finding.until.unwrap_or(self.case.end()).min(self.until);
        let from = finding.from.max(self.from.before(BEFORE));
        until.since(from)
    }

    /// The first finding of a kind (about a subject) among those that overlap most, a half as much
    /// being as good: what came first explains more.
    fn best(&self, code: &Code, subject: Option<Subject>) -> Option<usize> {
        let fits = |finding: &Finding| {
            finding.code.id == code.id
                && subject.is_none_or(|subject| subject == finding.subject)
                && finding.from <= self.until
                && finding.until.is_none_or(|until| until >= self.from.before(BEFORE))
        };
        let mut fitting = (0..self.findings.len()).filter(|at| fits(&self.findings[*at]));
        let overlap = |at: &usize| self.overlap(&self.findings[*at]);
        let most = fitting.clone().map(|at| overlap(&at)).max()?;
        fitting.find(|at| overlap(at) * 2 >= most)
    }

    fn tell(&mut self, position: usize, text: String) {
        self.used.push(position);
        self.origins.extend(self.findings[position].origins.iter().cloned());
        self.parts.push(text);
    }

    /// Tells the best finding of a kind by its own words.
    fn tell_best(&mut self, code: &Code, subject: Option<Subject>) -> bool {
        let Some(position) = self.best(code, subject) else { return false };
        self.tell_own(position);
        true
    }

    /// Tells a finding by its own words, its first figure and the line of the input.
    fn tell_own(&mut self, position: usize) {
        let finding = &self.findings[position];
        let origin = finding.origins.first().map_or_else(String::new, |o| format!(" [{o}]"));
        let at = self.case.history.clock().offset(finding.from);
        // The scheduler's sentence stands in the timeline; here its span is enough.
        let pending = finding.code.id == code::PODS_PENDING.id;
        let span = finding.note.split_once("; ").filter(|_| pending).map(|(span, _)| span);
        let note = match span.unwrap_or(&finding.note) {
            "" => String::new(),
            note => format!(": {note}"),
        };
        let text = format!("{} from {at}{note}{origin}", finding.message);
        self.tell(position, text);
    }

    /// Pods that wait for a node, and why no node came.
    fn pending(&mut self, workload: Option<WorkloadId>) -> bool {
        let subject = workload.map(Subject::Workload);
        let told = self.tell_best(&code::PODS_PENDING, subject);
        if told {
            self.tell_best(&code::NO_SCALE_UP, subject);
        }
        if !told && workload.is_none() {
            return self.tell_best(&code::SCALE_UP_LATENCY, None);
        }
        told
    }

    /// What the pools grew to.
    fn nodes(&mut self) {
        let (scenario, series) = (self.case.scenario, self.case.series);
        for (name, pools) in scenario.node_groups() {
            let counts = (0..series.times.len()).map_while(|at| series.nodes_of(&pools, at));
            let most = counts.clone().max().unwrap_or(0);
            let first = counts.clone().next().unwrap_or(0);
            if most > first {
                let origin = &scenario.pools[pools[0].index()].max_origin;
                self.parts.push(format!("pool {name} grew from {first} to {most} nodes"));
                self.origins.push(origin.clone());
            }
        }
        if self.parts.is_empty() {
            let held: Vec<String> = self
                .case
                .scenario
                .pools
                .iter()
                .map(|pool| format!("{} x {} ({})", pool.initial, pool.name, pool.instance.name))
                .collect();
            self.parts.push(format!("no pool grew: {} are paid all the time", held.join(", ")));
        }
    }

    /// Latency and failures: what happened to the cluster, which service was saturated, and what
    /// kept it from growing.
    fn traffic(&mut self) {
        self.outside();
        let kinds = [&code::CPU_SATURATED, &code::GPU_SATURATED, &code::BACKLOG_GROWS];
        let longest = |search: &Self, kinds: &[&Code]| {
            let found = kinds.iter().filter_map(|code| search.best(code, None));
            found.max_by_key(|at| (search.overlap(&search.findings[*at]), std::cmp::Reverse(*at)))
        };
        // A service at its limit explains more than the work that piles up before it.
        let bottleneck = longest(self, &kinds[..2]).or_else(|| longest(self, &kinds[2..]));
        let Some(bottleneck) = bottleneck else { return };
        let Subject::Station(station) = self.findings[bottleneck].subject else { return };
        // What was seen of it first, if that was something else: a queue before the full machine.
        let subject = self.findings[bottleneck].subject;
        let begins = self.from.before(BEFORE);
        let first = (0..bottleneck).find(|at| {
            let finding = &self.findings[*at];
            finding.subject == subject
                && finding.code.rank == self.findings[bottleneck].code.rank
                && (finding.code != self.findings[bottleneck].code
                    || self.findings[bottleneck].from > self.from)
                && finding.from >= begins
                && finding.from <= self.from.max(self.findings[bottleneck].from)
        });
        let same = |first: &usize| self.findings[*first].code == self.findings[bottleneck].code;
        let second = if first.as_ref().is_some_and(same) { None } else { Some(bottleneck) };
        for position in first.into_iter().chain(second) {
            let finding = &self.findings[position];
            let at = self.case.history.clock().offset(finding.from);
            let text = format!("{} from {at}", finding.message);
            self.tell(position, text);
        }
        let workload = self.case.scenario.services.stations[station.index()].workload;
        if let Some(workload) = workload {
            self.constraint(station, workload);
        }
    }

    /// What the scenario did to the cluster, or nodes that were lost, shortly before.
    fn outside(&mut self) {
        let near = |search: &Self, code: &Code| {
            search.best(code, None).filter(|at| {
                let from = search.findings[*at].from;
                from <= search.from + SimDuration::from_secs(60)
                    && from >= search.from.before(BEFORE)
            })
        };
        for code in [&code::DISRUPTION, &code::NODES_LOST] {
            if let Some(position) = near(self, code) {
                let finding = &self.findings[position];
                let origin =
                    finding.origins.first().map_or_else(String::new, |o| format!(" [{o}]"));
                let at = self.case.history.clock().offset(finding.from);
                let note = if code.id == code::NODES_LOST.id && !finding.note.is_empty() {
                    format!(" ({})", finding.note)
                } else {
                    String::new()
                };
                let text = format!("{} at {at}{note}{origin}", finding.message);
                self.tell(position, text);
            }
        }
    }

    /// What kept the pods of a saturated service from becoming more.
    fn constraint(&mut self, station: StationId, workload: WorkloadId) {
        let hpa = self.case.scenario.hpas.iter().position(|hpa| hpa.target == workload);
        let Some(hpa) = hpa.map(HpaId::at) else {
            if !self.pending(Some(workload)) {
                let spec = &self.case.scenario.workloads[workload.index()];
                let origin = &spec.replicas_origin;
                let (name, replicas) = (&spec.meta.name, self.replicas(workload));
                self.origins.push(origin.clone());
                let pods = counted(replicas, "pod");
                self.parts.push(format!("no HPA scales {name}: {pods} [{origin}]"));
            }
            self.arithmetic(station, workload, None);
            return;
        };
        let subject = Some(Subject::Hpa(hpa));
        if let Some(position) = self.best(&code::HPA_AT_MAXIMUM, subject) {
            self.used.push(position);
            self.origins.extend(self.findings[position].origins.iter().cloned());
            self.arithmetic(station, workload, Some(hpa));
            return;
        }
        self.obstacles(hpa, workload);
        self.arithmetic(station, workload, None);
    }

    /// The first obstacles of an HPA that is not at its maximum, in the order of time; without one,
    /// how long a pod took or what the HPA did.
    fn obstacles(&mut self, hpa: HpaId, workload: WorkloadId) {
        let subject = Some(Subject::Hpa(hpa));
        let kinds = [
            (&code::PODS_PENDING, Some(Subject::Workload(workload))),
            (&code::NO_SCALE_UP, Some(Subject::Workload(workload))),
            (&code::HPA_BLIND, subject),
            (&code::HPA_HELD_BY_WINDOW, subject),
            (&code::HPA_RATE_LIMITED, subject),
            (&code::HPA_METRIC_MISSING, subject),
        ];
        let mut found: Vec<usize> =
            kinds.iter().filter_map(|(code, subject)| self.best(code, *subject)).collect();
        found.sort_unstable();
        for position in found.iter().take(OBSTACLES_MOST) {
            self.tell_own(*position);
        }
        if found.is_empty()
            && !self.tell_best(&code::SCALE_UP_LATENCY, Some(Subject::Workload(workload)))
        {
            self.tell_best(&code::HPA_SCALED, subject);
        }
    }

    fn replicas(&self, workload: WorkloadId) -> i32 {
        self.case.scenario.initial_replicas[workload.index()]
    }

    /// `maxReplicas 20 × limit 500m = 10.0 cores; 1,800 iterations/s ask for 10.8 cores`: when the
    /// offered load asks for more than the pods can give.
    fn arithmetic(&mut self, station: StationId, workload: WorkloadId, at_maximum: Option<HpaId>) {
        let case = self.case;
        let Some(per_pod) = cores_per_pod(case.scenario, station) else { return };
        let (at, asked) = self.worst_demand(station);
        let limit = case.scenario.workloads[workload.index()].template.spec.cpu_limit();
        let limit = match limit {
            Some(limit) if limit.as_cores() <= per_pod => format!("limit {limit}"),
            Some(_) | None => format!("{} cores of the process", cores(per_pod)),
        };
        let (given, origin) = match at_maximum {
            Some(hpa) => {
                let hpa = &case.scenario.hpas[hpa.index()];
                let most = hpa.spec.max_replicas;
                let total = per_pod * f64::from(most);
                let text = format!("maxReplicas {most} × {limit} = {} cores", cores(total));
                ((total, text), format!(" [{}]", hpa.max_origin))
            }
            None => {
                let ready = self.ready_at(workload, at);
                let total = per_pod * f64::from(ready);
                ((total, format!("{ready} pods × {limit} = {} cores", cores(total))), String::new())
            }
        };
        let (total, given) = given;
        if asked <= total && at_maximum.is_none() {
            return;
        }
        if asked > 0.0 {
            let load = rate(offered_rate(case.scenario, at));
            let name = &case.scenario.services.stations[station.index()].name;
            let asked = cores(asked);
            self.parts
                .push(format!("{given}{origin}; {load} iterations/s ask {name} for {asked} cores"));
        } else {
            self.parts.push(format!("{given}{origin}"));
        }
    }

    /// When, during the violation, open loads asked most of a station, and how much (cores).
    fn worst_demand(&self, station: StationId) -> (SimDuration, f64) {
        let start = self.case.history.clock().measured_from;
        let inside = self.case.series.times.iter().filter(|time| {
            start + **time >= self.from.before(BEFORE) && start + **time <= self.until
        });
        let mut worst = (SimDuration::ZERO, 0.0);
        for time in inside {
            let asked = offered_cores(self.case.scenario, *time)[station.index()];
            if asked > worst.1 {
                worst = (*time, asked);
            }
        }
        worst
    }

    fn ready_at(&self, workload: WorkloadId, at: SimDuration) -> u32 {
        let position = self.case.series.times.iter().rposition(|time| *time <= at);
        position.map_or(0, |position| self.case.series.workload(workload)[position].ready)
    }

    /// Nothing was saturated and nothing else happened: where the time goes.
    fn slowest(&mut self) {
        let start = self.case.history.clock().measured_from;
        let inside = |position: usize| {
            let at = start + self.case.series.times[position];
            at >= self.from && at <= self.until
        };
        let mut worst: Option<(f64, usize, StationId)> = None;
        for (station, points) in self.case.series.stations.iter().enumerate() {
            for (position, point) in points.iter().enumerate() {
                let Some(p95) = point.ended.p95_ms.filter(|_| inside(position)) else { continue };
                if worst.is_none_or(|(known, _, _)| p95 > known) {
                    worst = Some((p95, position, StationId::at(station)));
                }
            }
        }
        let text = match worst {
            Some((p95, position, station)) => {
                let name = &self.case.scenario.services.stations[station.index()].name;
                let at = self.case.history.clock().offset(self.case.instant(position));
                format!(
                    "no service was at its limit; the slowest is {name}, p(95) {} at {at}",
                    millis(p95)
                )
            }
            None => "no service was at its limit, and no decision explains it".to_owned(),
        };
        self.parts.push(text);
    }
}
