//! Whole documents with faults in them, through everything that reads and judges them: no panic, no
//! hang, bounded answers. The same generators run for an hour with `HOSTILE_CASES=2000000`.

use std::path::Path;

use aurelius_sim::checks::{Selection, Severity, review};
use aurelius_sim::input::adapters::ReleaseName;
use aurelius_sim::input::material::{MaterialInputs, load_material};
use aurelius_sim::input::render::{Colour, concise, render_all};
use aurelius_sim::input::source::Sources;
use aurelius_sim::input::values::ValueInputs;
use aurelius_sim::input::{LoadOptions, ReleaseInputs, load_pod_trace_from, load_scenario_from};
use aurelius_sim::report::review::{github, gitlab, json, junit, markdown, sarif};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

#[path = "hostile/mod.rs"]
mod hostile;

use hostile::{cases, each_seed};

/// What stands in place of a value.
const JUNK: [&str; 34] = [
    "null",
    "[]",
    "{}",
    "-1",
    "0",
    "1e300",
    "1e400",
    "99999999999999999999",
    "\"\"",
    "\"1Gi\"",
    "yes",
    "[1, {a: b}]",
    "100000%",
    "-5%",
    "0.0001m",
    "\u{202e}x",
    "{matchLabels: {a: b}}",
    "!x y",
    "9223372036854775807Ei",
    ".nan",
    ".inf",
    "-.inf",
    "2147483647",
    "-2147483648",
    "1e-400",
    "*x",
    "&x 1",
    "<<: {a: b}",
    "{1: 2, true: 3}",
    "9999999h",
    "1ns",
    "\"\\0\"",
    "|\n  text",
    "${X}",
];

/// The text with some faults: lines left out, doubled, moved, indented anew, given other values, and
/// letters changed.
fn spoil(dice: &mut Pcg64Mcg, text: &str, most: usize) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..dice.random_range(1..=most) {
        let at = dice.random_range(0..lines.len());
        let line = lines[at].clone();
        match dice.random_range(0..9) {
            0 => lines[at].clear(),
            1 => lines.insert(at, line),
            2 => {
                let other = dice.random_range(0..lines.len());
                lines.swap(at, other);
            }
            3 => lines[at] = format!("{}{line}", " ".repeat(dice.random_range(1..5))),
            4 => lines[at] = line.trim_start_matches(' ').to_owned(),
            5 => {
                let letters: Vec<char> = line.chars().collect();
                if !letters.is_empty() {
                    let from = dice.random_range(0..letters.len());
                    let odd = ['\t', '"', ':', '{', ']', '-', '\u{feff}', 'é', '0', '#'];
                    let mut letters = letters;
                    letters[from] = odd[dice.random_range(0..odd.len())];
                    lines[at] = letters.into_iter().collect();
                }
            }
            _ => {
                if let Some((key, _)) = line.split_once(": ") {
                    lines[at] = format!("{key}: {}", JUNK[dice.random_range(0..JUNK.len())]);
                }
            }
        }
    }
    lines.join(if dice.random_range(0..10) == 0 { "\r\n" } else { "\n" })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("the repository has the file")
}

/// Reads and judges, and writes what was found in every form.
fn judge(inputs: &MaterialInputs) {
    let material = load_material(inputs);
    let found = review(&material, &Selection::default());
    let _ = render_all(&found.reported, &material.sources, Colour::Plain);
    let _ = concise(&found.reported, &material.sources);
    let written = [
        json::json(&found),
        sarif::sarif(&found),
        junit::junit(&found, Severity::Warning),
        github::github(&found),
        gitlab::gitlab(&found),
        markdown::markdown(&found),
    ];
    assert!(written.iter().all(|text| text.len() < 64 << 20), "an output is beyond all bounds");
}

#[test]
fn spoiled_releases_are_judged_or_refused() {
    let objects = [
        text_of("profiles/aurelius/rendered/prod.yaml"),
        text_of("tests/data/manifests/bitnami-redis-hpa/rendered.yaml"),
        text_of("tests/data/manifests/gen3-fence/rendered.yaml"),
        text_of("profiles/demo/shop.yaml"),
    ];
    let own = [
        text_of("profiles/aurelius/services.yaml"),
        text_of("profiles/aurelius/requirements.yaml"),
        text_of("profiles/clusters/eks-t4.yaml"),
    ];
    each_seed(cases(24), |seed, dice| {
        let mut texts = vec![("a.yaml".to_owned(), spoil_one(dice, &objects, 8))];
        if seed % 4 == 0 {
            let of = spoil_one(dice, &own, 3);
            texts.push(("b.yaml".to_owned(), of));
        }
        let cluster = (seed % 8 == 0).then(|| root().join("profiles/clusters/eks-t4.yaml"));
        judge(&MaterialInputs { texts, cluster, ..MaterialInputs::default() });
    });
}

