//! Random values, random arguments, and the real Helm to compare with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aurelius_sim::input::diagnostic::Diagnostics;
use aurelius_sim::input::source::Sources;
use aurelius_sim::input::values::{Chart, ValueInputs, over_chart, user_values};
use aurelius_sim::input::yaml::{Dialect, Node, parse};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde_json::Value;

/// Whether there is a Helm to compare with: `.ci/run` has one, a plain `cargo test` need not.
pub(crate) fn has_helm() -> bool {
    let found = std::env::var_os("AURELIUS_HELM").is_some();
    if !found {
        eprintln!("AURELIUS_HELM names no Helm 4 (see .ci/helm): nothing is compared");
    }
    found
}

/// The helm that `.ci/helm` printed.
fn helm() -> PathBuf {
    std::env::var_os("AURELIUS_HELM").map(PathBuf::from).unwrap_or_default()
}

/// Has `helm create` write a chart.
pub(crate) fn create(chart: &Path) {
    let output = Command::new(helm()).arg("create").arg(chart).output().expect("helm can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs `helm template` with values; its output, or what it says.
pub(crate) fn template(chart: &Path, inputs: &ValueInputs) -> Result<String, String> {
    let mut command = Command::new(helm());
    command.args(["template", "release"]).arg(chart).args(["--kube-version", "1.36.0"]);
    for file in &inputs.files {
        command.arg("--values").arg(file);
    }
    for (option, texts) in [
        ("--set-json", &inputs.set_json),
        ("--set", &inputs.set),
        ("--set-string", &inputs.set_string),
        ("--set-file", &inputs.set_file),
        ("--set-literal", &inputs.set_literal),
    ] {
        for text in texts {
            command.arg(option).arg(text);
        }
    }
    let output = command.output().expect("helm can be run");
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).expect("helm writes UTF-8"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A generator of charts and values whose keys meet often.
pub(crate) struct Dice(Pcg64Mcg);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0.random_range(0..most)
    }

    pub(crate) fn pick<'p, T: ?Sized>(&mut self, from: &[&'p T]) -> &'p T {
        from[self.below(from.len())]
    }

    fn key(&mut self) -> &'static str {
        self.pick(&["a", "b", "c", "dot.ted", "inner", "global"])
    }

    fn scalar(&mut self) -> &'static str {
        self.pick(&[
            "1",
            "0",
            "-7",
            "2.5",
            "1e3",
            "0755",
            "0x1F",
            "1_000",
            "true",
            "no",
            "on",
            "null",
            "~",
            "text",
            "\"quoted\"",
            "'12'",
            "512Mi",
            "\"\"",
            "12:30",
            "2001-01-01",
            "y",
            "0o17",
        ])
    }

    /// A value as flow YAML.
    fn value(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 3 } else { 8 }) {
            0..=2 => self.scalar().to_owned(),
            3 => {
                let items: Vec<String> =
                    (0..self.below(3)).map(|_| self.value(depth - 1)).collect();
                format!("[{}]", items.join(", "))
            }
            _ => self.mapping(depth - 1),
        }
    }

    fn mapping(&mut self, depth: usize) -> String {
        let mut seen = Vec::new();
        for _ in 0..self.below(4) {
            let key = self.key();
            if !seen.contains(&key) {
                seen.push(key);
            }
        }
        let entries: Vec<String> =
            seen.iter().map(|key| format!("{key}: {}", self.value(depth))).collect();
        format!("{{{}}}", entries.join(", "))
    }

    /// Values of a file: keys of the top are mappings more often than not.
    fn values(&mut self) -> String {
        let mut text = String::new();
        for key in ["a", "b", "c", "inner"] {
            if self.below(3) > 0 {
                // Mostly what a chart of that name can take.
                let mapping = key == "inner" && self.below(6) > 0;
                let value = if mapping { self.mapping(2) } else { self.value(3) };
                text.push_str(&format!("{key}: {value}\n"));
            }
        }
        if self.below(3) == 0 {
            text.push_str(&format!("global: {}\n", self.mapping(2)));
        }
        text
    }

    fn path(&mut self) -> String {
        let mut path = self.pick(&["a", "b", "c", "inner", "dot\\.ted", "new"]).to_owned();
        for _ in 0..self.below(3) {
            match self.below(4) {
                0 => path.push_str(&format!("[{}]", self.below(4))),
                _ => path.push_str(&format!(".{}", self.pick(&["a", "b", "c", "dot\\.ted"]))),
            }
        }
        path
    }

    /// An argument of `--set`; one in ten is nonsense.
    pub(crate) fn assignment(&mut self) -> String {
        if self.below(10) == 0 {
            return self
                .pick(&[
                    "a",
                    "a,b=1",
                    "a.=1",
                    "a[x]=1",
                    "a[-1]=1",
                    "a={1,2",
                    "a[0]b=2",
                    "=1",
                    "a[0]",
                    "",
                    "a.b.",
                    "a=1,",
                    "a[1]=",
                    "a={}",
                    "a={,}",
                    "a.b={x}c=1",
                    "a=b=c",
                    "a\\=b=1",
                    "a[0][1][0]=z",
                    "a=\\",
                ])
                .to_owned();
        }
        let value = self.pick(&[
            "1",
            "0",
            "01",
            "-3",
            "1.5",
            "true",
            "FALSE",
            "null",
            "x",
            "",
            "{1,x,null}",
            "{}",
            "a\\,b",
            "512Mi",
            "9223372036854775808",
            "x y",
            "ä",
        ]);
        let first = format!("{}={value}", self.path());
        if self.below(4) == 0 { format!("{first},{}=z", self.path()) } else { first }
    }

    fn json(&mut self) -> String {
        let value = self.pick(&[
            "1",
            "2.5",
            "\"x\"",
            "null",
            "true",
            "[1,{\"a\":null}]",
            "{\"a\":{\"b\":1}}",
            "",
            "{x",
        ]);
        match self.below(4) {
            0 => format!("{{\"a\":{{\"b\":{}}}}}", if value.is_empty() { "1" } else { value }),
            _ => format!("{}={value}", self.path()),
        }
    }

    /// A chart in a folder, mostly with charts inside it: in folders or packed, listed with aliases,
    /// conditions, tags and imports, or not listed at all.
    pub(crate) fn chart(&mut self, folder: &Path) {
        self.write_chart(folder, "outer", 2);
    }

    fn write_chart(&mut self, folder: &Path, name: &str, depth: usize) {
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
            fs::write(path, text).expect("it can be written");
        };
        let shown = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n\
             data: {{values: {{{{ .Values | toJson | quote }}}}}}\n"
        );
        let mut values = self.values();
        if self.below(2) == 0 {
            // Where nulls or tables of two imports meet, Helm writes into the charts they come from.
            let data =
                self.pick(&["{a: 1, b: [x]}", "{dot.ted: yes, c: {}}", "{new: {x: 1}}", "{}"]);
            values.push_str(&format!("exports: {{data: {data}, more: {{a: {{b: 1}}}}}}\n"));
        }
        if self.below(3) == 0 {
            let truth = self.pick(&["true", "false", "1"]);
            values.push_str(&format!("tags: {{front: {truth}, back: false}}\nenabled: {truth}\n"));
        }
        write("values.yaml", &values);
        write("templates/values.yaml", &shown);
        let inside: &[&str] = match depth {
            2 => &["inner", "other"],
            1 => &["deep"],
            _ => &[],
        };
        let mut listed = Vec::new();
        for &inner in inside {
            if self.below(3) == 0 {
                continue;
            }
            let path = folder.join("charts").join(inner);
            self.write_chart(&path, inner, depth - 1);
            if self.below(2) == 0 {
                pack(&path, inner);
            }
            for at in 0..self.below(3) {
                listed.push(self.dependency(inner, at));
            }
        }
        let mut head = format!("apiVersion: v2\nname: {name}\nversion: 1.2.3\n");
        if !listed.is_empty() {
            head.push_str(&format!("dependencies:\n{}", listed.concat()));
        }
        write("Chart.yaml", &head);
    }

    /// An entry of `dependencies`.
    fn dependency(&mut self, name: &str, at: usize) -> String {
        let range = self.pick(&["1.2.3", "1.x.x", "^1.0", "~1.2", ">=1.0.0 <2.0.0", "*", "2.0.0"]);
        let mut entry = format!("  - name: {name}\n    version: \"{range}\"\n");
        if at == 1 || self.below(4) == 0 {
            let alias = self.pick(&[["again", "fresh"], ["twin", "new"]][at]);
            entry.push_str(&format!("    alias: {alias}\n"));
        }
        if self.below(2) == 0 {
            let condition = self.pick(&[
                "a.b",
                "inner.enabled",
                "deep.enabled",
                "again.enabled,a.b",
                "c.a, a.b",
                "enabled",
                "b,inner.a",
            ]);
            entry.push_str(&format!("    condition: {condition}\n"));
        }
        if self.below(3) == 0 {
            entry.push_str(&format!(
                "    tags: [{}]\n",
                self.pick(&["front", "back", "front, back", "no"])
            ));
        }
        if self.below(3) == 0 {
            let imports = self.pick(&[
                "[data]",
                "[data, more]",
                "[{child: a, parent: b}]",
                "[{child: exports.data, parent: .}]",
                "[{child: a, parent: a.b.new}, more]",
                "[nothing]",
            ]);
            entry.push_str(&format!("    import-values: {imports}\n"));
        }
        entry
    }

    /// Files and arguments over a chart.
    pub(crate) fn inputs(&mut self, folder: &Path) -> ValueInputs {
        let mut inputs = ValueInputs::default();
        for at in 0..self.below(4) {
            let path = folder.join(format!("over-{at}.yaml"));
            let mut text = self.values();
            if self.below(6) == 0 {
                text.push_str("---\n");
                text.push_str(&self.values());
            }
            fs::write(&path, text).expect("it can be written");
            inputs.files.push(path);
        }
        for _ in 0..self.below(3) {
            inputs.set.push(self.assignment());
        }
        match self.below(8) {
            0 => inputs.set_string.push(self.assignment()),
            1 => inputs.set_json.push(self.json()),
            2 => inputs.set_literal.push(format!("{}=x,y={{z}}", self.path())),
            3 => {
                let path = folder.join("text.txt");
                fs::write(&path, "from a file\n").expect("it can be written");
                inputs.set_file.push(format!("{}={}", self.path(), path.display()));
            }
            _ => {}
        }
        inputs
    }
}

