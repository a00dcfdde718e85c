//! Node pools: where pods run, and whether all of them do.
//!
//! The cluster of these examples has the pools `general` (2 to 4 m7i.2xlarge in three zones, label
//! `tier: front`) and `arm` (at most 1, label `tier: back`).

use super::{Example, Needs};
use crate::input::codes;

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        code: codes::NO_POOL_CAN_RUN,
        needs: Needs::Cluster,
        text: "# pools: general (tier: front), spare (tier: back, tainted)
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {tier: [[web||front]]}
      containers:
        - name: web
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}
",
    },
    Example {
        code: codes::NO_GPU_POOL,
        needs: Needs::Cluster,
        text: "# add to the cluster profile:
#   nodePools:
#     - {name: gpu, instance: g4dn.2xlarge, max: 4, taints: [{key: nvidia.com/gpu, value: \"true\", effect: NoSchedule}]}
apiVersion: apps/v1
kind: Deployment
metadata: {name: ranker}
spec:
  selector: {matchLabels: {app: ranker}}
  template:
    metadata: {labels: {app: ranker}}
    spec:
      tolerations: [{key: nvidia.com/gpu, operator: Exists}]
      containers:
        - name: ranker
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi[[, nvidia.com/gpu: 1||]]}}
",
    },
    Example {
        code: codes::TOO_FEW_DOMAINS,
        needs: Needs::Cluster,
        text: "# three zones
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: [[4||3]]
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - topologyKey: topology.kubernetes.io/zone
              labelSelector: {matchLabels: {app: web}}
      containers:
        - name: web
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}
",
    },
    Example {
        code: codes::CAPACITY_MINIMUM,
        needs: Needs::Cluster,
        text: "# the pool grows to 4 nodes of 7.9 cores
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: [[20||12]]
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          resources: {requests: {cpu: 2, memory: 1Gi}, limits: {memory: 1Gi}}
",
    },
    Example {
        code: codes::CAPACITY_MAXIMUM,
        needs: Needs::Cluster,
        text: "# 12 pods of 2 cores fit, of either workload but not of both
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          resources: {requests: {cpu: 2, memory: 1Gi}, limits: {memory: 1Gi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
        - name: api
          resources: {requests: {cpu: 2, memory: 1Gi}, limits: {memory: 1Gi}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 2, maxReplicas: [[8||6]]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: api}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}, minReplicas: 2, maxReplicas: [[8||6]]}
",
    },
    Example {
        code: codes::LIMIT_ABOVE_NODE,
        needs: Needs::Cluster,
        text: "# a node hands out 28.6 Gi
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          resources: {requests: {cpu: 1, memory: 16Gi}, limits: {memory: [[32Gi||24Gi]]}}
",
    },
    Example {
        code: codes::SURGE_WITHOUT_ROOM,
        needs: Needs::Cluster,
        text: "# one pod of 7 cores fills a node, and the pool grows to 4
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: [[0||1]]}}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          resources: {requests: {cpu: 7, memory: 16Gi}, limits: {memory: 16Gi}}
",
    },
    Example {
        code: codes::CONSTRAINT_MEETS_NOBODY,
        needs: Needs::Objects,
        text: "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                topologyKey: kubernetes.io/hostname
                labelSelector: {matchLabels: {app: [[website||web]]}}
      topologySpreadConstraints:
        - topologyKey: topology.kubernetes.io/zone
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          [[||labelSelector: {matchLabels: {app: web}}]]
      containers:
        - name: web
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
",
    },
];
