//! The checks that usually follow a deployment, answered before it as far as that can be.

use crate::input::codes::{self, Code};
use crate::input::diagnostic::{Diagnostic, Severity};
use crate::input::material::{ConfigKind, Material};

/// One category of checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Its name.
    pub name: &'static str,
    /// What can be said.
    pub answer: Answer,
    /// Why.
    pub because: String,
}

/// What can be said before the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It will hold, as far as the documents say.
    Holds,
    /// It will fail.
    Fails,
    /// The documents do not say.
    Unknown,
}

impl Answer {
    /// The words of the table.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Unknown => "cannot be known before deployment",
        }
    }
}

/// What decides a category.
struct Rule {
    name: &'static str,
    /// Findings of these codes make it fail; a warning is enough.
    fails: &'static [Code],
    /// What it comes to without such a finding.
    otherwise: fn(&Material) -> (Answer, String),
}

const UNSCHEDULABLE: [Code; 4] =
    [codes::NO_POOL_CAN_RUN, codes::NO_GPU_POOL, codes::CAPACITY_MINIMUM, codes::TOO_FEW_DOMAINS];

const RULES: &[Rule] = &[
    Rule { name: "Helm release status", fails: &[], otherwise: release },
    Rule {
        name: "namespace",
        fails: &[],
        otherwise: |_| (Answer::Unknown, "whether it exists is the cluster's to say".to_owned()),
    },
    Rule {
        name: "pod readiness",
        fails: &[
            codes::NO_POOL_CAN_RUN,
            codes::NO_GPU_POOL,
            codes::CAPACITY_MINIMUM,
            codes::TOO_FEW_DOMAINS,
            codes::SHARED_READ_WRITE_ONCE,
            codes::ACCESS_MODE,
            codes::VOLUME_TYPE,
            codes::LIVENESS_KILLS_START,
            codes::DEVICE_REQUEST_NOT_LIMIT,
        ],
        otherwise: |material| match &material.cluster {
            Some(cluster) => (
                Answer::Unknown,
                format!(
                    "every pod finds a node of {}; that it starts is its own affair",
                    cluster.name
                ),
            ),
            None => (
                Answer::Unknown,
                "no cluster is given, and that a process starts is its own affair".to_owned(),
            ),
        },
    },
    Rule {
        name: "service accessibility",
        fails: &[codes::SERVICE_SELECTS_NOTHING, codes::PORT_MISSING, codes::CALL_BLOCKED],
        otherwise: |material| {
            holds(
                material.objects.services.len(),
                "Service selects pods and names their ports",
                "there is no Service",
            )
        },
    },
    Rule {
        name: "ingress",
        fails: &[codes::BACKEND_MISSING, codes::BACKEND_BLOCKED],
        otherwise: |material| {
            holds(
                material.extras.ingresses.len(),
                "Ingress leads to a Service that the policies let it reach",
                "there is no Ingress",
            )
        },
    },
    Rule {
        name: "PVC binding",
        fails: &[
            codes::ACCESS_MODE,
            codes::VOLUME_TYPE,
            codes::VOLUME_IOPS,
            codes::VOLUME_SIZE,
            codes::UNKNOWN_STORAGE_CLASS,
            codes::ATTACH_LIMIT,
        ],
        otherwise: |_| (Answer::Holds, "every claim asks for what its class can make".to_owned()),
    },
    Rule {
        name: "ConfigMaps",
        fails: &[],
        otherwise: |material| configs(material, ConfigKind::ConfigMap),
    },
    Rule {
        name: "Secrets",
        fails: &[codes::PLACEHOLDER_SECRET],
        otherwise: |material| configs(material, ConfigKind::Secret),
    },
    Rule {
        name: "endpoint health",
        fails: &[codes::LIVENESS_KILLS_START],
        otherwise: |_| (Answer::Unknown, "only a running process answers its probes".to_owned()),
    },
    Rule { name: "database connectivity", fails: &[], otherwise: |_| unknown_connection() },
    Rule { name: "Redis connectivity", fails: &[], otherwise: |_| unknown_connection() },
    Rule {
        name: "HPA configuration",
        fails: &[
            codes::HPA_MAX_BELOW_MIN,
            codes::HPA_INVALID_METRIC,
            codes::HPA_INVALID_BEHAVIOR,
            codes::HPA_WITHOUT_REQUEST,
            codes::HPA_UNKNOWN_TARGET,
            codes::HPA_CONFLICT,
            codes::HPA_NEVER_MOVES,
            codes::HPA_NOT_SCALABLE,
            codes::HPA_MEMORY_NEVER_FALLS,
            codes::HPA_MAX_UNREACHABLE,
        ],
        otherwise: |material| {
            holds(
                material.objects.autoscalers.len(),
                "HorizontalPodAutoscaler can compute its metrics and move",
                "there is no HorizontalPodAutoscaler",
            )
        },
    },
    Rule {
        name: "resource limits",
        fails: &[
            codes::REQUEST_ABOVE_LIMIT,
            codes::MISSING_REQUEST,
            codes::MISSING_MEMORY_LIMIT,
            codes::DEVICE_REQUEST_NOT_LIMIT,
            codes::ZERO_RESOURCE,
            codes::MEMORY_IN_MILLI,
            codes::MEMORY_WITHOUT_SUFFIX,
        ],
        otherwise: |material| {
            holds(
                material.objects.workloads.len(),
                "workload states requests and limits that fit each other",
                "there is no workload",
            )
        },
    },
    Rule {
        name: "network policies",
        fails: &[
            codes::CALL_BLOCKED,
            codes::BACKEND_BLOCKED,
            codes::SCRAPE_BLOCKED,
            codes::ADDRESS_BLOCKED,
            codes::DNS_BLOCKED,
            codes::POLICY_SELECTS_NOTHING,
        ],
        otherwise: |material| {
            holds(
                material.extras.policies.len(),
                "NetworkPolicy lets the known calls through",
                "there is no NetworkPolicy",
            )
        },
    },
    Rule {
        name: "GPU availability",
        fails: &[codes::NO_GPU_POOL, codes::REQUIREMENT_GPUS],
        otherwise: gpus,
    },
];

