//! Figures changed by path reach the scenario, whichever document they stand in, and what finds no
//! place is refused with a sentence.

use std::path::{Path, PathBuf};

use aurelius_sim::input::render::{Colour, render_all};
use aurelius_sim::input::values::ValueInputs;
use aurelius_sim::input::{LoadOptions, Loaded, Patch, Prepared, ReleaseInputs, load_scenario};
use aurelius_sim::scenario::Scenario;

const NIGHT: &str = "scenarios/night.yaml";

fn patches(texts: &[&str]) -> Vec<Patch> {
    texts.iter().map(|text| Patch::parse(text).expect("it is a patch")).collect()
}

fn prepared() -> Prepared {
    Prepared::read(Path::new(NIGHT), &LoadOptions::default())
}

fn scenario(loaded: Loaded) -> Scenario {
    let said = render_all(&loaded.diagnostics, &loaded.sources, Colour::Plain);
    loaded.scenario.unwrap_or_else(|| panic!("{said}"))
}

fn refusal(loaded: &Loaded) -> String {
    assert!(loaded.scenario.is_none(), "it is refused");
    render_all(&loaded.diagnostics, &loaded.sources, Colour::Plain)
}

fn maximum(scenario: &Scenario, name: &str) -> i32 {
    let hpa = scenario.hpas.iter().find(|hpa| &*hpa.meta.name == name);
    hpa.expect("it has this HPA").spec.max_replicas
}

#[test]
fn every_kind_of_document_can_be_patched_and_read_again() {
    let texts = [
        "load.scenarios.readers.stages[0].target=9",
        "cluster:nodePools[general].max=21",
        "overrides.nodePools.gpu-t4.max=11",
        "HorizontalPodAutoscaler/production/gateway:spec.maxReplicas=33",
        "seed=7",
    ];
    let patched = scenario(prepared().with(&patches(&texts)));
    let pool =
        |name: &str| patched.pools.iter().find(|pool| *pool.name == *name).expect("a pool").max;
    assert_eq!((pool("general"), pool("gpu-t4")), (21, 11));
    assert_eq!(maximum(&patched, "gateway"), 33);
    assert_eq!(patched.seed, 7);
    let origin =
        &patched.hpas.iter().find(|hpa| &*hpa.meta.name == "gateway").expect("it is there");
    assert_eq!(
        origin.max_origin.to_string(),
        "patch HorizontalPodAutoscaler/production/gateway:spec.maxReplicas:1"
    );
    let options = LoadOptions { patches: patches(&texts), ..LoadOptions::default() };
    let read = scenario(load_scenario(Path::new(NIGHT), &options));
    assert_eq!(read.hpas, patched.hpas);
    assert_eq!(read.pools, patched.pools);
    assert_eq!(format!("{:?}", read.loads), format!("{:?}", patched.loads));
    assert_ne!(format!("{:?}", read.loads), format!("{:?}", scenario(prepared().with(&[])).loads));
}

#[test]
fn values_are_patched_on_top_of_everything_set() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = std::fs::read_to_string(NIGHT).expect("it is shipped");
    let here = std::env::current_dir().expect("there is one");
    let text = text.replace("../profiles", &here.join("profiles").display().to_string());
    let manifests = text.lines().find(|line| line.contains("manifests:")).expect("it names some");
    let values = format!(
        "  values: [{0}/values.yaml, {0}/values-prod.yaml]",
        here.join("profiles/aurelius").display()
    );
    let path: PathBuf = folder.path().join("night.yaml");
    std::fs::write(&path, text.replace(manifests, &values)).expect("it can be written");
    let values = ValueInputs {
        set: vec!["gateway.autoscaling.maxReplicas=25".to_owned()],
        ..ValueInputs::default()
    };
    let release = ReleaseInputs { values, ..ReleaseInputs::default() };
    let prepared = Prepared::read(&path, &LoadOptions { release, ..LoadOptions::default() });
    assert_eq!(maximum(&scenario(prepared.with(&[])), "gateway"), 25);
    let patched = prepared.with(&patches(&["gateway.autoscaling.maxReplicas=31"]));
    assert_eq!(maximum(&scenario(patched), "gateway"), 31);
}

#[test]
fn what_finds_no_place_is_refused() {
    for (text, cause) in [
        ("gateway.replicaCount=3", "the release has manifests alone, no values"),
        ("Deployment/gatway:spec.replicas=3", "there is no Deployment `gatway`; there are"),
        ("cluster:nodePools[generl].max=3", "did you mean `general`?"),
        ("cluster:nodePools[7].max=3", "`[7]` is looked for in a list of 3"),
        ("duration.x=3", "`x` is looked for in text `8h`"),
        ("duration={", "its value is no YAML in one line"),
        ("duration=3", "a duration needs a unit"),
        ("description.extra=3", "`extra` is looked for in"),
        ("load.scenarios.readers.rte=3", "AUR011"),
    ] {
        let said = refusal(&prepared().with(&patches(&[text])));
        assert!(said.contains(cause), "{text}: {said}");
    }
}
