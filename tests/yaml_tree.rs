//! The YAML tree against an independent reader on real manifests, and against hostile input.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aurelius_sim::input::codes;
use aurelius_sim::input::diagnostic::{Diagnostic, Diagnostics};
use aurelius_sim::input::render::{Colour, render_all};
use aurelius_sim::input::source::Sources;
use aurelius_sim::input::yaml::{Dialect, Kind, Node, Scalar, ScalarValue, parse};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde::Deserialize;

/// Parses a text; the documents and what was said.
fn read(text: &str, dialect: Dialect) -> (Vec<Node>, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::new();
    let diagnostics = Diagnostics::new();
    let file = sources.add("a.yaml", text);
    let documents = parse(&sources, file, dialect, &diagnostics);
    let said = diagnostics.sorted();
    (documents, said, sources)
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the test data are in the repository") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

/// The same value in the terms of the other reader, or a sentence about the difference.
fn compare(ours: &Node, theirs: &serde_yaml::Value, path: &str) -> Result<(), String> {
    use serde_yaml::Value;
    let differs = || Err(format!("{path}: {ours:?} is {theirs:?} there"));
    match (&ours.kind, theirs) {
        (Kind::Sequence(left), Value::Sequence(right)) if left.len() == right.len() => {
            let pairs = left.iter().zip(right).enumerate();
            pairs.into_iter().try_for_each(|(at, (l, r))| compare(l, r, &format!("{path}[{at}]")))
        }
        (Kind::Mapping(left), Value::Mapping(right)) if left.len() == right.len() => {
            left.iter().zip(right).try_for_each(|(entry, (key, value))| {
                let path = format!("{path}.{}", entry.key);
                let key = key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned);
                if *entry.key != *key && !key.contains('(') {
                    return Err(format!("{path}: the key is {key} there"));
                }
                compare(&entry.value, value, &path)
            })
        }
        (Kind::Scalar(Scalar { text, value, .. }), theirs) => {
            let same = match (value, theirs) {
                (ScalarValue::Null, Value::Null) => true,
                (ScalarValue::Boolean(left), Value::Bool(right)) => left == right,
                (ScalarValue::Integer(left), Value::Number(right)) => {
                    left.to_string() == right.to_string()
                }
                (ScalarValue::Float(left), Value::Number(right)) => {
                    right.as_f64().is_some_and(|right| left.to_bits() == right.to_bits())
                }
                (ScalarValue::Text, Value::String(right)) => **text == **right,
                // The core schema has 755 for `0755`; the other reader keeps it as text.
                (ScalarValue::Integer(_), Value::String(right)) => {
                    text.starts_with('0') && **text == **right
                }
                _ => false,
            };
            if same { Ok(()) } else { differs() }
        }
        _ => differs(),
    }
}

#[test]
fn every_manifest_reads_as_an_independent_reader_has_it() {
    let mut files = Vec::new();
    yaml_files(Path::new("tests/data/manifests"), &mut files);
    files.sort();
    assert!(files.len() > 80, "only {} files", files.len());
    let (mut documents, mut duplicates) = (0, 0);
    for path in &files {
        let text = std::fs::read_to_string(path).expect("the test data are text");
        let (ours, said, sources) = read(&text, Dialect::Core);
        let name = path.display();
        if said.iter().any(|one| one.code() == codes::DUPLICATE_KEY) {
            // A rendered chart that Helm installs, and the other reader refuses.
            duplicates += 1;
            continue;
        }
        assert!(said.is_empty(), "{name}\n{}", render_all(&said, &sources, Colour::Plain));
        let theirs = serde_yaml::Deserializer::from_str(&text);
        let theirs =
            theirs.map(|one| serde_yaml::Value::deserialize(one).expect("they read it too"));
        let theirs: Vec<_> = theirs.filter(|one| !one.is_null()).collect();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (left, right) in ours.iter().zip(&theirs) {
            compare(left, right, "").unwrap_or_else(|difference| panic!("{name}{difference}"));
        }
        documents += ours.len();
    }
    assert!(documents > 200, "only {documents} documents");
    assert!(duplicates < 4, "{duplicates} files have duplicate keys");
}

