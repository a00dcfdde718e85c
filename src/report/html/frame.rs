//! What all pages have in common: head, navigation, parts, data and script.

use crate::model::KUBERNETES;
use crate::report::html::write::{escaped, in_script};

const STYLE: &str = include_str!("../../../assets/report.css");
const SCRIPT: &str = include_str!("../../../assets/report.js");
const PLOT: &str = include_str!("../../../assets/uPlot.iife.min.js");
const PLOT_STYLE: &str = include_str!("../../../assets/uPlot.min.css");

/// Nothing is fetched, sent or framed; what runs stands in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; base-uri 'none'; form-action 'none'";

/// A part of the page: anchor, title, body; one without a body is left out.
pub(super) type Part = (String, String, String);

/// A page.
pub(super) struct Frame {
    /// What it is about: the name of files that are downloaded from it.
    pub(super) name: String,
    /// The verdict and what stands with it, as HTML.
    pub(super) top: String,
    /// The parts in their order.
    pub(super) parts: Vec<Part>,
    /// The data of charts as JSON, where there are charts.
    pub(super) charts: Option<String>,
    /// The whole result as JSON.
    pub(super) result: String,
}

impl Frame {
    pub(super) fn page(&self) -> String {
        let parts = || self.parts.iter().filter(|(_, _, body)| !body.is_empty());
        let mut page = self.head();
        page.push_str(&self.top);
        page.push_str("<nav aria-label=\"Parts\"><ul>");
        for (anchor, title, _) in parts() {
            page.push_str(&format!("<li><a href=\"#{anchor}\">{}</a></li>", escaped(title)));
        }
        page.push_str("</ul></nav></header>\n<main id=\"main\">\n");
        for (anchor, title, body) in parts() {
            page.push_str(&format!(
                "<section id=\"{anchor}\"><h2>{}</h2>\n{body}\n</section>\n",
                escaped(title)
            ));
        }
        page.push_str("</main>\n");
        page.push_str(&self.foot());
        page
    }

    fn head(&self) -> String {
        let title = escaped(&format!("{} – aurelius-sim", self.name));
        let plot = if self.charts.is_some() { PLOT_STYLE } else { "" };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
             <style>{plot}{STYLE}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#main\">Skip to the result</a>\n<header>\n"
        )
    }

    fn foot(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let result = in_script(&self.result);
        let (cursor, charts_by, plot) = match &self.charts {
            Some(_) => (
                "<div class=\"cursor\" hidden>cursor at <output id=\"cursor-time\">–</output> · arrow keys on a \
                 chart move it, dragging zooms all charts, a double click or Escape shows everything again\
                 <span id=\"live\" aria-live=\"polite\" style=\"position:absolute;left:-999px\"></span></div>\n",
                " Charts by <a href=\"https://github.com/leeoniya/uPlot\" rel=\"noreferrer\">uPlot</a> (MIT).",
                format!("<script>{PLOT}</script>\n"),
            ),
            None => ("", "", String::new()),
        };
        let data = self.charts.clone().unwrap_or_else(|| {
            let name = serde_json::Value::from(self.name.as_str());
            format!("{{\"name\":{name},\"span\":0,\"marks\":[],\"charts\":[]}}")
        });
        format!(
            "{cursor}<footer class=\"quiet\"><p>aurelius-sim {version}, decisions as Kubernetes {KUBERNETES}. This \
             page loads nothing and sends nothing.{charts_by}</p></footer>\n\
             <script type=\"application/json\" id=\"result\">{result}</script>\n\
             <script type=\"application/json\" id=\"series\">{}</script>\n\
             {plot}<script>{SCRIPT}</script>\n</body>\n</html>\n",
            in_script(&data),
        )
    }
}

/// The buttons below the verdict; without scripts they are not shown.
pub(super) fn buttons(charts: bool) -> String {
    let whole = if charts {
        "<button class=\"tool\" type=\"button\" id=\"reset\">Whole time</button>"
    } else {
        ""
    };
    format!(
        "<p class=\"tools\" hidden><button class=\"tool\" type=\"button\" data-copy=\"command\">Copy \
         command</button><button class=\"tool\" type=\"button\" id=\"theme\">Light or dark</button>{whole}\
         <button class=\"tool\" type=\"button\" id=\"json\">Download JSON</button></p>\n"
    )
}
