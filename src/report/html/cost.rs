//! Money: pools by machine and price, services by what they use and only ask for, volumes.

use crate::findings::text::percent;
use crate::report::Report;
use crate::report::html::write::{Table, amount, escaped, short};

pub(super) fn cost(report: &Report) -> String {
    let cost = &report.cost;
    let currency = escaped(&cost.currency);
    let mut html = format!(
        "<p>{currency} <strong>{}</strong> a month of {} hours at the mean rate of the measured time: nodes {}, \
         control plane {}, volumes {}. Idle: {}. A million requests: {}. The measured time alone: {}. Prices \
         of {}.</p>\n",
        amount(cost.per_month),
        cost.hours_per_month,
        amount(cost.nodes_per_month),
        amount(Some(cost.control_plane_per_month)),
        amount(cost.volumes_per_month),
        amount(cost.idle_per_month),
        amount(cost.per_million_requests),
        amount(cost.measured),
        escaped(&report.catalog),
    );
    for unknown in &cost.unknown_prices {
        html.push_str(&format!(
            "<p class=\"warn\">No price is known of {}.</p>\n",
            escaped(unknown)
        ));
    }
    html.push_str("<h3>Node pools</h3>");
    html.push_str(&pools(report));
    if !cost.shares.is_empty() {
        html.push_str("<h3>Workloads on them, a month</h3>");
        html.push_str(
            "<p class=\"quiet\">A pool's cost is shared by the resource that its pods ask for most. Used: up \
             to what was requested; requested, not used: the rest of the requests; unallocated: what no pod \
             asked for. What no service profile describes counts as not used.</p>\n",
        );
        html.push_str(&shares(report));
    }
    if !cost.volumes.is_empty() {
        html.push_str("<h3>Volumes</h3>");
        html.push_str(&volumes(report));
    }
    html
}

fn pools(report: &Report) -> String {
    let mut table = Table::new(&[
        "Pool",
        "Machine",
        "Bought",
        "#Ready",
        "#Node-hours",
        "#Price an hour",
        "#A month",
        "#Idle",
        "#CPU requested",
        "#Memory requested",
        "#GPUs requested",
    ]);
    let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), percent);
    for pool in &report.node_pools {
        let ready = if pool.ready_min == pool.ready_max {
            pool.ready_min.to_string()
        } else {
            format!("{}–{}", pool.ready_min, pool.ready_max)
        };
        for (position, kind) in pool.machines.iter().enumerate() {
            let first = position == 0;
            let once = |text: String| if first { text } else { String::new() };
            table.row(&[
                once(format!("<strong>{}</strong>", escaped(&pool.name))),
                format!("<code>{}</code>", escaped(&kind.instance)),
                if kind.spot { "spot".to_owned() } else { "on demand".to_owned() },
                once(ready.clone()),
                short_decimal(kind.node_hours),
                kind.price_per_hour.map_or_else(|| "unknown".to_owned(), |price| price.to_string()),
                amount(kind.per_month),
                once(format!("{} ({})", amount(pool.idle_per_month), share(pool.idle_share))),
                once(share(pool.cpu_requested_share)),
                once(share(pool.memory_requested_share)),
                once(share(pool.gpu_requested_share)),
            ]);
        }
    }
    table.finish()
}

fn short_decimal(value: rust_decimal::Decimal) -> String {
    use rust_decimal::prelude::ToPrimitive;
    value.to_f64().map_or_else(|| value.to_string(), short)
}

fn shares(report: &Report) -> String {
    let mut table = Table::new(&[
        "Workload",
        "Pool",
        "By",
        "#Used",
        "#Requested, not used",
        "#Unallocated",
        "#All",
    ])
    .sortable();
    for share in &report.cost.shares {
        let cell = |value: rust_decimal::Decimal| crate::report::text::money(value);
        let unallocated = share.workload.is_none();
        let all = share.used + share.idle + share.unallocated;
        table.row(&[
            share.workload.as_deref().map_or_else(
                || "<span class=\"quiet\">nobody</span>".to_owned(),
                |name| format!("<strong>{}</strong>", escaped(name)),
            ),
            escaped(&share.pool),
            share.by.to_owned(),
            if unallocated { "–".to_owned() } else { cell(share.used) },
            if unallocated { "–".to_owned() } else { cell(share.idle) },
            if unallocated { cell(share.unallocated) } else { "–".to_owned() },
            cell(all),
        ]);
    }
    table.finish()
}

fn volumes(report: &Report) -> String {
    let mut table =
        Table::new(&["Claim", "#Volumes", "#Size (GiB)", "Type", "#Paid IOPS of each", "#A month"])
            .sortable();
    for volume in &report.cost.volumes {
        table.row(&[
            format!("<code>{}</code>", escaped(&volume.claim)),
            volume.volumes.to_string(),
            short(volume.size_gib),
            volume.volume_type.as_deref().map_or_else(|| "unknown".to_owned(), escaped),
            volume.paid_iops.to_string(),
            amount(volume.per_month),
        ]);
    }
    table.finish()
}