#[test]
fn the_span_of_every_scalar_holds_its_text() {
    fn visit(node: &Node, sources: &Sources, seen: &mut usize) {
        match &node.kind {
            Kind::Scalar(scalar) if scalar.plain && !scalar.text.is_empty() => {
                let written = sources.text(node.span);
                let folded: Vec<&str> = written.split_whitespace().collect();
                assert_eq!(
                    folded.join(" "),
                    scalar.text.split_whitespace().collect::<Vec<_>>().join(" ")
                );
                *seen += 1;
            }
            Kind::Scalar(_) => {}
            Kind::Sequence(items) => items.iter().for_each(|item| visit(item, sources, seen)),
            Kind::Mapping(entries) => {
                for entry in entries.iter() {
                    let written = sources.text(entry.key_span).trim_matches(['"', '\'']);
                    assert_eq!(written, &*entry.key);
                    visit(&entry.value, sources, seen);
                }
            }
        }
    }
    let mut files = Vec::new();
    yaml_files(Path::new("tests/data/manifests"), &mut files);
    let mut seen = 0;
    for path in &files {
        let text = std::fs::read_to_string(path).expect("the test data are text");
        let (documents, _, sources) = read(&text, Dialect::Core);
        documents.iter().for_each(|document| visit(document, &sources, &mut seen));
    }
    assert!(seen > 10_000, "only {seen} scalars");
}

/// A tree in one line of JSON-like notation.
fn shape(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar(Scalar { text, value, .. }) => match value {
            ScalarValue::Text => format!("{text:?}"),
            ScalarValue::Null => "null".to_owned(),
            ScalarValue::Boolean(truth) => truth.to_string(),
            ScalarValue::Integer(number) => number.to_string(),
            ScalarValue::Float(number) => format!("{number:?}"),
        },
        Kind::Sequence(items) => {
            format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(", "))
        }
        Kind::Mapping(entries) => {
            let pair = |entry: &aurelius_sim::input::yaml::Entry| {
                format!("{}: {}", entry.key, shape(&entry.value))
            };
            format!("{{{}}}", entries.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
    }
}

#[track_caller]
fn shapes(text: &str, dialect: Dialect, expected: &[&str]) {
    let (documents, said, sources) = read(text, dialect);
    assert!(said.is_empty(), "{}", render_all(&said, &sources, Colour::Plain));
    assert_eq!(documents.iter().map(shape).collect::<Vec<_>>(), expected, "{text}");
}

