//! Values against Helm's own table of answers, in our own cases.

use super::*;

fn set(base: &str, inputs: &ValueInputs) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("values.yaml");
    std::fs::write(&path, base).expect("it can be written");
    let mut inputs = inputs.clone();
    inputs.files.insert(0, path);
    let (diagnostics, mut sources) = (Diagnostics::new(), Sources::new());
    let values = user_values(&inputs, &[], &mut sources, &diagnostics);
    let said = diagnostics.sorted().iter().map(|said| said.message().to_owned()).collect();
    (values.merged.to_node().to_json(), said)
}

fn plain(base: &str, text: &str) -> Result<String, String> {
    let (values, said) =
        set(base, &ValueInputs { set: vec![text.to_owned()], ..Default::default() });
    if said.is_empty() { Ok(values) } else { Err(said.join("; ")) }
}

#[test]
fn the_grammar_of_set() {
    for (base, text, expected) in [
        ("", "a=1", r#"{"a":1}"#),
        ("", "a=1,b=x", r#"{"a":1,"b":"x"}"#),
        ("", "a.b.c=true", r#"{"a":{"b":{"c":true}}}"#),
        (
            "",
            "a=TRUE,b=Null,c=0,d=01,e=-3,f=1.5",
            r#"{"a":true,"b":null,"c":0,"d":"01","e":-3,"f":"1.5"}"#,
        ),
        ("", "a=", r#"{"a":""}"#),
        ("", "a=,b=1", r#"{"a":"","b":1}"#),
        ("", r"a\.b=1\,2", r#"{"a.b":"1,2"}"#),
        ("", "a={1,x,null}", r#"{"a":[1,"x",null]}"#),
        ("", "a={1},b=2", r#"{"a":[1],"b":2}"#),
        ("", "a[2]=x", r#"{"a":[null,null,"x"]}"#),
        ("a: [1, 2]", "a[0]=x", r#"{"a":["x",2]}"#),
        ("a: [{b: 1}]", "a[0].c=2", r#"{"a":[{"b":1,"c":2}]}"#),
        ("a: [1]", "a[0].c=2", r#"{"a":[{"c":2}]}"#),
        ("", "a[0][1]=x", r#"{"a":[[null,"x"]]}"#),
        ("a: {b: 1}", "a.c=2", r#"{"a":{"b":1,"c":2}}"#),
        ("a: {b: 1}", "a=null", r#"{"a":null}"#),
        ("", "=1", "{}"),
        ("", "a[0]", r#"{"a":[]}"#),
        ("", "", "{}"),
    ] {
        assert_eq!(plain(base, text).as_deref(), Ok(expected), "{base} | {text}");
    }
}

#[test]
fn what_helm_refuses_is_refused_with_its_cause() {
    for (base, text, expected) in [
        ("", "a", "key \"a\" has no value"),
        ("", "a,b=1", "cannot end with ,"),
        ("", "a.=1", "key map \"a\" has no value"),
        ("", "a[x]=1", "`x` is no number"),
        ("", "a[-1]=1", "negative -1"),
        ("", "a[0", "not closed"),
        ("", "a[0]b=1", "unexpected data"),
        ("", "a[65537]=1", "greater than maximum"),
        ("", "a={1,2", "must terminate"),
        ("a: x", "a.b=1", "`a` is text `x`, so nothing can be set in it"),
        ("a: x", "a[0]=1", "`a` is text `x`"),
        ("a: null", "a.b=1", "`a` is null"),
    ] {
        let error = plain(base, text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    let deep = format!("{}x=1", "a.".repeat(31));
    assert!(plain("", &deep).expect_err("too deep").contains("nested deeper"));
    let brackets = format!("a{}=1", "[0]".repeat(100_000));
    assert!(plain("", &brackets).expect_err("too deep").contains("nested deeper"));
}

#[test]
fn the_other_options_come_in_helms_order() {
    let inputs = ValueInputs {
        set_literal: vec!["lit.x=a,b=c".to_owned()],
        set_string: vec!["a=1,n=2".to_owned()],
        set: vec!["a=5,n=6,m=7".to_owned()],
        set_json: vec![r#"j={"k":[1,2.5]},m=1"#.to_owned(), r#"{"o":{"p":true}}"#.to_owned()],
        ..Default::default()
    };
    let (values, said) = set("o: {q: 1}", &inputs);
    assert_eq!(said, Vec::<String>::new());
    assert_eq!(
        values,
        r#"{"a":"1","j":{"k":[1,2.5]},"lit":{"x":"a,b=c"},"m":7,"n":"2","o":{"p":true,"q":1}}"#
    );
}

#[test]
fn a_null_for_a_chart_inside_the_chart_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
        std::fs::write(&path, text).expect("it can be written");
        path
    };
    write("Chart.yaml", "name: shop\nversion: 1.0.0\n");
    write("charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n");
    write("charts/db/values.yaml", "size: {disk: 8Gi, cpu: 1}\n");
    let files = vec![write("one.yaml", "db: {size: {disk: null, new: null}}\nother: null\n")];
    let (diagnostics, mut sources) = (Diagnostics::new(), Sources::new());
    let inputs = ValueInputs { files, ..Default::default() };
    let user = user_values(&inputs, &[], &mut sources, &diagnostics);
    let chart = Chart::read(folder.path(), None, &mut sources, &diagnostics).expect("a chart");
    let _ = over_chart(user, &chart, &diagnostics);
    let said: Vec<_> = diagnostics.sorted().iter().map(|it| it.message().to_owned()).collect();
    assert_eq!(said, ["`disk` is null for the chart `db` inside the chart"]);
}

#[test]
fn later_files_win_and_null_stays_until_the_chart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        path
    };
    write("Chart.yaml", "name: shop\nversion: 1.0.0\n");
    write("values.yaml", "a: {b: 1, c: 2}\nd: [1, 2]\ne: x\nnothing: null\n");
    let files = vec![
        write("one.yaml", "a: {b: 3}\nd: [9]\n---\nf: 1\n"),
        write("two.yaml", "a: {c: null}\ne: null\ng: null\n"),
    ];
    let (diagnostics, mut sources) = (Diagnostics::new(), Sources::new());
    let inputs = ValueInputs { files, ..Default::default() };
    let user = user_values(&inputs, &[], &mut sources, &diagnostics);
    let chart = Chart::read(folder.path(), None, &mut sources, &diagnostics).expect("a chart");
    let values = over_chart(user, &chart, &diagnostics);
    assert_eq!(
        values.merged.to_node().to_json(),
        r#"{"a":{"b":3},"d":[9],"f":1,"g":null,"nothing":null}"#
    );
    let b = values.merged.get("a").and_then(|a| a.at(&["b"])).expect("it is there");
    assert!(sources.origin(b.span()).to_string().ends_with("one.yaml:1"));
}

/// A chart with a packed one inside it: its defaults are below, an alias names it, a condition switches
/// its twin off, and what it exports is taken over.
#[test]
fn packed_charts_are_read_like_folders() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
        std::fs::write(&path, text).expect("it can be written");
        path
    };
    write("db/Chart.yaml", "name: db\nversion: 2.1.0\n");
    write("db/values.yaml", "size: 8Gi\nreplicas: 1\nexports: {ports: {db: 5432}}\n");
    let packed = std::fs::File::create(folder.path().join("db.tgz")).expect("it can be made");
    let packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    let mut archive = tar::Builder::new(packed);
    archive.append_dir_all("db", folder.path().join("db")).expect("it can be read");
    archive.into_inner().and_then(flate2::write::GzEncoder::finish).expect("it can be written");
    write(
        "shop/Chart.yaml",
        "name: shop\nversion: 1.0.0\ndependencies:\n\
         - {name: db, version: 2.x.x, alias: orders, import-values: [ports, none]}\n\
         - {name: db, version: ^2.0.0, alias: twin, condition: twin.enabled}\n\
         - {name: cache, version: 1.0.0}\n",
    );
    write("shop/values.yaml", "orders: {replicas: 2}\ntwin: {enabled: false}\n");
    std::fs::create_dir_all(folder.path().join("shop/charts")).expect("it can be made");
    let inside = folder.path().join("shop/charts/db-2.1.0.tgz");
    std::fs::rename(folder.path().join("db.tgz"), inside).expect("it can be moved");
    let (diagnostics, mut sources) = (Diagnostics::new(), Sources::new());
    let user = user_values(&ValueInputs::default(), &[], &mut sources, &diagnostics);
    let chart = folder.path().join("shop");
    let chart = Chart::read(&chart, None, &mut sources, &diagnostics).expect("a chart");
    let values = over_chart(user, &chart, &diagnostics);
    assert_eq!(
        values.merged.to_node().to_json(),
        r#"{"db":5432,"orders":{"exports":{"ports":{"db":5432}},"global":{},"replicas":2,"size":"8Gi"},"twin":{"enabled":false}}"#
    );
    let said: Vec<_> = diagnostics.sorted().iter().map(|it| it.message().to_owned()).collect();
    assert_eq!(
        said,
        [
            "nothing is imported: the chart `orders` has no table `exports.none`",
            "the chart `cache` is a dependency and not in `charts/`"
        ]
    );
    let size = values.merged.get("orders").and_then(|it| it.at(&["size"])).expect("it is there");
    let origin = sources.origin(size.span()).to_string();
    assert!(origin.ends_with("shop/charts/db-2.1.0.tgz/values.yaml:1"), "{origin}");
    let overridden = values.layers.iter().filter(|layer| layer.table.get("orders").is_some());
    assert_eq!(overridden.count(), 2, "the chart inside is a layer of its own");
}