/// Every category with its answer.
#[must_use]
pub(super) fn table(material: &Material, found: &[Diagnostic]) -> Vec<Category> {
    let worst = |rule: &Rule| {
        let of_rule = |diagnostic: &&Diagnostic| {
            rule.fails.contains(&diagnostic.code()) && diagnostic.severity() <= Severity::Warning
        };
        found.iter().filter(of_rule).min_by_key(|diagnostic| diagnostic.severity())
    };
    let say = |rule: &Rule| {
        let connection = match rule.name {
            "database connectivity" => blocked(found, &["5432", "3306", "27017", "1433", "9042"]),
            "Redis connectivity" => blocked(found, &["6379"]),
            "GPU availability" => unplaced_gpus(material, found),
            "ConfigMaps" => missing(found, "ConfigMap"),
            _ => None,
        };
        let failure = connection.or_else(|| worst(rule));
        let (answer, because) = match failure {
            Some(finding) => (Answer::Fails, format!("{} {}", finding.code(), finding.message())),
            None => (rule.otherwise)(material),
        };
        Category { name: rule.name, answer, because }
    };
    let refused = |diagnostic: &&Diagnostic| {
        diagnostic.severity() == Severity::Error && diagnostic.code().number() < 100
    };
    let mut rows: Vec<Category> = RULES.iter().map(say).collect();
    if let Some(first) = found.iter().find(refused) {
        rows[0].answer = Answer::Fails;
        rows[0].because = format!("{} {}", first.code(), first.message());
    }
    rows
}

/// The first finding that names one of these ports as blocked.
fn blocked<'f>(found: &'f [Diagnostic], ports: &[&str]) -> Option<&'f Diagnostic> {
    let of_network = [codes::CALL_BLOCKED, codes::ADDRESS_BLOCKED];
    let names = |text: &String| ports.iter().any(|port| text.contains(&format!(":{port}")));
    found.iter().find(|diagnostic| {
        of_network.contains(&diagnostic.code()) && diagnostic.notes().iter().any(names)
    })
}

fn missing<'f>(found: &'f [Diagnostic], kind: &str) -> Option<&'f Diagnostic> {
    found.iter().find(|diagnostic| {
        diagnostic.code() == codes::MISSING_REFERENCE && diagnostic.message().contains(kind)
    })
}

/// A finding that pods with devices do not all fit.
fn unplaced_gpus<'f>(material: &Material, found: &'f [Diagnostic]) -> Option<&'f Diagnostic> {
    let asks = |object: &str| {
        material.objects.workloads.iter().any(|workload| {
            workload.to_string() == object && workload.template.spec.requests().has_extended()
        })
    };
    found.iter().find(|diagnostic| {
        UNSCHEDULABLE.contains(&diagnostic.code())
            && (asks(diagnostic.object()) || diagnostic.message().split([' ', ':']).any(asks))
    })
}

fn release(_material: &Material) -> (Answer, String) {
    (
        Answer::Unknown,
        "nothing here is refused by the API server; the rest is seen in the cluster".to_owned(),
    )
}

fn unknown_connection() -> (Answer, String) {
    (
        Answer::Unknown,
        "no policy is in the way of the calls that are known; credentials are seen in the cluster"
            .to_owned(),
    )
}

fn holds(count: usize, words: &str, none: &str) -> (Answer, String) {
    if count == 0 {
        return (Answer::Unknown, none.to_owned());
    }
    (Answer::Holds, format!("every {words} ({count})"))
}

fn configs(material: &Material, kind: ConfigKind) -> (Answer, String) {
    let configs = || material.extras.configs.iter().filter(|config| config.kind == kind);
    let outside = configs().filter(|config| !config.object.starts_with(kind.name())).count();
    if outside > 0 {
        return (Answer::Unknown, "an operator makes them from a store outside".to_owned());
    }
    holds(
        configs().count(),
        &format!("{} that is here is complete", kind.name()),
        "none is written here",
    )
}

fn gpus(material: &Material) -> (Answer, String) {
    let asks = material.objects.workloads.iter().any(|w| w.template.spec.requests().has_extended());
    match (&material.cluster, asks) {
        (_, false) => (Answer::Holds, "no pod asks for one".to_owned()),
        (Some(cluster), true) => (
            Answer::Holds,
            format!("the pods that ask for one fit the pools of {} at the minimum", cluster.name),
        ),
        (None, true) => (Answer::Unknown, "no cluster is given".to_owned()),
    }
}