#[test]
fn documents_and_their_forms() {
    shapes("", Dialect::Core, &[]);
    shapes("# nothing\n---\n# here\n---\n", Dialect::Core, &[]);
    shapes("a: 1\n---\n---\nb: 2\n...\n", Dialect::Core, &["{a: 1}", "{b: 2}"]);
    shapes("\u{feff}a:\r\n  - 1\r\n  - \"x\\ty\"\r\n", Dialect::Core, &["{a: [1, \"x\\ty\"]}"]);
    shapes("größe: \"ünï\"\n", Dialect::Core, &["{größe: \"ünï\"}"]);
    shapes(
        "{\n\t\"a\": [1, true, null, 1e3],\n\t\"b\": {}\n}\n",
        Dialect::Yaml11,
        &["{a: [1, true, null, 1000.0], b: {}}"],
    );
    shapes("a: |\n  x\n  y\nb: >-\n  x\n  y\n", Dialect::Core, &[r#"{a: "x\ny\n", b: "x y"}"#]);
    shapes("a:\nb: ~\nc: ''\n", Dialect::Core, &[r#"{a: null, b: null, c: ""}"#]);
}

#[test]
fn keys_become_text_as_json_has_it_in_manifests_only() {
    shapes("y: 1\n0x10: 2\n8080: 3\n", Dialect::Yaml11, &["{true: 1, 16: 2, 8080: 3}"]);
    shapes("y: 1\n0x10: 2\n", Dialect::Core, &["{y: 1, 0x10: 2}"]);
}

#[test]
fn aliases_and_merge_keys() {
    shapes("a: &x {p: 1, q: 2}\nb: *x\n", Dialect::Core, &["{a: {p: 1, q: 2}, b: {p: 1, q: 2}}"]);
    shapes(
        "base: &x {p: 1, q: 2}\nother: &y {q: 3, r: 4}\nc:\n  <<: [*x, *y]\n  p: 0\n",
        Dialect::Core,
        &["{base: {p: 1, q: 2}, other: {q: 3, r: 4}, c: {p: 0, q: 2, r: 4}}"],
    );
    shapes("a: {\"<<\": 1}\n", Dialect::Core, &["{a: {<<: 1}}"]);
}

fn refused(text: &str) -> String {
    let (_, said, sources) = read(text, Dialect::Yaml11);
    assert!(!said.is_empty(), "{text} was taken");
    render_all(&said, &sources, Colour::Plain)
}

#[track_caller]
fn refuses(text: &str, expected: &Expect) {
    expected.assert_eq(&refused(text));
}

#[test]
fn misindented_siblings() {
    refuses(
        "autoscaling:\n  enabled: true\n  minReplicas: 6\n   maxReplicas: 40\n",
        &expect![[r#"
        error[AUR001]: invalid YAML: `maxReplicas` is indented 3 spaces, its siblings 2
         --> a.yaml:4:1
          |
        3 |   minReplicas: 6
          |   ----------- siblings start at column 3
        4 |    maxReplicas: 40
          | ^^^ one space too many: YAML reads this line as a continuation of `6`
          |
          = note: the parser's own words: mapping values are not allowed in this context (line 4, column 15)
        help: remove one space
          |
        4 |   maxReplicas: 40
          |
    "#]],
    );
    refuses(
        "a:\n    b: 1\n  c: 2\n",
        &expect![[r#"
        error[AUR001]: invalid YAML: `c` is indented 2 spaces, its siblings 4
         --> a.yaml:3:1
          |
        2 |     b: 1
          |     - siblings start at column 5
        3 |   c: 2
          | ^^ 2 spaces too few
          |
          = note: the parser's own words: while parsing a block mapping, did not find expected key (line 3, column 3)
        help: add 2 spaces
          |
        3 |     c: 2
          |   ++
    "#]],
    );
}

#[test]
fn misindented_items_and_windows_line_ends() {
    refuses(
        "- name: a\n image: b\n",
        &expect![[r#"
        error[AUR001]: invalid YAML: `image` is indented 1 space, its siblings 2
         --> a.yaml:2:1
          |
        1 | - name: a
          |   ---- siblings start at column 3
        2 |  image: b
          | ^ one space too few
          |
          = note: the parser's own words: while parsing a block collection, did not find expected '-' indicator (line 2, column 2)
        help: add one space
          |
        2 |   image: b
          |  +
    "#]],
    );
    refuses(
        "a: 1\r\nb:\r\n  c: 2\r\n   d: 3\r\n",
        &expect![[r#"
        error[AUR001]: invalid YAML: `d` is indented 3 spaces, its siblings 2
         --> a.yaml:4:1
          |
        3 |   c: 2
          |   - siblings start at column 3
        4 |    d: 3
          | ^^^ one space too many: YAML reads this line as a continuation of `2`
          |
          = note: the parser's own words: mapping values are not allowed in this context (line 4, column 5)
        help: remove one space
          |
        4 |   d: 3
          |
    "#]],
    );
}

#[test]
fn tabs_colons_and_template_lines() {
    refuses(
        "a:\n\tb: 1\n",
        &expect![[r#"
        error[AUR001]: invalid YAML: line 2 is indented with a tab
         --> a.yaml:2:1
          |
        2 |     b: 1
          | ^^^^ YAML takes only spaces here
          |
          = note: the parser's own words: tabs disallowed within this context (block indentation) (line 2, column 2)
        help: use spaces
          |
        2 |   b: 1
          | ++
    "#]],
    );
    refuses(
        "a:\n  b: c: d\n",
        &expect![[r#"
        error[AUR001]: invalid YAML: text with `: ` in it needs quotes
         --> a.yaml:2:6
          |
        2 |   b: c: d
          |      ^^^^ the second colon makes this a mapping on one line
          |
          = note: the parser's own words: mapping values are not allowed in this context (line 2, column 7)
        help: put it in quotes
          |
        2 -   b: c: d
        2 +   b: "c: d"
          |
    "#]],
    );
    refuses(
        "a:\n  {{- if .Values.x }}\n  b: 1\n  {{- end }}\n",
        &expect![[r#"
        error[AUR001]: invalid YAML: template markup that was not rendered
         --> a.yaml:2:3
          |
        2 |   {{- if .Values.x }}
          |   ^^^^^^^^^^^^^^^^^^^ this is for Helm's template engine
          |
          = note: the parser's own words: "-" is only valid inside a block (line 2, column 5)
          = help: give the rendered objects: `helm template RELEASE CHART > rendered.yaml`
    "#]],
    );
}

#[test]
fn markup_quotes_and_indicators() {
    refuses(
        "a: {{ .Values.x }}\n",
        &expect![[r#"
            error[AUR001]: invalid YAML: template markup that was not rendered
             --> a.yaml:1:4
              |
            1 | a: {{ .Values.x }}
              |    ^^^^^^^^^^^^^^^ this is for Helm's template engine
              |
              = help: give the rendered objects: `helm template RELEASE CHART > rendered.yaml`
        "#]],
    );
    refuses(
        "a: \"no end\nb: 1\n",
        &expect![[r#"
        error[AUR001]: invalid YAML: unclosed quote
         --> a.yaml:1:4
          |
        1 | a: "no end
          |    ^ noticed here
    "#]],
    );
    refuses(
        "a: *nobody\n",
        &expect![[r#"
            error[AUR001]: invalid YAML: while parsing node, found unknown anchor
             --> a.yaml:1:4
              |
            1 | a: *nobody
              |    ^ noticed here
              |
              = note: `*name` stands for what an anchor `&name` marks elsewhere, and there is none
              = help: text that begins with `*` needs quotes
        "#]],
    );
    refuses(
        "a: @x\n",
        &expect![[r#"
            error[AUR001]: invalid YAML: unexpected character: `@'
             --> a.yaml:1:4
              |
            1 | a: @x
              |    ^ noticed here
              |
              = help: text that begins with `@`, `%` or a backtick needs quotes
        "#]],
    );
}

#[test]
fn duplicate_keys_name_both_places_and_do_not_stop_the_reader() {
    let text = "a: 1\nb:\n  c: 1\n  \"c\": 2\na: 2\n";
    refuses(
        text,
        &expect![[r#"
            warning[AUR002]: duplicate key `c`
             --> a.yaml:4:3
              |
            3 |   c: 1
              |   - first written here
            4 |   "c": 2
              |   ^^^ written again here
              |
              = note: the last value counts, as Helm has it; kubectl refuses the object under strict validation

            warning[AUR002]: duplicate key `a`
             --> a.yaml:5:1
              |
            1 | a: 1
              | - first written here
            ...
            5 | a: 2
              | ^ written again here
              |
              = note: the last value counts, as Helm has it; kubectl refuses the object under strict validation
        "#]],
    );
    let (documents, _, _) = read(text, Dialect::Yaml11);
    assert_eq!(shape(&documents[0]), "{a: 2, b: {c: 2}}");
}

#[test]
fn keys_and_merges_that_cannot_be() {
    refuses(
        "? [1]\n: 2\n",
        &expect![[r#"
            error[AUR001]: invalid YAML: a mapping or list cannot be a key
             --> a.yaml:1:3
              |
            1 | ? [1]
              |   ^
        "#]],
    );
    refuses(
        "a: &a [*a]\n",
        &expect![[r#"
        error[AUR001]: invalid YAML: an alias inside the node that it names
         --> a.yaml:1:8
          |
        1 | a: &a [*a]
          |        ^^ this would repeat without end
    "#]],
    );
    refuses(
        "a: {<<: 3}\n",
        &expect![[r#"
        error[AUR001]: `<<` merges a mapping or a list of mappings, not the number `3`
         --> a.yaml:1:9
          |
        1 | a: {<<: 3}
          |         ^
    "#]],
    );
}

fn first_code(text: &str) -> codes::Code {
    read(text, Dialect::Yaml11).1[0].code()
}

#[test]
fn bombs_are_refused_in_no_time() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let inner = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{inner}]").expect("memory takes all");
    }
    assert_eq!(first_code(&laughs), codes::ALIAS_BUDGET);
    let many = format!("a: &a 1\nb: [{}]\n", vec!["*a"; 50_001].join(", "));
    assert_eq!(first_code(&many), codes::ALIAS_BUDGET);
    let fits = format!("a: &a 1\nb: [{}]\n", vec!["*a"; 50_000].join(", "));
    assert!(read(&fits, Dialect::Yaml11).1.is_empty());
    for opener in ["[", "- ", "{a: ", "{a: [", "[{"] {
        assert_eq!(first_code(&opener.repeat(100_000)), codes::NESTING_TOO_DEEP, "{opener}");
    }
    let stairs: String = (0..5_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(first_code(&stairs), codes::NESTING_TOO_DEEP);
    let mut by_alias = "a0: &a0 [x]\n".to_owned();
    for level in 1..80 {
        writeln!(by_alias, "a{level}: &a{level} [*a{}]", level - 1).expect("memory takes all");
    }
    assert_eq!(first_code(&by_alias), codes::NESTING_TOO_DEEP);
}

#[test]
fn a_fault_keeps_the_documents_before_it() {
    let (documents, said, _) = read("a: 1\n---\nb: [1\n", Dialect::Core);
    assert_eq!((documents.len(), said.len()), (1, 1));
}

/// Text made of the pieces that YAML readers stumble over.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b: ",
        ": ",
        "- ",
        "? ",
        "\n",
        "\n  ",
        "\n   ",
        "\n\t",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "!x ",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "\\",
        "#",
        " ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\r",
        "\u{feff}",
        "é",
        "\u{2028}",
        "0x",
        "1e3",
        "~",
        "@",
        "`",
        "{{ x }}",
        "\0",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_yaml_like_text(text in yaml_like()) {
        for dialect in [Dialect::Core, Dialect::Yaml11] {
            let (_, said, sources) = read(&text, dialect);
            let _ = render_all(&said, &sources, Colour::Plain);
            let _ = render_all(&said, &sources, Colour::Coloured);
        }
    }

    #[test]
    fn nothing_panics_on_any_text(text in "\\PC{0,200}") {
        let (_, said, sources) = read(&text, Dialect::Yaml11);
        let _ = render_all(&said, &sources, Colour::Plain);
    }

    #[test]
    fn nothing_panics_on_damaged_manifests(cut in 0_usize..8_000, junk in yaml_like(), keep in 0_usize..8_000) {
        let text = include_str!("data/manifests/k8s-api-testdata/autoscaling.v2.HorizontalPodAutoscaler.yaml");
        let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let damaged = format!("{}{junk}{}", &text[..boundary(cut)], &text[boundary(keep)..]);
        let (_, said, sources) = read(&damaged, Dialect::Yaml11);
        let _ = render_all(&said, &sources, Colour::Plain);
    }
}
