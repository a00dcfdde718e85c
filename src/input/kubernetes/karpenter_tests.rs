//! What NodePools and EC2NodeClasses may say, and what is said about wrong ones.

use super::*;
use crate::cluster::api::meta::IntOrPercent;
use crate::control::karpenter::pool::{ConsolidationPolicy, DisruptionReason};
use crate::input::diagnostic::{Diagnostics, Severity};
use crate::input::source::Sources;
use crate::input::yaml::{Dialect, parse};
use crate::units::{Bytes, MilliCpu, SimDuration};

fn read(text: &str) -> (Objects, Vec<(Severity, String)>) {
    let mut sources = Sources::new();
    let diagnostics = Diagnostics::new();
    let file = sources.add("a.yaml", text);
    let mut objects = Objects::default();
    for document in parse(&sources, file, Dialect::Yaml11, &diagnostics) {
        objects.read(Context { sources: &sources, diagnostics: &diagnostics }, &document);
    }
    let said = diagnostics.sorted();
    (objects, said.iter().map(|one| (one.severity(), one.message().to_owned())).collect())
}

/// A NodePool with more in its spec, and these requirements.
fn pool(more: &str, requirements: &str) -> String {
    format!(
        "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: p}}\nspec:\n  {more}\n  template:\n    \
         spec:\n      requirements: {requirements}\n      nodeClassRef: {{group: karpenter.k8s.aws, kind: \
         EC2NodeClass, name: c}}\n"
    )
}

#[test]
fn a_pool_that_says_little_gets_the_defaults_of_the_api() {
    let (objects, said) = read(&pool("limits: {}", "[]"));
    assert_eq!(said, []);
    let pool = &objects.node_pools[0];
    assert_eq!(pool.weight, 0);
    assert_eq!(pool.policy, ConsolidationPolicy::WhenEmptyOrUnderutilized);
    assert_eq!(pool.consolidate_after, Some(SimDuration::ZERO));
    assert_eq!(pool.expire_after, Some(SimDuration::from_secs(720 * 3600)));
    assert_eq!(pool.termination_grace, None);
    assert!(pool.budgets.is_none());
}

#[test]
fn everything_that_decides_is_read() {
    let text = pool(
        "weight: 7\n  limits: {cpu: 10, memory: 1Gi, nodes: 3, nvidia.com/gpu: 2}\n  disruption:\n    \
         consolidationPolicy: WhenEmpty\n    consolidateAfter: Never\n    budgets: [{nodes: 20%, reasons: \
         [Empty, Drifted]}, {nodes: \"0\", schedule: '0 9 * * mon-fri', duration: 8h}]",
        "[{key: a, operator: Gt, values: ['4']}, {key: a, operator: Lt, values: ['9']}, {key: b, operator: \
         In, values: [u, v], minValues: 2}]",
    );
    let (objects, said) = read(&text);
    assert_eq!(said, []);
    let pool = &objects.node_pools[0];
    assert_eq!((pool.weight, pool.consolidate_after), (7, None));
    assert_eq!(pool.limits.cpu, Some(MilliCpu(10_000)));
    assert_eq!(pool.limits.memory, Some(Bytes(1 << 30)));
    let extended: Vec<(&str, i64)> =
        pool.limits.extended.iter().map(|(name, amount)| (&**name, *amount)).collect();
    assert_eq!(extended, [("nodes", 3), ("nvidia.com/gpu", 2)]);
    let budgets = pool.budgets.as_ref().expect("they are written");
    assert_eq!(budgets[0].nodes, IntOrPercent::Percent(20));
    let reasons = vec![DisruptionReason::Empty, DisruptionReason::Drifted];
    assert_eq!(budgets[0].reasons, Some(reasons));
    assert_eq!(budgets[1].nodes, IntOrPercent::Int(0));
    let hours = budgets[1].schedule.as_ref().map(|(_, duration)| *duration);
    assert_eq!(hours, Some(SimDuration::from_secs(8 * 3600)));
    let a = pool.requirements.get("a").expect("it is asked for");
    assert!(a.has("5") && a.has("8") && !a.has("4") && !a.has("9"), "both bounds hold: {a}");
    assert_eq!(pool.requirements.get("b").and_then(|b| b.min_values), Some(2));
}

