//! The documents that `init` writes, as text with comments.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use super::guess::{CPU_PER_REQUEST, Guess, share};
use crate::cli::inputs::InputArgs;

/// The scenario: a morning that rises to the guessed peak.
pub(in crate::cli) fn scenario(inputs: &InputArgs, folder: &Path, guess: &Guess) -> String {
    let relative = |path: &Path| quoted(&relative(path, folder).display().to_string());
    let list =
        |paths: &[PathBuf]| paths.iter().map(|path| relative(path)).collect::<Vec<_>>().join(", ");
    let mut text = "# Written by `aurelius-sim init`. Every line with FIXME is a guess.\n\
                    apiVersion: aurelius.dev/v1\nkind: Scenario\nmetadata: {name: peak}\ninputs:\n"
        .to_owned();
    let release = inputs.release();
    if !release.manifests.is_empty() {
        line(&mut text, &format!("  manifests: [{}]", list(&release.manifests)));
    }
    if let Some(chart) = &release.chart {
        line(&mut text, &format!("  chart: {}", relative(chart)));
    }
    if !release.values.files.is_empty() {
        line(&mut text, &format!("  values: [{}]", list(&release.values.files)));
    }
    if let Some(name) = &release.release.name {
        line(&mut text, &format!("  release: {}", quoted(name)));
    }
    if let Some(namespace) = &release.release.namespace {
        line(&mut text, &format!("  namespace: {}", quoted(namespace)));
    }
    let (peak, night) = (guess.peak_rate, share(guess.peak_rate, 0.2));
    let users = peak.saturating_mul(2).clamp(10, 50_000);
    write!(
        text,
        "  services: [services.yaml]\n  cluster: cluster.yaml\n\
         duration: 30m\nwarmUp: 2m\nload:\n  scenarios:\n    visitors:\n\
         \x20     executor: ramping-arrival-rate\n      exec: visit\n\
         \x20     startRate: {night}                # FIXME: visits a second before the rise\n\
         \x20     timeUnit: 1s\n      preAllocatedVUs: {users}\n      maxVUs: {}\n      stages:\n\
         \x20       - {{duration: 5m, target: {night}}}\n\
         \x20       - {{duration: 10m, target: {peak}}}   # FIXME: visits a second at the peak\n\
         \x20       - {{duration: 10m, target: {peak}}}\n\
         \x20       - {{duration: 5m, target: {night}}}\n\
         thresholds:\n\
         \x20 http_req_duration: [\"p(95)<500\"]   # FIXME: what you promise, in milliseconds\n\
         \x20 http_req_failed: [\"rate<0.01\"]\n  pods_pending: [\"max<5\"]\nseed: 42\n",
        users.saturating_mul(4)
    )
    .expect("memory can be written");
    text
}

/// The services: one for each workload that can take load.
pub(in crate::cli) fn services(guess: &Guess) -> String {
    let mut text = "# Written by `aurelius-sim init`. Every line with FIXME is a guess: measure it, or the result\n\
                    # says nothing about your services.\n\
                    apiVersion: aurelius.dev/v1\nkind: ServiceProfiles\nmetadata: {name: services}\nservices:\n"
        .to_owned();
    for service in &guess.services {
        let memory = (service.idle_memory >> 20).max(16);
        line(&mut text, &format!("  {}:", service.key));
        line(&mut text, &format!("    workload: {}", quoted(&service.workload)));
        line(
            &mut text,
            "    cpu: {concurrency: 64}           # FIXME: requests that a pod works on at once",
        );
        line(
            &mut text,
            &format!(
                "    idle: {{memory: {memory}Mi}}             # FIXME: memory of a pod without load"
            ),
        );
        let cost = format!("{{lognormal: {{mean: {CPU_PER_REQUEST}, cv: 1.0}}}}");
        line(
            &mut text,
            &format!(
                "    operations: {{request: {{cpu: {cost}, timeout: 10s}}}}   # FIXME: CPU of a request, and whom it calls"
            ),
        );
        if service.gpu {
            line(
                &mut text,
                "    # This service has a GPU: see `gpu` in the documentation of service profiles.",
            );
        }
    }
    text.push_str("classes:\n  visit:                               # FIXME: what a visitor does\n    steps:\n");
    for service in guess.services.iter().filter(|service| service.entry) {
        line(&mut text, &format!("      - {{call: {}.request, timeout: 10s}}", service.key));
    }
    if !guess.jobs.is_empty() {
        text.push_str("jobs:\n");
        for job in &guess.jobs {
            line(
                &mut text,
                &format!("  {}: {{duration: 1m}}   # FIXME: how long its pods work", quoted(job)),
            );
        }
    }
    text
}

