//! Secrets, references and stated requirements.

use super::{Example, Needs};
use crate::input::codes;

const STATED: &str = "apiVersion: aurelius.dev/v1
kind: Requirements
metadata: {name: x}
production:
  components:
    web: {workloads: [Deployment/web], cpu: \"3\", memory: 3Gi, replicas: {min: 3, max: 3}}
";

const TOTAL: &str = "apiVersion: aurelius.dev/v1
kind: Requirements
metadata: {name: x}
production:
  components:
    web: {workloads: [Deployment/web], cpu: \"3\", memory: 3Gi, replicas: {min: 3, max: 3}}
  total: {cpu: \"3\", memory: 3Gi}
";

const GPUS: &str = "apiVersion: aurelius.dev/v1
kind: Requirements
metadata: {name: x}
production:
  gpus: {count: 4}
";

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        code: codes::REQUIREMENT_ROW,
        needs: Needs::Document(STATED),
        text: "# stated for the component at its minimum: 3 cores, 3Gi, 3 replicas
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          resources: {requests: {cpu: [[2||1]], memory: 1Gi}, limits: {memory: 1Gi}}
",
    },
    Example {
        code: codes::REQUIREMENT_TOTAL,
        needs: Needs::Document(TOTAL),
        text: "# stated in total: 3 cores, 3Gi
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
[[---
apiVersion: apps/v1
kind: Deployment
metadata: {name: forgotten}
spec:
  selector: {matchLabels: {app: forgotten}}
  template:
    metadata: {labels: {app: forgotten}}
    spec:
      containers:
        - name: forgotten
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
||]]",
    },
    Example {
        code: codes::REQUIREMENT_GPUS,
        needs: Needs::Document(GPUS),
        text: "# stated: 4 GPUs
apiVersion: apps/v1
kind: Deployment
metadata: {name: ranker}
spec:
  replicas: [[7||4]]
  selector: {matchLabels: {app: ranker}}
  template:
    metadata: {labels: {app: ranker}}
    spec:
      containers:
        - name: ranker
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi, nvidia.com/gpu: 1}}
",
    },
    Example {
        code: codes::PLACEHOLDER_SECRET,
        needs: Needs::Objects,
        text: "apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {PASSWORD: [[CHANGE_ME||k7-Quiet-Harbour]]}
",
    },
    Example {
        code: codes::MISSING_REFERENCE,
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
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
          envFrom: [{configMapRef: {name: [[web-conf||web-config]]}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web-config}
data: {LEVEL: info}
",
    },
];
