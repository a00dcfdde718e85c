//! How long a review takes: 1,000 objects, without and with a cluster to place them in.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};

use aurelius_sim::checks::{Selection, review};
use aurelius_sim::input::material::{MaterialInputs, load_material};

/// 250 services: Deployment, Service, HorizontalPodAutoscaler and NetworkPolicy of each.
fn objects() -> String {
    let mut text = String::new();
    for at in 0..250 {
        let next = (at + 1) % 250;
        write!(
            text,
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web-{at}, namespace: shop, labels: {{app: web-{at}, part-of: shop}}}}
spec:
  selector: {{matchLabels: {{app: web-{at}}}}}
  template:
    metadata: {{labels: {{app: web-{at}, part-of: shop}}}}
    spec:
      terminationGracePeriodSeconds: 30
      containers:
        - name: web
          image: shop/web-{at}:1.0
          ports:
            - {{name: http, containerPort: 8080}}
          env:
            - {{name: NEXT_URL, value: \"http://web-{next}:80\"}}
          livenessProbe: {{httpGet: {{path: /live, port: http}}, initialDelaySeconds: 30}}
          readinessProbe: {{httpGet: {{path: /ready, port: http}}, periodSeconds: 5}}
          resources:
            requests: {{cpu: 100m, memory: 128Mi}}
            limits: {{cpu: 200m, memory: 256Mi}}
---
apiVersion: v1
kind: Service
metadata: {{name: web-{at}, namespace: shop, labels: {{part-of: shop}}}}
spec:
  selector: {{app: web-{at}}}
  ports:
    - {{name: http, port: 80, targetPort: http}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: web-{at}, namespace: shop}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web-{at}}}
  minReplicas: 3
  maxReplicas: 10
  metrics:
    - type: Resource
      resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 70}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web-{at}, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: web-{at}}}}}
  policyTypes: [Ingress]
  ingress:
    - from: [{{podSelector: {{matchLabels: {{part-of: shop}}}}}}]
      ports: [{{protocol: TCP, port: 8080}}]
---
"
        )
        .expect("writing to memory cannot fail");
    }
    text
}

fn bench(criterion: &mut Criterion) {
    let text = objects();
    let cluster =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/clusters/eks-t4.yaml"));
    let mut group = criterion.benchmark_group("validate 1,000 objects");
    group.sample_size(20);
    for (name, cluster) in [("alone", None), ("with a cluster", Some(cluster))] {
        let inputs = MaterialInputs {
            texts: vec![("objects.yaml".to_owned(), text.clone())],
            cluster,
            ..MaterialInputs::default()
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| review(&load_material(black_box(&inputs)), &Selection::default()));
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
