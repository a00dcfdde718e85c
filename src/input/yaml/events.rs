//! The parser crate behind one door: its events and errors in our own words.

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{
    ErrorKind, Event as ParserEvent, Marker, Parser, ScalarStyle, StrInput, StructureStyle, Tag,
};

/// What the parser saw.
#[derive(Debug)]
pub(super) enum Event<'a> {
    DocumentStart,
    DocumentEnd,
    Alias { anchor: usize },
    Scalar { text: Cow<'a, str>, plain: bool, properties: Properties },
    SequenceStart { flow: bool, properties: Properties },
    SequenceEnd,
    MappingStart { flow: bool, properties: Properties },
    MappingEnd,
}

/// What may stand before a node: an anchor (0 is none) and a tag.
#[derive(Debug)]
pub(super) struct Properties {
    pub(super) anchor: usize,
    pub(super) tag: Option<NodeTag>,
}

/// An explicit tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NodeTag {
    /// One of YAML's own: `str`, `int`, `bool`, ...
    Own(String),
    /// `!` alone: text whatever it looks like.
    NonSpecific,
    /// Anybody else's, as written.
    Foreign(String),
}

/// Why the text is not YAML, with the byte at which the parser noticed.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) offset: usize,
    pub(super) class: SyntaxClass,
    /// The parser's own words.
    pub(super) words: String,
}

/// What the hints need to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SyntaxClass {
    TooDeep,
    Other,
}

/// The events of a text with their byte ranges; ends after the first error.
pub(super) struct Events<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    failed: bool,
}

impl<'a> Events<'a> {
    /// `depth` bounds the nesting that the scanner itself follows.
    pub(super) fn new(text: &'a str, depth: usize) -> Self {
        let mut options = granit_parser::options! {
            flow_nesting_limit: depth,
            block_nesting_limit: depth,
        };
        options.set_emit_comments(false);
        Self { text, parser: Parser::new_from_str_with_options(text, options), failed: false }
    }

    /// The byte offset of a marker. Markers of a text in memory carry it; counting is the way out
    /// if one does not.
    fn offset(&self, marker: &Marker) -> usize {
        let counted =
            || self.text.char_indices().nth(marker.index()).map_or(self.text.len(), |(at, _)| at);
        let mut offset = marker.byte_offset().unwrap_or_else(counted).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<(Event<'a>, Range<usize>), SyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            match self.parser.next_event()? {
                Ok((event, span)) => {
                    let start = self.offset(&span.start);
                    let range = start..self.offset(&span.end).max(start);
                    if let Some(event) = convert(event) {
                        return Some(Ok((event, range)));
                    }
                }
                Err(error) => {
                    self.failed = true;
                    let too_deep = matches!(error.kind(), ErrorKind::RecursionLimitExceeded);
                    let class = if too_deep { SyntaxClass::TooDeep } else { SyntaxClass::Other };
                    let offset = self.offset(error.marker());
                    return Some(Err(SyntaxError { offset, class, words: error.info() }));
                }
            }
        }
        None
    }
}

fn convert(event: ParserEvent<'_>) -> Option<Event<'_>> {
    Some(match event {
        ParserEvent::DocumentStart(..) => Event::DocumentStart,
        ParserEvent::DocumentEnd => Event::DocumentEnd,
        ParserEvent::Alias(anchor) => Event::Alias { anchor },
        ParserEvent::Scalar(text, style, anchor, tag) => {
            let plain = style == ScalarStyle::Plain;
            Event::Scalar { text, plain, properties: properties(anchor, tag) }
        }
        ParserEvent::SequenceStart(style, anchor, tag) => {
            let flow = style == StructureStyle::Flow;
            Event::SequenceStart { flow, properties: properties(anchor, tag) }
        }
        ParserEvent::SequenceEnd => Event::SequenceEnd,
        ParserEvent::MappingStart(style, anchor, tag) => {
            let flow = style == StructureStyle::Flow;
            Event::MappingStart { flow, properties: properties(anchor, tag) }
        }
        ParserEvent::MappingEnd => Event::MappingEnd,
        // Comments, anchors and unresolved aliases are not emitted with our options; events that a
        // later release of the parser adds are metadata by its own promise.
        ParserEvent::StreamStart
        | ParserEvent::StreamEnd
        | ParserEvent::Comment(..)
        | ParserEvent::Anchor(..)
        | ParserEvent::UnresolvedAlias(_)
        | _ => return None,
    })
}

fn properties(anchor: usize, tag: Option<Cow<'_, Tag>>) -> Properties {
    let tag = tag.map(|tag| match tag.core_suffix() {
        Some(own) => NodeTag::Own(own.to_owned()),
        None if tag.original() == "!" => NodeTag::NonSpecific,
        None => NodeTag::Foreign(tag.original()),
    });
    Properties { anchor, tag }
}