#[test]
fn what_the_api_server_refuses_is_refused() {
    let fine = "[]";
    let rows = [
        ("weight: 101", fine, "weight"),
        ("weight: 0", fine, "weight"),
        ("replicas: 3", fine, "static"),
        ("disruption: {budgets: [{nodes: 101%}]}", fine, "0% to 100%"),
        ("disruption: {budgets: [{nodes: \"-1\"}]}", fine, "whole number"),
        ("disruption: {budgets: [{nodes: \"1\", schedule: '@daily'}]}", fine, "together"),
        ("disruption: {budgets: [{nodes: \"1\", duration: 1h}]}", fine, "together"),
        (
            "disruption: {budgets: [{nodes: \"1\", schedule: '99 * * * *', duration: 1h}]}",
            fine,
            "no schedule",
        ),
        ("disruption: {consolidationPolicy: WhenUnderutilized}", fine, "WhenUnderutilized"),
        ("disruption: {consolidateAfter: soon}", fine, "consolidateAfter"),
        ("limits: {}", "[{key: a, operator: In, values: []}]", "needs `values`"),
        ("limits: {}", "[{key: a, operator: In, values: [x], minValues: 2}]", "minValues"),
        ("limits: {}", "[{key: a, operator: Exists, values: [x]}]", "no `values`"),
        ("limits: {}", "[{key: a, operator: Gt, values: [x]}]", "whole number"),
        ("limits: {}", "[{key: a, operator: Gt, values: ['-1']}]", "whole number"),
        ("limits: {}", "[{key: a, operator: Gt, values: ['1', '2']}]", "single"),
        ("limits: {}", "[{key: a, operator: Between, values: ['1']}]", "Between"),
        ("limits: {}", "[{key: '', operator: Exists}]", "key"),
        ("limits: {}", "7", "requirements"),
    ];
    for (more, requirements, expected) in rows {
        let (objects, said) = read(&pool(more, requirements));
        let errors: Vec<&String> = said
            .iter()
            .filter(|(severity, _)| *severity == Severity::Error)
            .map(|(_, message)| message)
            .collect();
        assert!(
            errors.iter().any(|message| message.contains(expected)),
            "{more} {requirements}: {said:?}"
        );
        assert!(objects.node_pools.is_empty(), "{more} {requirements}");
    }
    let other = pool("limits: {}", "[]").replace("EC2NodeClass", "AKSNodeClass");
    assert!(read(&other).1.iter().any(|(_, said)| said.contains("only EC2NodeClass")));
}

#[test]
fn the_root_disk_and_the_kubelet_are_read() {
    let text = "apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {name: c}\nspec:\n  \
                amiSelectorTerms: [{alias: al2023@latest}]\n  blockDeviceMappings:\n    - {deviceName: \
                /dev/xvdb, ebs: {volumeSize: 500Gi}}\n    - {deviceName: /dev/xvda, rootVolume: true, ebs: \
                {volumeSize: 100Gi, volumeType: gp3}}\n  kubelet: {maxPods: 20, podsPerCore: 5, kubeReserved: \
                {cpu: 200m}, systemReserved: {memory: 100Mi}, evictionHard: {memory.available: 5%, \
                nodefs.available: 1Gi}}\n";
    let (objects, said) = read(text);
    assert_eq!(said, []);
    let class = &objects.node_classes[0];
    assert_eq!(class.disk, Some(Bytes(100 << 30)), "the root volume's, not the first one's");
    assert_eq!((class.max_pods, class.pods_per_core), (Some(20), Some(5)));
    assert_eq!(class.kube_reserved.cpu, Some(MilliCpu(200)));
    assert_eq!(class.system_reserved.memory, Some(Bytes(100 << 20)));
    assert!(class.eviction.0.is_some() && class.eviction.1.is_some());
}
