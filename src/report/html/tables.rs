//! Services, start-ups, findings and inputs.

use crate::findings::text::{grouped, millis, percent};
use crate::report::html::write::{Table, clock, escaped, filter, instant, place};
use crate::report::{EndsEntry, Report, ServiceEntry, WorkloadEntry};
use crate::units::convert::f64_from_u64;

fn failures(ends: &EndsEntry) -> u64 {
    ends.timed_out
        + ends.refused
        + ends.cut
        + ends.failed
        + ends.limited
        + ends.short_circuited
        + ends.abandoned
}

pub(super) fn services(report: &Report) -> String {
    let mut html = filter("services-table", "gateway");
    let mut table = Table::new(&[
        "Service",
        "Workload",
        "#Requests",
        "#Failed",
        "#p50",
        "#p95",
        "#p99",
        "#Most waiting",
        "#GPU at most",
    ])
    .sortable()
    .named("services-table");
    for service in &report.services {
        table.row(&service_row(service));
    }
    html.push_str(&table.finish());
    let mut table = Table::new(&[
        "Workload",
        "#Ready at first",
        "#Least",
        "#Most",
        "#Wanted at most",
        "#Pending at most",
        "#CPU of request",
        "#CPU of limit",
        "#Memory of request",
        "#Slowest to scale",
    ])
    .sortable();
    for workload in &report.workloads {
        table.row(&workload_row(workload));
    }
    html.push_str("<h3>Workloads</h3><p class=\"quiet\">CPU and memory at their largest between two samples.</p>");
    html.push_str(&table.finish());
    html
}

fn service_row(service: &ServiceEntry) -> Vec<String> {
    let failed = failures(&service.ends);
    let all = failed + service.ends.completed;
    let time = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), millis);
    let ends = &service.ends;
    let ways = [
        ("timed out", ends.timed_out),
        ("refused", ends.refused),
        ("cut", ends.cut),
        ("failed inside", ends.failed),
        ("limited", ends.limited),
        ("not sent", ends.short_circuited),
        ("abandoned", ends.abandoned),
    ];
    let ways: Vec<String> = ways
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(way, count)| format!("{} {way}", grouped(f64_from_u64(*count))))
        .collect();
    let failed = match service.failed_share {
        Some(share) if failed > 0 => {
            format!(
                "<span class=\"bad\">{}</span><br><span class=\"quiet\">{}</span>",
                percent(share),
                ways.join(", ")
            )
        }
        Some(_) => "0%".to_owned(),
        None => "–".to_owned(),
    };
    vec![
        format!("<strong>{}</strong>", escaped(&service.name)),
        service.workload.as_deref().map_or_else(|| "–".to_owned(), escaped),
        grouped(f64_from_u64(all)),
        failed,
        time(service.p50_ms),
        time(service.p95_ms),
        time(service.p99_ms),
        service.peak_waiting.to_string(),
        service.gpu_busy_peak.map_or_else(|| "–".to_owned(), percent),
    ]
}

fn workload_row(workload: &WorkloadEntry) -> Vec<String> {
    let share = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), percent);
    vec![
        format!("<strong>{}</strong>", escaped(&workload.name)),
        workload.ready_first.to_string(),
        workload.ready_min.to_string(),
        workload.ready_max.to_string(),
        workload.desired_max.to_string(),
        workload.pending_max.to_string(),
        share(workload.cpu_of_request_peak),
        share(workload.cpu_of_limit_peak),
        share(workload.memory_of_request_peak),
        workload.time_to_scale_max_s.map_or_else(|| "–".to_owned(), clock),
    ]
}

pub(super) fn start_ups(report: &Report) -> String {
    let Some(first) = report.start_ups.first() else { return String::new() };
    let mut columns = vec!["Workload".to_owned(), "#Pods".to_owned()];
    columns.extend(first.phases.iter().map(|(phase, _, _)| format!("#{phase}")));
    columns.extend(["#All".to_owned(), "#Longest".to_owned()]);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(&columns);
    for entry in &report.start_ups {
        let mut cells =
            vec![format!("<strong>{}</strong>", escaped(&entry.workload)), entry.pods.to_string()];
        let parts = entry.phases.iter();
        cells.extend(parts.map(|(_, p50, p95)| {
            format!("{}<br><span class=\"quiet\">{}</span>", clock(*p50), clock(*p95))
        }));
        let (p50, p95, most) = entry.total_s;
        cells.push(format!("{}<br><span class=\"quiet\">{}</span>", clock(p50), clock(p95)));
        cells.push(clock(most));
        table.row(&cells);
    }
    format!(
        "<p>Pods that waited for a machine: the median of each part of the way, the 95th percentile below \
         it.</p>\n{}",
        table.finish()
    )
}

pub(super) fn findings(report: &Report) -> String {
    if report.findings.is_empty() {
        return "<p>None.</p>".to_owned();
    }
    let mut html = filter("findings-table", "AUR9, gateway");
    let mut table =
        Table::new(&["Code", "From", "Until", "What", "Decided by"]).named("findings-table");
    for finding in &report.findings {
        let class = match finding.level.as_str() {
            "error" => "bad",
            "warning" => "warn",
            _ => "quiet",
        };
        let note = if finding.note.is_empty() {
            String::new()
        } else {
            format!("<br><span class=\"quiet\">{}</span>", escaped(&finding.note))
        };
        let places: Vec<String> = finding.locations.iter().map(|it| place(Some(it))).collect();
        table.row(&[
            format!(
                "<span class=\"{class}\">{} {}</span>",
                escaped(&finding.level),
                escaped(&finding.code)
            ),
            finding.from_s.map_or_else(|| "–".to_owned(), instant),
            finding.until_s.map_or_else(|| "–".to_owned(), clock),
            format!("{}{note}", escaped(&finding.message)),
            places.join("<br>"),
        ]);
    }
    html.push_str(&table.finish());
    html.push_str(
        "<p class=\"quiet\"><code>aurelius-sim explain CODE</code> says what a code means.</p>\n",
    );
    html
}

pub(super) fn inputs(report: &Report) -> String {
    let mut table = Table::new(&["File", "SHA-256"]);
    for input in &report.inputs {
        table.row(&[
            format!("<code>{}</code>", escaped(&input.path)),
            format!("<code>{}</code>", escaped(&input.sha256)),
        ]);
    }
    let list = |items: &[String]| -> String {
        items.iter().map(|item| format!("<li>{}</li>", escaped(item))).collect()
    };
    let mut html = table.finish();
    html.push_str(&format!("<h3>Assumed</h3><ul>{}</ul>\n", list(&report.assumptions)));
    if !report.not_simulated.is_empty() {
        html.push_str(&format!(
            "<h3>Read, not simulated</h3><ul>{}</ul>\n",
            list(&report.not_simulated)
        ));
    }
    if report.runs.len() > 1 {
        let mut table = Table::new(&["#Run", "Verdict", "#Cost a month"]);
        for run in &report.runs {
            let word = if run.holds { "holds" } else { "does not hold" };
            let cost = crate::report::html::write::amount(run.per_month);
            table.row(&[run.replication.to_string(), word.to_owned(), cost]);
        }
        html.push_str(&format!("<h3>Runs</h3>{}", table.finish()));
    }
    html
}
