//! Requests, limits and probes.

use super::{Example, Needs};
use crate::input::codes;

const PROFILE: &str = "apiVersion: aurelius.dev/v1
kind: ServiceProfiles
metadata: {name: x}
services:
  web:
    workload: Deployment/web
    cpu: {concurrency: 8}
    start: 40s
    operations:
      get: {cpu: 8s, timeout: 60s}
";

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        code: codes::CPU_SUSPICIOUS,
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
          resources:
            requests: {cpu: [[1500||1500m]], memory: 1Gi}
            limits: {memory: 1Gi}
",
    },
    Example {
        code: codes::MEMORY_WITHOUT_SUFFIX,
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
          resources:
            requests: {cpu: 500m, memory: [[512||512Mi]]}
            limits: {memory: 1Gi}
",
    },
    Example {
        code: codes::MISSING_REQUEST,
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
          resources:
            requests: {[[memory: 1Gi||cpu: 500m, memory: 1Gi]]}
            limits: {memory: 1Gi}
",
    },
    Example {
        code: codes::ZERO_RESOURCE,
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
          resources:
            requests: {cpu: [[0||500m]], memory: 1Gi}
            limits: {memory: 1Gi}
",
    },
    Example {
        code: codes::MISSING_MEMORY_LIMIT,
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
          resources:
            requests: {cpu: 500m, memory: 1Gi}
            limits: {[[cpu: 1||cpu: 1, memory: 1Gi]]}
",
    },
    Example {
        code: codes::DEVICE_REQUEST_NOT_LIMIT,
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
          resources:
            requests: {cpu: 500m, memory: 1Gi, nvidia.com/gpu: 1}
            limits: {memory: 1Gi[[||, nvidia.com/gpu: 1]]}
",
    },
    Example {
        code: codes::NO_READINESS,
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
          ports: [{containerPort: 8080}]
          [[livenessProbe: {httpGet: {path: /live, port: 8080}}||readinessProbe: {httpGet: {path: /ready, port: 8080}}]]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
",
    },
    Example {
        code: codes::LIVENESS_KILLS_START,
        needs: Needs::Document(PROFILE),
        text: "# `web` needs 40 s to start
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 90
      containers:
        - name: web
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}
          livenessProbe: {httpGet: {path: /live, port: 8080}, initialDelaySeconds: 5}
          [[||startupProbe: {httpGet: {path: /live, port: 8080}, failureThreshold: 30, periodSeconds: 5}]]
",
    },
    Example {
        code: codes::GRACE_TOO_SHORT,
        needs: Needs::Document(PROFILE),
        text: "# a request to `web` may take 60 s
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: [[30||90]]
      containers:
        - name: web
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}
",
    },
];
