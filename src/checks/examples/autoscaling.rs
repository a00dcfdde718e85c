//! HorizontalPodAutoscalers.

use super::{Example, Needs};
use crate::input::codes;

const PROFILE: &str = "apiVersion: aurelius.dev/v1
kind: ServiceProfiles
metadata: {name: x}
services:
  web:
    workload: Deployment/web
    cpu: {concurrency: 8}
    idle: {memory: 900Mi}
    operations: {get: {cpu: 8ms, timeout: 5s}}
";

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        code: codes::HPA_WITHOUT_REQUEST,
        needs: Needs::Objects,
        text: "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}
        - name: proxy
          resources: {requests: {[[memory: 64Mi||cpu: 50m, memory: 64Mi]]}, limits: {memory: 64Mi}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 3
  maxReplicas: 10
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
",
    },
    Example {
        code: codes::HPA_AND_REPLICAS,
        needs: Needs::Objects,
        text: "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  [[replicas: 3||# no replicas: the autoscaler keeps the size]]
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 3
  maxReplicas: 10
",
    },
    Example {
        code: codes::HPA_NEVER_MOVES,
        needs: Needs::Objects,
        text: "# with limit = request usage ends at 100 %, and 95 % is within the tolerance of 10 %
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
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: 500m, memory: 1Gi}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 3
  maxReplicas: 10
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: [[95||70]]}}}]
",
    },
    Example {
        code: codes::HPA_MEMORY_NEVER_FALLS,
        needs: Needs::Document(PROFILE),
        text: "# an idle pod of `web` holds 900 Mi
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
          resources: {requests: {cpu: 500m, memory: [[1Gi||2Gi]]}, limits: {memory: 4Gi}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 3
  maxReplicas: 10
  metrics: [{type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 80}}}]
",
    },
    Example {
        code: codes::HPA_BLIND_TO_GPU,
        needs: Needs::Objects,
        text: "apiVersion: apps/v1
kind: Deployment
metadata: {name: ranker}
spec:
  selector: {matchLabels: {app: ranker}}
  template:
    metadata: {labels: {app: ranker}}
    spec:
      containers:
        - name: ranker
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi, nvidia.com/gpu: 1}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: ranker}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: ranker}
  minReplicas: 3
  maxReplicas: 10
  metrics:
    - [[{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}||{type: Pods, pods: {metric: {name: queue_length}, target: {type: AverageValue, averageValue: 4}}}]]
",
    },
    Example {
        code: codes::HPA_NOT_SCALABLE,
        needs: Needs::Objects,
        text: "apiVersion: apps/v1
kind: [[DaemonSet||Deployment]]
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: [[DaemonSet||Deployment]], name: web}
  minReplicas: 3
  maxReplicas: 10
",
    },
    Example {
        code: codes::HPA_MEMORY_TARGET,
        needs: Needs::Objects,
        text: "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 2Gi}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 3
  maxReplicas: 10
  metrics: [{type: Resource, resource: {name: [[memory||cpu]], target: {type: Utilization, averageUtilization: 80}}}]
",
    },
    Example {
        code: codes::HPA_MAX_UNREACHABLE,
        needs: Needs::Cluster,
        text: "# the pool grows to 4 nodes of 7.9 cores
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
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 3
  maxReplicas: [[30||10]]
",
    },
];