#[test]
fn spoiled_values_are_merged_and_told_or_refused() {
    let values = [
        text_of("profiles/aurelius/values.yaml"),
        text_of("profiles/aurelius/values-prod.yaml"),
        "replicaCount: 2\nimage: {repository: a, tag: b}\nautoscaling:\n  enabled: true\n  minReplicas: 2\n  maxReplicas: 9\n  targetCPUUtilizationPercentage: 80\nresources:\n  limits: {cpu: 1}\nservice: {type: ClusterIP, port: 80}\nserviceAccount: {create: true}\n".to_owned(),
        "replicaCount: 2\nresourcesPreset: small\nautoscaling:\n  hpa: {enabled: true, minReplicas: 2, maxReplicas: 9, targetCPU: 70}\npdb: {create: true, minAvailable: 50%}\npodAntiAffinityPreset: hard\nglobal: {storageClass: x}\ncommonLabels: {a: b}\n".to_owned(),
    ];
    let folder = tempfile::tempdir().expect("a temporary folder");
    each_seed(cases(100), |_, dice| {
        let mut files = Vec::new();
        for name in ["a.yaml", "b.yaml"] {
            let path = folder.path().join(name);
            std::fs::write(&path, spoil_one(dice, &values, 6)).expect("the folder is ours");
            files.push(path);
        }
        let sets =
            ["a.b=1", "autoscaling=null", "replicaCount=x", "resources.limits.cpu=1m", "a[3]=1"];
        let set = vec![sets[dice_of(dice, sets.len())].to_owned()];
        let values = ValueInputs { files, set, ..ValueInputs::default() };
        let release =
            ReleaseInputs { values, release: ReleaseName::default(), ..ReleaseInputs::default() };
        judge(&MaterialInputs { release, ..MaterialInputs::default() });
    });
}

#[test]
fn spoiled_scenarios_are_loaded_or_refused() {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(root().join("scenarios")).expect("scenarios are there") {
        let path = entry.expect("it can be listed").path();
        texts.push(std::fs::read_to_string(&path).expect("scenarios are text"));
    }
    texts.sort();
    // Where the profiles lie that scenarios name, so that what is spoiled is the scenario alone.
    let place = root().join("scenarios/spoiled.yaml");
    each_seed(cases(60), |_, dice| {
        let text = spoil_one(dice, &texts, 5);
        let mut sources = Sources::new();
        sources.embed(&place, &text);
        let loaded = load_scenario_from(sources, &place, &LoadOptions::default());
        let _ = concise(&loaded.diagnostics, &loaded.sources);
        let mut sources = Sources::new();
        sources.embed(&place, &text);
        let loaded = load_pod_trace_from(sources, &place);
        let _ = concise(&loaded.diagnostics, &loaded.sources);
    });
}

fn spoil_one(dice: &mut Pcg64Mcg, texts: &[String], most: usize) -> String {
    let at = dice_of(dice, texts.len());
    spoil(dice, &texts[at], most)
}

fn dice_of(dice: &mut Pcg64Mcg, count: usize) -> usize {
    dice.random_range(0..count)
}

#[test]
fn the_same_seed_spoils_alike() {
    let text = text_of("profiles/demo/shop.yaml");
    let one = spoil(&mut Pcg64Mcg::seed_from_u64(7), &text, 4);
    assert_eq!(one, spoil(&mut Pcg64Mcg::seed_from_u64(7), &text, 4));
    assert_ne!(one, text);
}

/// Spoiled tables of a trace are read or refused, and what is read can be placed.
#[test]
fn spoiled_tables_of_a_trace_are_refused_or_placed() {
    let pods = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time,deletion_time,scheduled_time\n\
        a,1500,1024,1,460,T4|P100,0,160,5\nb,500,512,0,0,,9,,\nc,16000,1,2,1000,,10,11,\n";
    let nodes = "sn,cpu_milli,memory_mib,gpu,model\nn0,32000,65536,2,T4\nn1,8000,65536,0,\n";
    let document = "apiVersion: aurelius.dev/v1\nkind: PodTrace\nmetadata: {name: t}\n\
        pods: {file: pods.csv}\nnodes: {file: nodes.csv}\n";
    let mut placed = 0;
    each_seed(cases(200), |_, dice| {
        let mut sources = Sources::new();
        let texts = [pods.to_owned(), nodes.to_owned()];
        let (pods, nodes) = match dice_of(dice, 2) {
            0 => (spoil(dice, &texts[0], 3), texts[1].clone()),
            _ => (texts[0].clone(), spoil(dice, &texts[1], 3)),
        };
        sources.embed(Path::new("t.yaml"), document);
        sources.embed(Path::new("pods.csv"), &pods);
        sources.embed(Path::new("nodes.csv"), &nodes);
        let loaded = load_pod_trace_from(sources, Path::new("t.yaml"));
        let _ = concise(&loaded.diagnostics, &loaded.sources);
        if let Some(trace) = loaded.trace {
            let found = aurelius_sim::placement::place(&trace, 1);
            assert_eq!(found.came, found.placed + found.never);
            placed += 1;
        }
    });
    assert!(placed > 0, "a few spoils do no harm");
}
