//! Every rule on a text that breaks it and on one that keeps it; and the laws that all rules obey.

use std::collections::BTreeSet;
use std::path::Path;

use super::examples::{EXAMPLES, Example, Needs, example};
use super::{Selection, check, fix, review};
use crate::input::codes::{self, Code, TABLE};
use crate::input::diagnostic::Severity;
use crate::input::material::{Material, MaterialInputs, load_material};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn material(text: String, needs: Needs) -> Material {
    let mut texts = vec![("objects.yaml".to_owned(), text)];
    let cluster = matches!(needs, Needs::Cluster);
    if let Needs::Document(document) = needs {
        texts.push(("profile.yaml".to_owned(), document.to_owned()));
    }
    load_material(&MaterialInputs {
        texts,
        cluster: cluster.then(|| root().join("tests/data/checks/cluster.yaml")),
        ..MaterialInputs::default()
    })
}

fn found(example: &Example, text: String) -> (BTreeSet<Code>, String) {
    let material = material(text, example.needs);
    let mut all = material.diagnostics.clone();
    all.extend(check(&material));
    let shown = crate::input::render::concise(&all, &material.sources);
    (all.iter().map(|finding| finding.code()).collect(), shown)
}

#[test]
fn each_rule_finds_its_wrong_example_and_leaves_the_right_one() {
    for example in EXAMPLES.iter().copied().flatten() {
        let code = example.code;
        let (wrong, said) = found(example, example.wrong());
        assert!(wrong.contains(&code), "{code} is not found in its wrong example; found: {said}");
        let (right, said) = found(example, example.right());
        assert!(!right.contains(&code), "{code} is found in its right example: {said}");
        let broken: Vec<_> = right.iter().filter(|code| code.number() < 100).collect();
        assert!(broken.is_empty(), "the right example of {code} does not read well: {said}");
    }
}

#[test]
fn every_code_of_a_rule_has_an_example() {
    let reader = |code: Code| {
        // These are told by the decoders, which have their own tests.
        matches!(code.number(), 0..=102 | 106..=108 | 201..=208 | 301..=303 | 305 | 306 | 402 | 403 | 503..=505 | 601 | 701..=712 | 800..)
    };
    for entry in TABLE.iter().filter(|entry| !reader(entry.code)) {
        assert!(example(entry.code).is_some(), "{} has no example", entry.code);
    }
}

#[test]
fn aurelius_gives_the_findings_of_a_careful_reader() {
    let inputs = |name: &str| MaterialInputs {
        files: vec![root().join("profiles/aurelius/rendered").join(name)],
        cluster: Some(root().join("profiles/clusters/eks-t4.yaml")),
        services: vec![root().join("profiles/aurelius/services.yaml")],
        requirements: Some(root().join("profiles/aurelius/requirements.yaml")),
        ..MaterialInputs::default()
    };
    let codes_of = |name: &str| {
        let material = load_material(&inputs(name));
        let review = review(&material, &Selection::default());
        let of = |severity| {
            let mut codes: Vec<String> = review
                .findings
                .iter()
                .filter(|finding| finding.severity == severity)
                .map(|finding| format!("{} {}", finding.code, finding.object))
                .collect();
            codes.sort();
            codes
        };
        (of(Severity::Error), of(Severity::Warning))
    };
    let (errors, warnings) = codes_of("prod.yaml");
    let expected = [
        "AUR520 Deployment/dicom-service",
        "AUR521 PersistentVolumeClaim/ml-models",
        "AUR720 Deployment/annotation-service",
        "AUR720 Deployment/celery-worker",
        "AUR720 Deployment/dicom-service",
        "AUR720 Deployment/gateway",
        "AUR720 Deployment/keycloak",
        "AUR720 Deployment/ml-service",
        "AUR720 StatefulSet/grafana",
        "AUR721 Ingress/dicom-service",
        "AUR721 Ingress/grafana",
        "AUR721 Ingress/keycloak",
    ];
    assert_eq!(errors, expected);
    for wanted in [
        "AUR223 Requirements/aurelius",
        "AUR309 HorizontalPodAutoscaler/ml-service",
        "AUR723 Job/db-migrate",
    ] {
        assert!(warnings.iter().any(|code| code == wanted), "{wanted} in {warnings:?}");
    }
    let (errors, warnings) = codes_of("default.yaml");
    for wanted in ["gateway", "ml-service", "dicom-service"] {
        assert!(errors.contains(&format!("AUR401 PodDisruptionBudget/{wanted}")), "{errors:?}");
    }
    assert!(warnings.iter().any(|code| code.starts_with("AUR210 ")), "{warnings:?}");
}

