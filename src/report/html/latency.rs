//! How long client requests took: a histogram on a logarithmic scale, and percentiles.

use crate::findings::text::{grouped, millis, percent};
use crate::metrics::Measurements;
use crate::report::html::write::Table;
use crate::units::convert::{f64_from_u64, f64_from_usize};

const BARS: usize = 28;
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 200.0;
const PERCENTILES: [f64; 9] = [25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0];

pub(super) fn latency(measured: &Measurements) -> String {
    let durations = measured.calls().durations;
    let (Some(least), Some(most)) = (durations.min_ms(), durations.max_ms()) else {
        return "<p>No request ended.</p>".to_owned();
    };
    let least = least.max(0.01);
    let most = most.max(least * 1.001);
    let span = libm::log10(most / least);
    let mut counts = [0_u64; BARS];
    for (ms, count) in durations.counts() {
        let at = libm::log10(ms.max(least) / least) / span * f64_from_usize(BARS);
        let at = usize::try_from(crate::units::convert::trunc_i64(at)).unwrap_or(0).min(BARS - 1);
        counts[at] += count;
    }
    let all = durations.count();
    let mut table = Table::new(&["#Of requests", "#took at most"]);
    for part in PERCENTILES {
        let Some(ms) = durations.percentile_ms(part) else { continue };
        let name = if part >= 100.0 { "all".to_owned() } else { format!("{part} %") };
        table.row(&[name, millis(ms)]);
    }
    format!(
        "<p>{} requests, failed ones among them; mean {}.</p>\n{}{}",
        grouped(f64_from_u64(all)),
        durations.mean_ms().map_or_else(|| "unknown".to_owned(), millis),
        bars(&counts, (least, span), all),
        table.finish()
    )
}

fn bars(counts: &[u64; BARS], (least, span): (f64, f64), all: u64) -> String {
    let highest = f64_from_u64(counts.iter().copied().max().unwrap_or(1).max(1));
    let step = (WIDTH - 20.0) / f64_from_usize(BARS);
    let bound =
        |at: usize| least * libm::pow(10.0, span * f64_from_usize(at) / f64_from_usize(BARS));
    let mut svg = format!(
        "<figure><figcaption>Requests by duration, each bar as wide in factors</figcaption>\n<svg \
         xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{}\" viewBox=\"0 0 {WIDTH} {}\" \
         role=\"img\" font-family=\"sans-serif\" font-size=\"11\"><title>Histogram of durations</title>\
         <desc>The table of percentiles below says the same in figures.</desc>",
        HEIGHT + 24.0,
        HEIGHT + 24.0
    );
    for (at, count) in counts.iter().enumerate() {
        let height = f64_from_u64(*count) / highest * (HEIGHT - 18.0);
        let x = 10.0 + step * f64_from_usize(at);
        if *count > 0 {
            let share = percent(f64_from_u64(*count) / f64_from_u64(all.max(1)));
            svg.push_str(&format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#0A84C6\"><title>{} to {}: \
                 {} requests, {share}</title></rect>",
                x + 1.0,
                HEIGHT - height.max(1.0),
                step - 2.0,
                height.max(1.0),
                millis(bound(at)),
                millis(bound(at + 1)),
                grouped(f64_from_u64(*count)),
            ));
        }
        if at % 4 == 0 {
            svg.push_str(&format!(
                "<text x=\"{x:.1}\" y=\"{}\" fill=\"currentColor\">{}</text>",
                HEIGHT + 16.0,
                millis(bound(at))
            ));
        }
    }
    svg.push_str(&format!(
        "<line x1=\"10\" y1=\"{HEIGHT}\" x2=\"{}\" y2=\"{HEIGHT}\" stroke=\"currentColor\"/></svg></figure>\n",
        WIDTH - 10.0
    ));
    svg
}
