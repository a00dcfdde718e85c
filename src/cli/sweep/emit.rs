//! What runs a plan elsewhere: manifests of a Kubernetes Indexed Job.
//!
//! Each pod of the Job takes the share that its completion index names. The plan and the input files
//! lie in a ConfigMap, the cells on a volume that all pods share; a share that is computed twice
//! writes the same bytes, so that pods may be moved and started again at will.

use std::path::{Component, Path};

use crate::report::grid::Plan;

/// A ConfigMap holds at most a mebibyte (Kubernetes, pkg/apis/core `MaxSecretSize`).
const CONFIG_MAP_MOST: usize = 1 << 20;

/// Why no manifest can be written.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum EmitError {
    /// A file lies above the working folder.
    #[error("{0} lies outside the working folder: start from a folder that holds all inputs")]
    Outside(String),
    /// The inputs do not fit.
    #[error(
        "plan and inputs have {0} bytes, a ConfigMap holds {CONFIG_MAP_MOST}: put them into the image \
         and give `--plan` its path there"
    )]
    TooLarge(usize),
    /// A file is gone.
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
}

/// The manifests, in the order in which they are applied.
pub(in crate::cli) fn kubernetes_job(
    plan: &Plan,
    plan_text: &str,
    image: &str,
    shards: u32,
    out: Option<&str>,
) -> Result<String, EmitError> {
    let mut files = vec![("plan.jsonl".to_owned(), plan_text.to_owned())];
    for (path, _) in &plan.inputs {
        let cause = |cause| EmitError::Unreadable { path: path.clone(), cause };
        let outside = Path::new(path).components().any(|part| {
            matches!(part, Component::ParentDir | Component::RootDir | Component::Prefix(_))
        });
        if outside {
            return Err(EmitError::Outside(path.clone()));
        }
        // What was stated on the command line is no file: `--set` is a source too.
        if Path::new(path).is_file() {
            files.push((path.clone(), std::fs::read_to_string(path).map_err(cause)?));
        }
    }
    let bytes = files.iter().map(|(path, text)| path.len() + text.len()).sum();
    if bytes > CONFIG_MAP_MOST {
        return Err(EmitError::TooLarge(bytes));
    }
    let name = format!("sweep-{}", label(&plan.name));
    let mut text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  labels: {{app.kubernetes.io/name: \
         aurelius-sim}}\ndata:\n"
    );
    for (position, (_, content)) in files.iter().enumerate() {
        // A JSON string is a YAML string, whatever it holds.
        let quoted = serde_json::to_string(content).expect("text is JSON");
        text.push_str(&format!("  file-{position}: {quoted}\n"));
    }
    let items: String = files
        .iter()
        .enumerate()
        .map(|(position, (path, _))| {
            let quoted = serde_json::to_string(path).expect("text is JSON");
            format!("              - {{key: file-{position}, path: {quoted}}}\n")
        })
        .collect();
    let (place, claim) = match out {
        Some(url) if url.contains("://") => (url.to_owned(), None),
        Some(_) | None => ("/results".to_owned(), Some(claim(&name))),
    };
    if let Some(claim) = &claim {
        text.push_str(claim);
    }
    text.push_str(&job(&name, image, shards, &place, claim.is_some(), &items));
    Ok(text)
}

fn claim(name: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: {name}\nspec:\n  \
         accessModes: [ReadWriteMany]\n  resources: {{requests: {{storage: 10Gi}}}}\n"
    )
}

fn job(
    name: &str,
    image: &str,
    shards: u32,
    place: &str,
    shared_volume: bool,
    items: &str,
) -> String {
    let (mount, volume) = if shared_volume {
        (
            "            - {name: results, mountPath: /results}\n".to_owned(),
            format!(
                "        - name: results\n          persistentVolumeClaim: {{claimName: {name}}}\n"
            ),
        )
    } else {
        (String::new(), String::new())
    };
    format!(
        r#"---
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  labels: {{app.kubernetes.io/name: aurelius-sim}}
spec:
  completionMode: Indexed
  completions: {shards}
  parallelism: {shards}
  backoffLimitPerIndex: 3
  template:
    metadata:
      labels: {{app.kubernetes.io/name: aurelius-sim}}
    spec:
      restartPolicy: Never
      securityContext: {{runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532}}
      containers:
        - name: sweep
          image: {image}
          workingDir: /work
          args:
            - sweep
            - --plan=plan.jsonl
            - --shard=$(JOB_COMPLETION_INDEX)/{shards}
            - --out={place}
            - --jobs=1
            - --progress=plain
          env:
            - name: JOB_COMPLETION_INDEX
              valueFrom:
                fieldRef:
                  fieldPath: metadata.annotations['batch.kubernetes.io/job-completion-index']
          resources:
            requests: {{cpu: "1", memory: 256Mi}}
            limits: {{memory: 1Gi}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{drop: [ALL]}}
          volumeMounts:
            - {{name: inputs, mountPath: /work, readOnly: true}}
{mount}      volumes:
        - name: inputs
          configMap:
            name: {name}
            items:
{items}{volume}"#
    )
}

/// A name as Kubernetes takes it.
fn label(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let text: String = name.chars().map(plain).take(50).collect();
    let text = text.trim_matches('-');
    if text.is_empty() { "plan".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_labels() {
        assert_eq!(label("Peak Hour_2"), "peak-hour-2");
        assert_eq!(label("--"), "plan");
        assert!(label(&"x".repeat(90)).len() <= 50);
    }
}
