//! NetworkPolicies, Services and Ingresses.

use super::{Example, Needs};
use crate::input::codes;

const PROFILE: &str = "apiVersion: aurelius.dev/v1
kind: ServiceProfiles
metadata: {name: x}
services:
  web:
    workload: Deployment/web
    cpu: {concurrency: 8}
    operations: {get: {cpu: 8ms, timeout: 5s, calls: [{to: db.read, timeout: 1s}]}}
  db:
    workload: Deployment/db
    cpu: {concurrency: 8}
    operations: {read: {cpu: 1ms, timeout: 1s}}
";

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        code: codes::CALL_BLOCKED,
        needs: Needs::Document(PROFILE),
        text: "# `web` calls `db` on port 5432
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: [[api||web]]}}}]
      ports: [{protocol: TCP, port: 5432}]
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
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
        - name: db
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
          ports: [{containerPort: 5432}]
",
    },
    Example {
        code: codes::BACKEND_BLOCKED,
        needs: Needs::Objects,
        text: "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  rules:
    - host: web.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]
      ports: [{protocol: TCP, port: [[80||8080]]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
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
        code: codes::ADDRESS_BLOCKED,
        needs: Needs::Objects,
        text: "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
    - ports: [{protocol: UDP, port: 53}]
    [[||- to: [{podSelector: {matchLabels: {app: redis}}}] ]]
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
          env: [{name: CACHE, value: \"redis://redis:6379/0\"}]
---
apiVersion: v1
kind: Service
metadata: {name: redis}
spec: {selector: {app: redis}, ports: [{port: 6379}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: redis}
spec:
  selector: {matchLabels: {app: redis}}
  template:
    metadata: {labels: {app: redis}}
    spec:
      containers:
        - name: redis
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
          readinessProbe: {tcpSocket: {port: 6379}}
",
    },
    Example {
        code: codes::DNS_BLOCKED,
        needs: Needs::Objects,
        text: "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
    - ports: [{protocol: TCP, port: 443}]
    [[||- ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}] ]]
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
",
    },
    Example {
        code: codes::BACKEND_MISSING,
        needs: Needs::Objects,
        text: "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
    - host: web.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: [[https||http]]}}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
",
    },
    Example {
        code: codes::SERVICE_SELECTS_NOTHING,
        needs: Needs::Objects,
        text: "apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: [[website||web]]}, ports: [{port: 80}]}
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
          readinessProbe: {httpGet: {path: /, port: 80}}
",
    },
    Example {
        code: codes::PORT_MISSING,
        needs: Needs::Objects,
        text: "apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: [[web||http]]}]}
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
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: http}}
",
    },
    Example {
        code: codes::POLICY_SELECTS_NOTHING,
        needs: Needs::Objects,
        text: "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: [[website||web]]}}
  ingress: [{}]
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
",
    },
    Example {
        code: codes::NO_GOVERNING_SERVICE,
        needs: Needs::Objects,
        text: "apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  [[type: ClusterIP||clusterIP: None]]
  selector: {app: db}
  ports: [{name: sql, port: 5432}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 3
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
        - name: db
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
          ports: [{name: sql, containerPort: 5432}]
          readinessProbe: {tcpSocket: {port: sql}}
",
    },
];