/// Packs a chart as `helm package` does and takes its folder away.
pub(crate) fn pack(folder: &Path, name: &str) {
    let file = fs::File::create(folder.with_file_name(format!("{name}-1.2.3.tgz")));
    let writer = flate2::write::GzEncoder::new(
        file.expect("it can be written"),
        flate2::Compression::fast(),
    );
    let mut archive = tar::Builder::new(writer);
    archive.append_dir_all(name, folder).expect("it can be read");
    archive.into_inner().and_then(flate2::write::GzEncoder::finish).expect("it can be written");
    fs::remove_dir_all(folder).expect("it can be taken away");
}

/// What we merge, or our errors.
pub(crate) fn ours(chart: &Path, inputs: &ValueInputs) -> Result<Value, String> {
    let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
    let user = user_values(inputs, &[], &mut sources, &diagnostics);
    let chart = Chart::read(chart, None, &mut sources, &diagnostics).expect("it is a chart");
    let values = over_chart(user, &chart, &diagnostics);
    if diagnostics.has_errors() {
        let said = diagnostics.sorted();
        return Err(said.iter().map(|said| said.message()).collect::<Vec<_>>().join("; "));
    }
    Ok(values.merged.to_node().to_json_value())
}

/// What Helm merges, out of the ConfigMap that shows it.
pub(crate) fn theirs(chart: &Path, inputs: &ValueInputs) -> Result<Value, String> {
    let text = template(chart, inputs)?;
    let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
    let file = sources.add("helm", &text);
    let documents = parse(&sources, file, Dialect::Yaml11, &diagnostics);
    let outer = documents.iter().find(|node| {
        node.get("metadata").and_then(|meta| meta.get("name")).and_then(Node::text) == Some("outer")
    });
    let values = outer.and_then(|node| node.get("data")?.get("values")).and_then(Node::text);
    let values = values.ok_or_else(|| format!("no values in {text}"))?;
    serde_json::from_str(values).map_err(|error| error.to_string())
}

/// Whether two values are the same where every number is a double, as it is in Helm.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|it| same(value, it)))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Value::Number(left), Value::Number(right)) => {
            left.as_f64().map(f64::to_bits) == right.as_f64().map(f64::to_bits)
        }
        _ => left == right,
    }
}
