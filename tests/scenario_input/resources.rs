//! Disks, links, the network, caches, open connections and models of a GPU: read, and refused.

use super::*;
use aurelius_sim::service::spec::Routing;

const SERVICES: &str = "apiVersion: aurelius.dev/v1
kind: ServiceProfiles
metadata: {name: small}
network: {sameNode: 0.1ms, sameZone: 0.5ms, crossZone: 1ms, clients: {lognormal: {mean: 20ms, cv: 0.5}}, bandwidth: 100Mi}
metrics:
  render_latency: {service: gateway, measures: p95Latency, labels: {queue: fast}}
  slow: {name: render_latency, service: postgresql, measures: meanLatency, labels: {queue: slow}}
services:
  gateway:
    workload: Deployment/gateway
    cpu: {concurrency: 64, cfs: exact}
    routing: {pinned: {connections: 4, maxAge: 10m}}
    operations:
      list:
        cpu: 2ms
        payload: 30Ki
        cache: {hitRatio: 90%, warmAfter: 5000}
        calls: [{to: postgresql.query, count: 2}, {to: objects.get}]
  postgresql:
    workload: StatefulSet/postgresql
    cpu: {}
    disk: {type: gp3}
    operations:
      query: {cpu: 1ms, io: {operations: 3, bytes: 48Ki}}
  objects:
    delay:
    link: {bandwidth: 1Gi, perConnection: 80Mi}
    operations:
      get: {wait: 5ms, payload: 2Mi}
classes:
  browse:
    steps:
      - {call: gateway.list, timeout: 5s, tags: {name: list}}
";

#[test]
fn resources_are_read_to_the_figure() {
    let (loaded, said) = load_with(&[("services.yaml", SERVICES)]);
    let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
    let graph = &scenario.services;
    let network = graph.network.as_ref().expect("it is written");
    let mean = |dist: &Option<aurelius_sim::engine::Dist>| dist.as_ref().expect("written").mean();
    assert!((mean(&network.cross_zone) - 0.001).abs() < 1e-12);
    assert!((mean(&network.clients) - 0.02).abs() < 1e-9);
    assert!(network.outside.is_none());
    let station = |name| &graph.stations[graph.station_named(name).expect("it is there").index()];
    let gateway = station("gateway");
    assert_eq!((gateway.routing, gateway.pinned_connections), (Routing::Pinned, 4));
    assert_eq!(gateway.connection_age, Some(SimDuration::from_secs(600)));
    let disk = station("postgresql").disk.as_ref().expect("it is written");
    assert!((disk.iops - 3_000.0).abs() < 1e-9);
    assert!((disk.bytes_per_second - 125.0 * 1_048_576.0).abs() < 1e-6);
    let link = station("objects").link.expect("it is written");
    assert!((link.per_connection - 80.0 * 1_048_576.0).abs() < 1e-6);
    let cache = graph.operations[0].cache.expect("it is written");
    assert!((cache.hit_ratio - 0.9).abs() < 1e-12 && (cache.warm_after - 5_000.0).abs() < 1e-9);
    let metrics = &scenario.custom_metrics;
    assert_eq!(metrics.len(), 2, "two series of one name");
    assert!(metrics.iter().all(|metric| &*metric.name == "render_latency"));
}

#[test]
fn what_resources_lack_is_told() {
    let rows = [
        ("disk: {type: gp3}", "disk: {type: io2}", "missing field `services.postgresql.disk.iops`"),
        (
            "disk: {type: gp3}",
            "disk: {throughput: 10Mi}",
            "missing field `services.postgresql.disk.iops`",
        ),
        ("bandwidth: 1Gi", "bandwidth: 0", "must be above zero"),
        ("hitRatio: 90%", "hitRatio: 120%", "between 0% and 100%"),
        ("connections: 4", "connections: 0", "must be"),
        ("cfs: exact", "cfs: sometimes", "must be"),
        ("labels: {queue: slow}", "labels: {queue: fast}", "twice, with the same labels"),
        ("wait: 5ms, payload", "wait: 5ms, io: {}, payload", "service of kind `delay`"),
    ];
    for (from, to, expected) in rows {
        assert!(SERVICES.contains(from), "{from}");
        let services = SERVICES.replace(from, to);
        let (loaded, said) = load_with(&[("services.yaml", &services)]);
        assert!(loaded.scenario.is_none(), "{to} is accepted");
        assert!(said.contains(expected), "{to}: {said}");
    }
}

#[test]
fn the_fluid_model_refuses_what_single_requests_decide() {
    let scenario =
        edited("scenario.yaml", "duration: 10m\nload", "model: fluid\nduration: 10m\nload");
    let plain = SERVICES
        .replace(", cfs: exact", "")
        .replace("    routing: {pinned: {connections: 4, maxAge: 10m}}\n", "");
    let without = |services: &str| {
        let (loaded, said) =
            load_with(&[("scenario.yaml", &scenario), ("services.yaml", services)]);
        (loaded.scenario.is_some(), said)
    };
    let (accepted, said) = without(&plain);
    assert!(accepted, "networks, disks, links, caches and latencies are known to rates: {said}");
    for (services, what) in [
        (plain.replace("cpu: {}", "cpu: {}\n    routing: pinned"), "stay open"),
        (plain.replace("cpu: {}", "cpu: {cfs: exact}"), "period by period"),
    ] {
        let (accepted, said) = without(&services);
        assert!(!accepted && said.contains("AUR019") && said.contains(what), "{what}: {said}");
    }
}

#[test]
fn a_service_lives_in_the_container_that_its_port_leads_to() {
    let proxy = "- {name: proxy, image: \"envoy:1\", ports: [{name: admin, containerPort: 9901}]}\n        ";
    let app = "- {name: app, image: \"gateway:1\", ";
    let object = |port: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: gateway}}\nspec: {{selector: {{app: gateway}}, ports: [{port}]}}\n"
        )
    };
    for (ports, port, expected) in [
        (
            "ports: [{name: http, containerPort: 8080}], ",
            "{port: 80, targetPort: http}",
            Some("app"),
        ),
        ("ports: [{containerPort: 8080}], ", "{port: 8080}", Some("app")),
        ("ports: [{containerPort: 8080}], ", "{port: 80, targetPort: admin}", None),
        ("", "{port: 80, targetPort: 8080}", None),
    ] {
        let manifests = edited("manifests.yaml", app, &format!("{proxy}{app}{ports}"));
        let manifests = format!("{manifests}{}", object(port));
        let (loaded, said) = load_with(&[("manifests.yaml", &manifests)]);
        let scenario = loaded.scenario.unwrap_or_else(|| panic!("{said}"));
        let station = scenario.services.station_named("gateway").expect("it is there");
        let process = scenario.processes.services.get(&station);
        let container = process.and_then(|process| process.container.as_deref());
        assert_eq!(container, expected, "{ports} {port}");
    }
}
