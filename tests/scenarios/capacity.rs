//! Machines that come late, are refused, or come from nothing: what the Cluster Autoscaler makes of it.

use super::*;
use aurelius_sim::engine::Dist;
use aurelius_sim::metrics::start_up::StartPhase;
use aurelius_sim::model::record::About;
use aurelius_sim::scenario::MachineFilter;
use aurelius_sim::scenario::capacity::SpotInterruptions;

static SHORTAGE: LazyLock<Seen> = LazyLock::new(|| witness(shipped("capacity-shortage", 40), true));
static ZERO: LazyLock<Seen> = LazyLock::new(|| witness(shipped("scale-from-zero", 20), true));
static OPERATOR: LazyLock<Seen> = LazyLock::new(|| witness(shipped("gpu-operator", 40), true));
static LABEL: LazyLock<Seen> = LazyLock::new(|| witness(shipped("gpu-label", 40), true));

/// Machines of pools whose name begins so, asked for after the start: when, and what became of them.
fn asked_for<'s>(seen: &'s Seen, pool: &'static str) -> Vec<&'s NodeLife> {
    let of_pool = seen.history.nodes().filter(move |node| seen.pool_of(node).starts_with(pool));
    of_pool.filter(|node| node.requested > SimTime::ZERO).collect()
}

#[test]
fn a_pool_is_not_scaled_twice_while_its_drivers_come_unless_the_label_is_missing() {
    // Each pod that waited for a GPU has one machine.
    let waited = |seen: &Seen| {
        let gpu = |pod: &&PodLife| {
            pod.unschedulable.iter().any(|said| said.message.contains("nvidia.com/gpu"))
        };
        seen.history.pods().filter(gpu).count()
    };
    let machines = asked_for(&OPERATOR, "gpu-t4");
    assert!(!machines.is_empty() && machines.len() <= waited(&OPERATOR), "{machines:?}");
    let late = machines.iter().filter_map(|node| Some(node.gpus?.since(node.ready?)));
    assert!(late.max().is_some_and(|late| late > minutes(2)), "drivers are late: {machines:?}");
    // The decision log: the autoscaler grew the pool for different pods each time, and looked at pods
    // that waited beside Ready nodes without GPUs and did nothing.
    let mut helped = std::collections::BTreeSet::new();
    for (at, reason) in OPERATOR.autoscaler() {
        if let Reason::ScaleUp { pod, .. } = reason {
            assert!(helped.insert(*pod), "{pod} made the pool grow twice, again at {at}");
        }
    }
    let twice = asked_for(&LABEL, "gpu-t4");
    assert!(twice.len() > waited(&LABEL), "{} for {}", twice.len(), waited(&LABEL));
    // The surplus is asked for while a Ready node lacks its GPUs.
    let surplus = twice.iter().filter(|node| {
        let waits = |other: &&&NodeLife| {
            other.ready.is_some_and(|ready| ready <= node.requested)
                && other.gpus.is_none_or(|gpus| gpus > node.requested)
        };
        twice.iter().any(|other| waits(&other))
    });
    assert!(surplus.count() > 0);
}

#[test]
fn a_refused_machine_backs_its_group_off_and_the_others_take_over() {
    let refused = asked_for(&SHORTAGE, "gpu-t4-a");
    let failed = |node: &&&NodeLife| node.launch_failures.first().map(|(at, ..)| *at);
    let first = refused.iter().filter(|node| failed(node).is_some()).min_by_key(failed);
    let first = first.expect("the smallest group is asked first");
    let (at, code, message) = &first.launch_failures[0];
    assert_eq!(&**code, "InsufficientInstanceCapacity");
    assert!(message.contains("g4dn.2xlarge") && message.contains("us-east-1a"), "{message}");
    assert!(first.launched.is_none() && first.gone.is_some(), "{first:?}");
    // Given up within a loop or two, and not asked again for five minutes.
    assert!(first.gone.expect("as above").since(*at) < SimDuration::from_secs(25), "{first:?}");
    let again = refused.iter().map(|node| node.requested).find(|asked| asked > at);
    assert!(again.is_none_or(|again| again.since(*at) > minutes(5)), "{again:?}");
    let others: Vec<_> = asked_for(&SHORTAGE, "gpu-t4-b")
        .into_iter()
        .chain(asked_for(&SHORTAGE, "gpu-t4-c"))
        .filter(|node| {
            node.requested > *at && node.requested.since(*at) < SimDuration::from_secs(45)
        })
        .collect();
    assert!(!others.is_empty(), "no other zone was asked");
    assert!(others.iter().all(|node| node.launched.is_some()), "{others:?}");
    let zone = |node: &&NodeLife| node.machine.as_ref().and_then(|machine| machine.zone.clone());
    assert!(others.iter().all(|node| zone(node).is_some_and(|zone| &*zone != "us-east-1a")));
}

