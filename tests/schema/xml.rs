//! Validation of XML by a schema that says which elements, children, attributes and texts there are.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use regex::Regex;

/// What an element may have.
#[derive(Debug, Default, Clone)]
struct Element {
    children: BTreeSet<String>,
    attributes: BTreeSet<String>,
    required: BTreeSet<String>,
    /// Attributes whose values match a pattern.
    patterns: BTreeMap<String, String>,
    mixed: bool,
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.try_get_attribute(name).expect("attributes are well formed")?;
    Some(String::from_utf8_lossy(&found.value).into_owned())
}

/// A schema while it is read: order and number of children are free in the schemas that are used.
#[derive(Debug, Default)]
struct Xsd {
    all: BTreeMap<String, Element>,
    types: BTreeMap<String, Element>,
    /// Elements that are of a named type.
    kinds: BTreeMap<String, String>,
    /// Patterns of simple types.
    patterns: BTreeMap<String, String>,
    element: Option<String>,
    complex: Option<String>,
    simple: Option<String>,
}

impl Xsd {
    fn read(xsd: &str) -> BTreeMap<String, Element> {
        let mut schema = Self::default();
        let mut reader = Reader::from_str(xsd);
        loop {
            let event = reader.read_event().expect("the schema is XML");
            if let Event::Start(tag) | Event::Empty(tag) = &event {
                schema.open(tag);
            } else if let Event::End(tag) = &event {
                match tag.local_name().as_ref() {
                    b"complexType" => schema.complex = None,
                    b"simpleType" => schema.simple = None,
                    b"element" => schema.element = None,
                    _ => {}
                }
            } else if matches!(event, Event::Eof) {
                return schema.finish();
            }
        }
    }

    /// The element or type that is being described.
    fn owner(&mut self) -> Option<&mut Element> {
        match (&self.complex, &self.element) {
            (Some(kind), _) => Some(self.types.entry(kind.clone()).or_default()),
            (None, Some(name)) => Some(self.all.entry(name.clone()).or_default()),
            (None, None) => None,
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>) {
        let name = attribute(tag, "name");
        match tag.local_name().as_ref() {
            b"simpleType" => self.simple = name,
            b"pattern" => self.patterns.extend(self.simple.clone().zip(attribute(tag, "value"))),
            b"complexType" => {
                if name.is_some() {
                    self.complex = name;
                }
                let mixed = attribute(tag, "mixed").as_deref() == Some("true");
                if let Some(owner) = self.owner() {
                    owner.mixed = mixed;
                }
            }
            b"element" => {
                let child = attribute(tag, "ref").or(name).expect("an element has a name");
                if let Some(owner) = self.owner() {
                    owner.children.insert(child);
                    return;
                }
                self.all.entry(child.clone()).or_default();
                match attribute(tag, "type") {
                    Some(kind) => {
                        self.kinds.insert(child, kind);
                    }
                    None => self.element = Some(child),
                }
            }
            b"attribute" => {
                let name = name.expect("an attribute has a name");
                let Some(owner) = self.owner() else { return };
                if attribute(tag, "use").as_deref() == Some("required") {
                    owner.required.insert(name.clone());
                }
                owner.patterns.extend(attribute(tag, "type").map(|kind| (name.clone(), kind)));
                owner.attributes.insert(name);
            }
            _ => {}
        }
    }

    fn finish(self) -> BTreeMap<String, Element> {
        let Self { mut all, types, kinds, patterns, .. } = self;
        for (name, kind) in kinds {
            let element = types.get(&kind).cloned();
            // What is of a simple type holds text and nothing else.
            all.insert(name, element.unwrap_or(Element { mixed: true, ..Element::default() }));
        }
        for element in all.values_mut() {
            let named = std::mem::take(&mut element.patterns);
            let known = named.into_iter().filter_map(|(attribute, kind)| {
                Some((attribute, format!("^(?:{})$", patterns.get(&kind)?)))
            });
            element.patterns = known.collect();
        }
        all
    }
}

/// What is wrong with an XML document by a schema; empty when it conforms.
pub(crate) fn xml_faults(text: &str, xsd: &str) -> Vec<String> {
    let known = Xsd::read(xsd);
    let mut found = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut reader = Reader::from_str(text);
    loop {
        let event = match reader.read_event() {
            Ok(Event::Eof) => return found,
            Ok(event) => event,
            Err(error) => {
                found.push(format!("it is no XML: {error}"));
                return found;
            }
        };
        if let Event::Start(tag) | Event::Empty(tag) = &event {
            let name = String::from_utf8_lossy(tag.local_name().as_ref()).into_owned();
            found.extend(element_faults(tag, &name, open.last(), &known));
            if matches!(event, Event::Start(_)) {
                open.push(name);
            }
        } else if let Event::End(_) = event {
            open.pop();
        } else if let Event::Text(text) = &event {
            let blank = text.iter().all(u8::is_ascii_whitespace);
            let mixed = open.last().and_then(|name| known.get(name)).is_some_and(|it| it.mixed);
            if !blank && !mixed {
                found.push(format!("text is not allowed in {open:?}"));
            }
        }
    }
}

fn element_faults(
    tag: &BytesStart<'_>,
    name: &str,
    parent: Option<&String>,
    known: &BTreeMap<String, Element>,
) -> Vec<String> {
    let mut found = Vec::new();
    let Some(element) = known.get(name) else { return vec![format!("<{name}> is not known")] };
    if let Some(parent) = parent.and_then(|name| known.get(name))
        && !parent.children.contains(name)
    {
        found.push(format!("<{name}> stands where it may not"));
    }
    let mut seen = BTreeSet::new();
    for attribute in tag.attributes() {
        let attribute = attribute.expect("attributes are well formed");
        let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        let value = String::from_utf8_lossy(&attribute.value).into_owned();
        if !element.attributes.contains(&key) {
            found.push(format!("<{name}> has no attribute {key}"));
        }
        if let Some(pattern) = element.patterns.get(&key)
            && !Regex::new(pattern).expect("a pattern").is_match(&value)
        {
            found.push(format!("<{name} {key}={value}> does not match {pattern}"));
        }
        seen.insert(key);
    }
    found.extend(element.required.difference(&seen).map(|key| format!("<{name}> lacks {key}")));
    found
}
