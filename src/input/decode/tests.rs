//! Whole texts of diagnostics, and what the readers take.

use expect_test::{Expect, expect};

use super::*;
use crate::input::render::{Colour, render_all};
use crate::input::yaml::{Dialect, parse};
use crate::units::SimDuration;

/// Decodes a text and returns what was said about it.
fn said(name: &str, text: &str, dialect: Dialect, decode: impl Fn(&Value<'_>)) -> String {
    let mut sources = Sources::new();
    let diagnostics = Diagnostics::new();
    let file = sources.add(name, text);
    let documents = parse(&sources, file, dialect, &diagnostics);
    let context = Context { sources: &sources, diagnostics: &diagnostics };
    for document in &documents {
        decode(&Value::root(context, document, ""));
    }
    render_all(&diagnostics.sorted(), &sources, Colour::Plain)
}

/// One field `x` of our own documents that must be refused.
fn check(text: &str, reads: impl Fn(&Value<'_>) -> bool, expected: &Expect) {
    let found = said("a.yaml", text, Dialect::Core, |root| {
        let fields = root.fields().expect("the case is a mapping");
        let value = fields.required("x").expect("the case has `x`");
        assert!(!reads(&value), "{text} was taken");
    });
    expected.assert_eq(&found);
}

fn rules(root: &Value<'_>) {
    let decode = || {
        let fields = root.fields()?;
        let spec = fields.required("spec")?.fields()?;
        let behavior = spec.required("behavior")?.fields()?;
        let rules = behavior.required("scaleDown")?.fields()?;
        let window = rules.read("stabilizationWindowSeconds", |value| value.integer(0..=3600_i32));
        let policy = rules
            .read("selectPolicy", |value| value.word(&[("Max", 1), ("Min", 2), ("Disabled", 3)]));
        rules.ignore(&["policies", "tolerance"]);
        rules.finish("HPAScalingRules (autoscaling/v2)");
        behavior.finish("HorizontalPodAutoscalerBehavior");
        let max = spec.required("maxReplicas").and_then(|value| value.integer(1..=i32::MAX));
        spec.finish("HorizontalPodAutoscalerSpec");
        Some((window?, policy?, max?))
    };
    let _ = decode();
}

#[test]
fn all_faults_of_a_document_are_found_in_one_run() {
    let text = "\
spec:
  behavior:
    scaleDown:
      stabilizationWindow: 300
      stabilizationWindowSeconds: 4000
      selectPolicy: max
    scaleup: {}
";
    expect![[r#"
        error[AUR012]: missing field `spec.maxReplicas`
         --> hpa.yaml:1:1
          |
        1 | spec:
          | ^^^^ `maxReplicas` is required here

        error[AUR011]: unknown field `spec.behavior.scaleDown.stabilizationWindow`
         --> hpa.yaml:4:7
          |
        4 |       stabilizationWindow: 300
          |       ^^^^^^^^^^^^^^^^^^^ not a field of HPAScalingRules (autoscaling/v2)
          |
          = note: fields here: stabilizationWindowSeconds, selectPolicy, policies, tolerance
        help: a field with a similar name exists
          |
        4 |       stabilizationWindowSeconds: 300
          |                          +++++++

        error[AUR016]: spec.behavior.scaleDown.stabilizationWindowSeconds is 4000, must be between 0 and 3600
         --> hpa.yaml:5:35
          |
        5 |       stabilizationWindowSeconds: 4000
          |                                   ^^^^

        error[AUR017]: spec.behavior.scaleDown.selectPolicy is `max`, must be one of Max, Min, Disabled
         --> hpa.yaml:6:21
          |
        6 |       selectPolicy: max
          |                     ^^^
          |
        help: a similar value exists
          |
        6 -       selectPolicy: max
        6 +       selectPolicy: Max
          |

        error[AUR011]: unknown field `spec.behavior.scaleup`
         --> hpa.yaml:7:5
          |
        7 |     scaleup: {}
          |     ^^^^^^^ not a field of HorizontalPodAutoscalerBehavior
          |
          = note: fields here: scaleDown
    "#]]
    .assert_eq(&said("hpa.yaml", text, Dialect::Yaml11, rules));
}

#[test]
fn readers_take_what_they_should() {
    let text = "\
a: 1d12h
b: {lognormal: {mean: 3ms, cv: 1.0}, plus: 4s, max: 1800s}
c: 3.0
d: \"0.5\"
e: 512Mi
f: 250
g: {erlang: {mean: 5s, k: 2}}
h: {empirical: [1s, 3s]}
";
    let found = said("a.yaml", text, Dialect::Core, |root| {
        let fields = root.fields().expect("a mapping");
        let get = |name| fields.required(name).expect("all are there");
        assert_eq!(get("a").duration(), Some(SimDuration::from_secs(129_600)));
        let dist = get("b").distribution().expect("a distribution");
        assert!((dist.mean() - 4.003).abs() < 1e-12, "{}", dist.mean());
        assert_eq!(get("c").integer(0..=5_i32), Some(3));
        assert_eq!(get("d").string(), Some("0.5"));
        assert_eq!(get("e").bytes().map(|bytes| bytes.0), Some(536_870_912));
        assert_eq!(get("f").k6_duration(), Some(SimDuration::from_millis(250)));
        assert_eq!(get("f").cores().map(|cores| cores.0), Some(250_000));
        let erlang = get("g").distribution().expect("a distribution");
        assert!((erlang.cv() - 0.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(get("h").distribution().map(|dist| dist.mean()), Some(2.0));
        assert_eq!(get("h").path(), "h");
        assert_eq!(get("h").origin(), Origin::new("a.yaml", 8, 4));
        assert!(fields.finish("this"));
    });
    assert_eq!(found, "");
}

#[test]
fn wrong_types() {
    check(
        "x: [1]\n",
        |value| value.string().is_some(),
        &expect![[r#"
        error[AUR010]: x must be text, not a list
         --> a.yaml:1:4
          |
        1 | x: [1]
          |    ^^^
    "#]],
    );
    check(
        "x: 1.10\n",
        |value| value.string().is_some(),
        &expect![[r#"
        error[AUR010]: x must be text, not the number `1.10`
         --> a.yaml:1:4
          |
        1 | x: 1.10
          |    ^^^^
          |
        help: put it in quotes
          |
        1 - x: 1.10
        1 + x: "1.10"
          |
    "#]],
    );
    check(
        "x: \"true\"\n",
        |value| value.boolean().is_some(),
        &expect![[r#"
        error[AUR010]: x must be a boolean, not text
         --> a.yaml:1:4
          |
        1 | x: "true"
          |    ^^^^^^
          |
        help: remove the quotes
          |
        1 - x: "true"
        1 + x: true
          |
    "#]],
    );
}

#[test]
fn wrong_numbers_and_shapes() {
    check(
        "x: \"3\"\n",
        |value| value.integer(0..=9_i32).is_some(),
        &expect![[r#"
        error[AUR010]: x must be a whole number, not text
         --> a.yaml:1:4
          |
        1 | x: "3"
          |    ^^^
          |
        help: remove the quotes
          |
        1 - x: "3"
        1 + x: 3
          |
    "#]],
    );
    check(
        "x: 3.5\n",
        |value| value.integer(0..=9_i32).is_some(),
        &expect![[r#"
        error[AUR010]: x must be a whole number, not the number `3.5`
         --> a.yaml:1:4
          |
        1 | x: 3.5
          |    ^^^
    "#]],
    );
    check(
        "x:\n  - a\n  - b\n",
        |value| value.fields().is_some(),
        &expect![[r#"
        error[AUR010]: x must be a mapping, not a list
         --> a.yaml:1:1
          |
        1 | x:
          | ^
    "#]],
    );
}

#[test]
fn ranges_and_words() {
    check(
        "x: 12\n",
        |value| value.integer(0..=9_i32).is_some(),
        &expect![[r#"
        error[AUR016]: x is 12, must be between 0 and 9
         --> a.yaml:1:4
          |
        1 | x: 12
          |    ^^
    "#]],
    );
    check(
        "x: -1\n",
        |value| value.integer(0..=i32::MAX).is_some(),
        &expect![[r#"
        error[AUR016]: x is -1, must be at least 0
         --> a.yaml:1:4
          |
        1 | x: -1
          |    ^^
    "#]],
    );
    check(
        "x: 99999999999\n",
        |value| value.integer(0..=i32::MAX).is_some(),
        &expect![[r#"
        error[AUR016]: x is 99999999999, must be at most 2147483647
         --> a.yaml:1:4
          |
        1 | x: 99999999999
          |    ^^^^^^^^^^^
    "#]],
    );
    check(
        "x: 1.5\n",
        |value| value.number(0.0..=1.0).is_some(),
        &expect![[r#"
        error[AUR016]: x is 1.5, must be between 0 and 1
         --> a.yaml:1:4
          |
        1 | x: 1.5
          |    ^^^
    "#]],
    );
    check(
        "x: rondom\n",
        |value| value.word(&[("random", ()), ("roundRobin", ())]).is_some(),
        &expect![[r#"
        error[AUR017]: x is `rondom`, must be one of random, roundRobin
         --> a.yaml:1:4
          |
        1 | x: rondom
          |    ^^^^^^
          |
        help: a similar value exists
          |
        1 - x: rondom
        1 + x: random
          |
    "#]],
    );
}

#[test]
fn durations() {
    check(
        "x: -5m\n",
        |value| value.duration().is_some(),
        &expect![[r#"
            error[AUR703]: x must not be negative
             --> a.yaml:1:4
              |
            1 | x: -5m
              |    ^^^ got -5m (-300 s)
              |
            help: did you mean
              |
            1 - x: -5m
            1 + x: 5m
              |
        "#]],
    );
    check(
        "x: 30\n",
        |value| value.duration().is_some(),
        &expect![[r#"
        error[AUR107]: x is `30`: a duration needs a unit
         --> a.yaml:1:4
          |
        1 | x: 30
          |    ^^
          |
          = help: or `30ms` for milliseconds, `30m` for minutes
        help: for seconds
          |
        1 | x: 30s
          |      +
    "#]],
    );
    check(
        "x: 5 sec\n",
        |value| value.duration().is_some(),
        &expect![[r#"
            error[AUR106]: x is `5 sec`: ` sec` is no unit of time (ns, us, ms, s, m, h, d, w)
             --> a.yaml:1:4
              |
            1 | x: 5 sec
              |    ^^^^^
              |
            help: did you mean
              |
            1 - x: 5 sec
            1 + x: 5s
              |
        "#]],
    );
}

#[test]
fn rates_and_quantities() {
    check(
        "x: 200\n",
        |value| value.rate().is_some(),
        &expect![[r#"
        error[AUR108]: x is `200`, must be a rate such as `200/s`
         --> a.yaml:1:4
          |
        1 | x: 200
          |    ^^^
    "#]],
    );
    check(
        "x: 512K\n",
        |value| value.bytes().is_some(),
        &expect![[r#"
            error[AUR101]: x is `512K`, which is not a quantity: `K` is no quantity suffix; write `k` (1000) or `Ki` (1024)
             --> a.yaml:1:4
              |
            1 | x: 512K
              |    ^^^^
        "#]],
    );
}

#[test]
fn distributions() {
    check(
        "x: {lognorml: {mean: 3ms, cv: 1}}\n",
        |value| value.distribution().is_some(),
        &expect![[r#"
            error[AUR012]: x needs one of `constant`, `uniform`, `exponential`, `normal`, `lognormal`, `gamma`, `erlang`, `weibull`, `pareto` or `empirical`
             --> a.yaml:1:1
              |
            1 | x: {lognorml: {mean: 3ms, cv: 1}}
              | ^

            error[AUR011]: unknown field `x.lognorml`
             --> a.yaml:1:5
              |
            1 | x: {lognorml: {mean: 3ms, cv: 1}}
              |     ^^^^^^^^ not a field of a distribution
              |
              = note: fields here: constant, uniform, exponential, normal, lognormal, gamma, erlang, weibull, pareto, empirical, plus, max
            help: a field with a similar name exists
              |
            1 | x: {lognormal: {mean: 3ms, cv: 1}}
              |            +
        "#]],
    );
    check(
        "x: {normal: {mean: 3ms}, gamma: {mean: 1s, cv: 1}}\n",
        |value| value.distribution().is_some(),
        &expect![[r#"
        error[AUR015]: x has both `normal` and `gamma`, which exclude each other
         --> a.yaml:1:26
          |
        1 | x: {normal: {mean: 3ms}, gamma: {mean: 1s, cv: 1}}
          |     ------ `normal` here ^^^^^ `gamma` here
    "#]],
    );
}

#[test]
fn wrong_parameters_of_distributions() {
    check(
        "x: {uniform: {min: 3s, max: 1s}}\n",
        |value| value.distribution().is_some(),
        &expect![[r#"
        error[AUR712]: x.uniform is no distribution: min is above max
         --> a.yaml:1:14
          |
        1 | x: {uniform: {min: 3s, max: 1s}}
          |              ^^^^^^^^^^^^^^^^^^
    "#]],
    );
    check(
        "x: {lognormal: {mean: 3, sigma: 1}}\n",
        |value| value.distribution().is_some(),
        &expect![[r#"
        error[AUR012]: missing field `x.lognormal.cv`
         --> a.yaml:1:5
          |
        1 | x: {lognormal: {mean: 3, sigma: 1}}
          |     ^^^^^^^^^ `cv` is required here

        error[AUR107]: x.lognormal.mean is `3`: a duration needs a unit
         --> a.yaml:1:23
          |
        1 | x: {lognormal: {mean: 3, sigma: 1}}
          |                       ^
          |
          = help: or `3ms` for milliseconds, `3m` for minutes
        help: for seconds
          |
        1 | x: {lognormal: {mean: 3s, sigma: 1}}
          |                        +

        error[AUR011]: unknown field `x.lognormal.sigma`
         --> a.yaml:1:26
          |
        1 | x: {lognormal: {mean: 3, sigma: 1}}
          |                          ^^^^^ not a field of a lognormal distribution
          |
          = note: fields here: mean, median, cv
    "#]],
    );
}

#[test]
fn memory_in_thousandths_is_warned_of_and_taken() {
    let found = said("values.yaml", "x: 512m\n", Dialect::Yaml11, |root| {
        let value = root.fields().and_then(|fields| fields.required("x")).expect("there is `x`");
        assert_eq!(value.bytes().map(|bytes| bytes.0), Some(1));
    });
    expect![[r#"
        warning[AUR102]: x is 512m, which is 0.512 bytes
         --> values.yaml:1:4
          |
        1 | x: 512m
          |    ^^^^ `m` means milli: thousandths of a byte
          |
          = note: the API server accepts it; the scheduler sees almost no memory and overpacks nodes
        help: use a binary suffix
          |
        1 - x: 512m
        1 + x: 512Mi
          |
    "#]]
    .assert_eq(&found);
}

#[test]
fn unknown_names_list_the_known() {
    let found = said("a.yaml", "x: generl\n", Dialect::Core, |root| {
        let value = root.fields().and_then(|fields| fields.required("x")).expect("there is `x`");
        value.report(value.unknown_reference("generl", "node pool", ["general", "gpu-t4"]));
    });
    expect![[r#"
        error[AUR014]: x names the node pool `generl`, which does not exist
         --> a.yaml:1:4
          |
        1 | x: generl
          |    ^^^^^^
          |
          = note: known: general, gpu-t4
        help: a similar name exists
          |
        1 | x: general
          |         +
    "#]]
    .assert_eq(&found);
}