#[test]
fn an_empty_pool_is_woken_by_its_pods_one_machine_for_each() {
    let nodes = asked_for(&ZERO, "gpu-t4");
    assert_eq!(nodes.len(), 7, "4 ML pods and 3 of render");
    assert!(nodes.iter().all(|node| node.requested < SimTime::from_secs(40)), "{nodes:?}");
    for name in ["ml-service", "render-service"] {
        assert!(ZERO.pods_of(name).all(|pod| pod.ready.is_some()), "{name} serves");
        let laid_out = ZERO.measured.start_ups(ZERO.workload(name)).expect("its pods waited");
        let median = |phase: StartPhase| {
            let at = StartPhase::ALL.iter().position(|one| *one == phase).expect("it is listed");
            laid_out.phases[at].percentile_ms(50.0).unwrap_or(0.0) / 1000.0
        };
        // Medians of the profile: cloud 20 s, machine 95 s, driver 20 s.
        assert!((10.0..40.0).contains(&median(StartPhase::Launch)));
        assert!((60.0..150.0).contains(&median(StartPhase::Ready)));
        assert!((10.0..40.0).contains(&median(StartPhase::Gpu)));
        let parts: f64 = laid_out.phases.iter().map(|phase| phase.sum_s()).sum();
        assert!((parts - laid_out.total.sum_s()).abs() < 1e-6, "the parts make up the whole");
    }
}

/// Spot machines of one type in one zone share their fate: a wave names all of them at once, the
/// group replaces them, and with no rule nothing happens.
#[test]
fn a_wave_takes_the_spot_machines_of_a_type_in_one_zone() {
    let mut scenario = shipped("spot-reclaim", 40);
    scenario.disruptions.clear();
    let every = Dist::exponential(600.0).expect("the mean is positive");
    let of =
        MachineFilter { instances: vec!["g4dn.*".into()], zones: Vec::new(), spot: Some(true) };
    let notice = minutes(2);
    let rule = SpotInterruptions { of, every, share: 1.0, notice, handler: true };
    scenario.capacity.interruptions.push(rule);
    let seen = witness(scenario, true);
    let mut waves: std::collections::BTreeMap<SimTime, Vec<NodeId>> = Default::default();
    for (at, record) in seen.records() {
        if let Record::Announced { about: About::Node(node), event: "SpotInterruption", .. } =
            record
        {
            waves.entry(at).or_default().push(*node);
        }
    }
    assert!(waves.len() >= 3, "three zones, every ten minutes each: {waves:?}");
    for (at, nodes) in &waves {
        let zone = |node: &NodeId| seen.node(*node).machine.clone().and_then(|kind| kind.zone);
        let first = zone(&nodes[0]);
        assert!(nodes.iter().all(|node| zone(node) == first), "one zone: {nodes:?}");
        // Whoever stood there as a spot machine was named.
        let others = seen.history.nodes().filter(|node| {
            let kind = node.machine.as_ref();
            kind.is_some_and(|kind| kind.spot && kind.zone == first)
                && node.ready.is_some_and(|ready| ready <= *at)
                && node.reclaimed.is_none_or(|gone| gone > *at)
                && node.removing.is_none_or(|gone| gone > *at)
        });
        assert!(others.map(|node| node.id).all(|id| nodes.contains(&id)), "all of them: {nodes:?}");
        for node in nodes.iter().map(|id| seen.node(*id)) {
            let gone = node.reclaimed.or(node.removing).map(|gone| gone.since(*at));
            let ended = seen.at(40) < *at + notice;
            assert!(ended || gone.is_some_and(|after| after <= notice), "{node:?}");
        }
    }
    let replaced = asked_for(&seen, "gpu-t4").len();
    assert!(replaced > 0, "the group asks for others");
}