/// The cluster: pools that fit.
pub(in crate::cli) fn cluster(guess: &Guess) -> String {
    let mut text = "# Written by `aurelius-sim init`. Every line with FIXME is a guess; `kubectl get nodes -o yaml` of the real\n\
                    # cluster can stand in for this file.\n\
                    apiVersion: aurelius.dev/v1\nkind: ClusterProfile\nmetadata: {name: cluster}\n\
                    provider: eks                          # FIXME: eks, gke or aks\n\
                    catalogue: instances.csv\nzones: [us-east-1a, us-east-1b, us-east-1c]\nnodePools:\n"
        .to_owned();
    for pool in &guess.pools {
        line(&mut text, &format!("  - name: {}", pool.name));
        line(
            &mut text,
            &format!("    instance: {}                # FIXME: machine type", pool.instance),
        );
        line(&mut text, &format!("    min: {}                               # FIXME", pool.min));
        line(&mut text, &format!("    max: {}                               # FIXME", pool.max));
        if !pool.labels.is_empty() {
            let labels: Vec<String> = pool
                .labels
                .iter()
                .map(|(key, value)| format!("{}: {}", quoted(key), quoted(value)))
                .collect();
            line(&mut text, &format!("    labels: {{{}}}   # FIXME", labels.join(", ")));
        }
        if let Some((key, value)) = &pool.taint {
            line(
                &mut text,
                &format!(
                    "    taints: [{{key: {}, value: {}, effect: NoSchedule}}]   # FIXME",
                    quoted(key),
                    quoted_text(value)
                ),
            );
        }
    }
    text.push_str("prices: {controlPlanePerHour: $0.10}\n");
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// A word as it is, anything else in quotes.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let begins = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.' || c == '/');
    if begins && word.chars().all(plain) && !matches!(word, "true" | "false" | "null") {
        word.to_owned()
    } else {
        quoted_text(word)
    }
}

fn quoted_text(word: &str) -> String {
    serde_json::Value::String(word.to_owned()).to_string()
}

/// A path as seen from a folder: up to what both share, and down again.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    if path.is_absolute() != folder.is_absolute() {
        return std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    }
    let parts = |path: &Path| -> Vec<String> {
        path.components()
            .filter(|part| *part != Component::CurDir)
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect()
    };
    let (target, base) = (parts(path), parts(folder));
    if base.iter().any(|part| part == "..") {
        return std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    }
    let shared = target.iter().zip(&base).take_while(|(left, right)| left == right).count();
    let up = std::iter::repeat_n("..".to_owned(), base.len() - shared);
    let found: PathBuf = up.chain(target[shared..].iter().cloned()).collect();
    if found.as_os_str().is_empty() { PathBuf::from(".") } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_from_the_scenario_to_the_chart() {
        for (path, folder, expected) in [
            ("deploy/chart", "scenarios", "../deploy/chart"),
            ("scenarios/a.yaml", "scenarios", "a.yaml"),
            ("a.yaml", ".", "a.yaml"),
            ("/a/b", "/a/c", "../b"),
            ("./x", "deep/er", "../../x"),
        ] {
            let found = relative(Path::new(path), Path::new(folder));
            assert_eq!(found, PathBuf::from(expected), "{path} from {folder}");
        }
    }
}
