//! Monitors and alerts.

use super::{Example, Needs};
use crate::input::codes;

/// Only where there are Jobs are there finished pods.
const JOB: &str = "apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: migrate}]}}}
";

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        code: codes::SCRAPE_BLOCKED,
        needs: Needs::Objects,
        text: "apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  endpoints: [{port: http}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - ports: [{protocol: TCP, port: [[443||8080]]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
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
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: 8080}}
",
    },
    Example {
        code: codes::MONITOR_SELECTS_NOTHING,
        needs: Needs::Objects,
        text: "apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  endpoints: [{port: [[metrics||http]]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
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
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
          readinessProbe: {httpGet: {path: /, port: 8080}}
",
    },
    Example {
        code: codes::NOT_SCRAPED,
        needs: Needs::Objects,
        text: "apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: shop}
spec:
  selector: {matchLabels: {part-of: shop}}
  endpoints: [{port: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker, part-of: shop}}
    spec:
      containers:
        - name: worker
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: 8080}}
[[||---
apiVersion: v1
kind: Service
metadata: {name: worker, labels: {part-of: shop}}
spec: {selector: {app: worker}, ports: [{name: http, port: 8080}]}
]]",
    },
    Example {
        code: codes::NO_OPERATOR,
        needs: Needs::Objects,
        text: "apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: web}
spec: {groups: []}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: prometheus}
spec:
  serviceName: prometheus
  selector: {matchLabels: {app: prometheus}}
  template:
    metadata: {labels: {app: prometheus}}
    spec:
      containers:
        - name: prometheus
          image: prom/prometheus:v3.1.0
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
[[||---
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: web}
spec: {}
]]",
    },
    Example {
        code: codes::EXPRESSION_INVALID,
        needs: Needs::Objects,
        text: "groups:
  - name: web
    rules:
      - alert: Errors
        expr: sum(rate(nginx_ingress_controller_requests{status=~\"5..\"}[5m])[[||)]] > 1
",
    },
    Example {
        code: codes::ALERT_NEVER_FIRES,
        needs: Needs::Objects,
        text: "groups:
  - name: web
    rules:
      - alert: NotReady
        expr: kube_pod_status_ready{[[state||condition]]=\"false\"} > 0
",
    },
    Example {
        code: codes::ALERT_ALWAYS_FIRES,
        needs: Needs::Objects,
        text: "groups:
  - name: web
    rules:
      - alert: Errors
        expr: |
          [[rate(nginx_ingress_controller_requests{status=~\"5..\"}[5m])||sum(rate(nginx_ingress_controller_requests{status=~\"5..\"}[5m]))]]
            / [[rate(nginx_ingress_controller_requests[5m])||sum(rate(nginx_ingress_controller_requests[5m]))]] > 0.05
",
    },
    Example {
        code: codes::ALERT_COUNTS_FINISHED,
        needs: Needs::Document(JOB),
        text: "groups:
  - name: web
    rules:
      - alert: NotReady
        expr: kube_pod_status_ready{condition=\"true\"} == 0[[|| unless on (namespace, pod) kube_pod_status_phase{phase=\"Succeeded\"} == 1]]
",
    },
    Example {
        code: codes::METRIC_UNKNOWN,
        needs: Needs::Objects,
        text: "groups:
  - name: web
    rules:
      - alert: Errors
        expr: sum(rate([[shop_errors_total||nginx_ingress_controller_requests]][5m])) > 1
",
    },
    Example {
        code: codes::ALERT_TAKES_IDLE_FOR_BROKEN,
        needs: Needs::Objects,
        text: "groups:
  - name: gpu
    rules:
      - alert: GpuGone
        expr: [[DCGM_FI_DEV_GPU_UTIL == 0||absent(DCGM_FI_DEV_GPU_UTIL)]]
",
    },
];
