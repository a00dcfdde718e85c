//! Words and figures as HTML.

use rust_decimal::Decimal;

use crate::report::Location;
use crate::report::text::money;
use crate::units::SimDuration;

/// Text for an element or a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // What XML forbids has no place in a page either.
            control if control.is_control() && !matches!(control, '\n' | '\t') => {
                out.push('\u{fffd}')
            }
            other => out.push(other),
        }
    }
    out
}

/// JSON for a script element, which ends at any `</`; and line ends that older engines do not know.
pub(super) fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// `14m35s`; before measuring with a minus.
pub(super) fn clock(seconds: f64) -> String {
    let text = SimDuration::from_secs_f64(libm::round(seconds.abs())).to_string();
    if seconds < -0.5 { format!("−{text}") } else { text }
}

/// An instant that moves the cursor.
pub(super) fn instant(seconds: f64) -> String {
    format!("<a href=\"#t={}\">{}</a>", short(seconds), clock(seconds))
}

/// A number with at most five figures and no zeros at its end, the same on every machine.
pub(super) fn short(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let size = value.abs();
    let decimals = match size {
        _ if size >= 10_000.0 => 0,
        _ if size >= 1_000.0 => 1,
        _ if size >= 100.0 => 2,
        _ if size >= 10.0 => 3,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    if text == "-0" { "0".to_owned() } else { text }
}

/// `1,234.50`, or that it is unknown.
pub(super) fn amount(value: Option<Decimal>) -> String {
    value.map_or_else(|| "unknown".to_owned(), money)
}

/// `values-prod.yaml:14`.
pub(super) fn place(location: Option<&Location>) -> String {
    location.map_or_else(String::new, |it| {
        format!("<code class=\"wrap\">{}:{}</code>", escaped(&it.path), it.line)
    })
}

/// A table with a head; numbers stand right in the columns that say so.
pub(super) struct Table {
    head: String,
    numbers: Vec<bool>,
    rows: String,
    class: &'static str,
    id: String,
}

impl Table {
    /// Columns by title; one that begins with `#` holds numbers.
    pub(super) fn new(columns: &[&str]) -> Self {
        let mut head = String::new();
        let mut numbers = Vec::new();
        for column in columns {
            let number = column.starts_with('#');
            let class = if number { " class=\"n\"" } else { "" };
            let title = escaped(column.trim_start_matches('#'));
            head.push_str(&format!("<th scope=\"col\"{class}>{title}</th>"));
            numbers.push(number);
        }
        Self { head, numbers, rows: String::new(), class: "", id: String::new() }
    }

    /// With heads that sort.
    pub(super) fn sortable(mut self) -> Self {
        self.class = " class=\"sort\"";
        self
    }

    /// With a name that a filter refers to.
    pub(super) fn named(mut self, id: &str) -> Self {
        self.id = format!(" id=\"{id}\"");
        self
    }

    /// A row of cells that are HTML already.
    pub(super) fn row(&mut self, cells: &[String]) {
        self.rows.push_str("<tr>");
        for (cell, number) in cells.iter().zip(&self.numbers) {
            let class = if *number { " class=\"n\"" } else { "" };
            self.rows.push_str(&format!("<td{class}>{cell}</td>"));
        }
        self.rows.push_str("</tr>\n");
    }

    pub(super) fn finish(&self) -> String {
        format!(
            "<div class=\"scroll\"><table{}{}><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>\n",
            self.class, self.id, self.head, self.rows
        )
    }
}

/// A field that filters the rows of a table; without scripts it is not shown.
pub(super) fn filter(table: &str, what: &str) -> String {
    format!(
        "<p class=\"tools\" hidden><label>Filter <input type=\"search\" data-for=\"{table}\" \
         placeholder=\"{what}\"></label></p>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        assert_eq!(escaped("<a b='\"&\u{1}'>"), "&lt;a b=&#39;&quot;&amp;\u{fffd}&#39;&gt;");
        assert_eq!(in_script("{\"a\":\"</script>\"}"), "{\"a\":\"\\u003c/script>\"}");
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in
            [(0.0, "0"), (-0.00001, "0"), (1.5, "1.5"), (123_456.7, "123457"), (0.12344, "0.1234")]
        {
            assert_eq!(short(value), text);
        }
        assert_eq!(clock(-90.0), "−1m30s");
        assert_eq!(short(f64::NAN), "0");
    }
}