#[test]
fn fixes_are_certain_keep_comments_and_leave_nothing_to_fix() {
    let wrong = "# first\n".to_owned()
        + &example(codes::PDB_NEVER_ALLOWS).expect("it has one").wrong()
        + "# last\n";
    let before = material(wrong, Needs::Objects);
    let mended = fix::mend(&check(&before), &before.sources);
    assert_eq!(mended.len(), 1);
    let text = mended[0].text.clone();
    assert!(
        text.starts_with("# first\n")
            && text.ends_with("# last\n")
            && text.contains("maxUnavailable: 1"),
        "{text}"
    );
    let after = material(text, Needs::Objects);
    assert!(fix::mend(&check(&after), &after.sources).is_empty());
    assert!(!check(&after).iter().any(|finding| finding.code() == codes::PDB_NEVER_ALLOWS));
}

#[test]
fn suppressions_that_suppress_nothing_are_told() {
    let right = example(codes::PDB_NEVER_ALLOWS).expect("it has one").right();
    let text = right.replace(
        "kind: PodDisruptionBudget\nmetadata: {name: web}",
        "kind: PodDisruptionBudget\nmetadata: {name: web, annotations: {ignore.aurelius.dev/AUR401: was needed once}}",
    ) + "# aurelius: ignore=AUR999 (no such code)\n";
    let told = |selection: Selection| {
        let review = review(&material(text.clone(), Needs::Objects), &selection);
        let unused = review.findings.into_iter();
        let unused = unused.filter(|finding| finding.code == codes::UNUSED_SUPPRESSION);
        unused.map(|finding| finding.message).collect::<Vec<_>>()
    };
    let expected = [
        "AUR401 is ignored here, and is not found here",
        "`AUR999` is no code that could be ignored",
    ];
    assert_eq!(told(Selection::default()), expected);
    // What was not looked for may well be there.
    let ignore = vec!["AUR4".to_owned()];
    assert_eq!(told(Selection { ignore, ..Selection::default() }), expected[1..]);
}

#[test]
fn annotation_comment_and_baseline_suppress_with_their_reason() {
    let wrong = example(codes::PDB_NEVER_ALLOWS).expect("it has one").wrong();
    let annotated = wrong.replace(
        "kind: PodDisruptionBudget\nmetadata: {name: web}",
        "kind: PodDisruptionBudget\nmetadata: {name: web, annotations: {ignore.aurelius.dev/AUR401: moves by hand}}",
    );
    let commented = wrong
        .replace("minAvailable: 3", "minAvailable: 3 # aurelius: ignore=AUR401 (moves by hand)");
    for text in [annotated, commented] {
        let review = review(&material(text, Needs::Objects), &Selection::default());
        assert!(!review.findings.iter().any(|finding| finding.code == codes::PDB_NEVER_ALLOWS));
        let reasons: Vec<_> =
            review.suppressed.iter().filter_map(|it| it.suppression.as_deref()).collect();
        assert_eq!(reasons, ["moves by hand"]);
    }
    let first = review(&material(wrong.clone(), Needs::Objects), &Selection::default());
    let known = first.findings.iter().map(|finding| finding.fingerprint.clone()).collect();
    // Lines move, the findings stay the same.
    let moved = format!("# one line more\n{wrong}");
    let second =
        review(&material(moved, Needs::Objects), &Selection { known, ..Selection::default() });
    assert!(second.findings.is_empty(), "{:?}", second.findings);
    assert_eq!(second.suppressed.len(), first.findings.len());
}
