//! The same picture in fewer bytes: what plotters says of every element is said once.
//!
//! plotters knows no patterns of lines, writes the same attributes at every element, and one element
//! for every line of a grid. Patterns come here as line widths that stand for them.

/// Widths that stand for a pattern: the width, then `stroke-width` and `stroke-dasharray`.
pub(super) const PATTERNS: [(u32, u32, &str); 4] =
    [(904, 4, "14 8"), (914, 4, "4 6"), (903, 3, "16 8"), (902, 2, "4 6")];

/// A picture of plotters, made short.
pub(super) fn compact(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len() / 2);
    let mut lines = svg.lines().peekable();
    if let Some(open) = lines.next() {
        let common = " fill=\"none\" font-family=\"sans-serif\">";
        out.push_str(&open.replacen('>', common, 1));
        out.push('\n');
    }
    // Attributes of the polylines that wait to become one path, and their courses.
    let mut pending: Option<(String, String)> = None;
    while let Some(line) = lines.next() {
        let Some((attributes, points)) = polyline(line) else {
            flush(&mut pending, &mut out);
            if line.starts_with("<text") {
                let words = lines.next().unwrap_or_default();
                lines.next_if(|close| close.starts_with("</text>"));
                if !words.trim().is_empty() {
                    out.push_str(&plain_text(line));
                    out.push_str(words);
                    out.push_str("</text>\n");
                }
            } else {
                out.push_str(&line.replace(" opacity=\"1\"", ""));
                out.push('\n');
            }
            continue;
        };
        match &mut pending {
            Some((of, course)) if *of == attributes => {
                course.push('M');
                course.push_str(points);
            }
            Some(_) | None => {
                flush(&mut pending, &mut out);
                pending = Some((attributes, format!("M{points}")));
            }
        }
    }
    flush(&mut pending, &mut out);
    out
}

/// Attributes of a line without those that all share, and its points.
fn polyline(line: &str) -> Option<(String, &str)> {
    let rest = line.strip_prefix("<polyline fill=\"none\" opacity=\"1\" ")?;
    let (attributes, points) = rest.split_once(" points=\"")?;
    let points = points.strip_suffix("\"/>")?.trim_end();
    let pattern = PATTERNS.iter().fold(attributes.to_owned(), |text, (code, width, dashes)| {
        let plain = format!("stroke-width=\"{width}\" stroke-dasharray=\"{dashes}\"");
        text.replace(&format!("stroke-width=\"{code}\""), &plain)
    });
    Some((pattern, points))
}

fn flush(pending: &mut Option<(String, String)>, out: &mut String) {
    if let Some((attributes, course)) = pending.take() {
        out.push_str(&format!("<path {attributes} d=\"{course}\"/>\n"));
    }
}

/// The opening of a text, its size in whole pixels.
fn plain_text(open: &str) -> String {
    let open = open.replace(" font-family=\"sans-serif\"", "").replace(" opacity=\"1\"", "");
    let Some((before, rest)) = open.split_once("font-size=\"") else { return open };
    let Some((size, after)) = rest.split_once('"') else { return open };
    let size = size.parse::<f64>().map_or(size.to_owned(), |size| libm::round(size).to_string());
    format!("{before}font-size=\"{size}\"{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_look_alike_are_one_path_and_texts_stay() {
        let line = |points: &str, width: u32| {
            format!(
                "<polyline fill=\"none\" opacity=\"1\" stroke=\"#000000\" stroke-width=\"{width}\" \
                 points=\"{points} \"/>\n"
            )
        };
        let text = |words: &str| {
            format!(
                "<text x=\"1\" y=\"2\" font-family=\"sans-serif\" font-size=\"26.000000000000004\" \
                 opacity=\"1\" fill=\"#000000\">\n{words}\n</text>\n"
            )
        };
        let svg = format!(
            "<svg width=\"9\" xmlns=\"x\">\n{}{}{}{}{}</svg>\n",
            line("0,1 2,3", 2),
            line("4,5 6,7", 2),
            line("8,9 9,9", 914),
            text("p(95) &lt; 2"),
            text(""),
        );
        let expected = "<svg width=\"9\" xmlns=\"x\" fill=\"none\" font-family=\"sans-serif\">\n\
                        <path stroke=\"#000000\" stroke-width=\"2\" d=\"M0,1 2,3M4,5 6,7\"/>\n\
                        <path stroke=\"#000000\" stroke-width=\"4\" stroke-dasharray=\"4 6\" d=\"M8,9 9,9\"/>\n\
                        <text x=\"1\" y=\"2\" font-size=\"26\" fill=\"#000000\">p(95) &lt; 2</text>\n</svg>\n";
        assert_eq!(compact(&svg), expected);
    }
}
