//! A cluster that fills up: pods in random order, one after another, and all of them stay.
//!
//! The experiment of the authors of the openb trace (Weng et al., USENIX ATC 2023, section 6;
//! simulator.go `tuneUpPods`, `tuneDownPods`): the workload is drawn again from the trace until it wants a
//! stated multiple of the cluster's GPUs, and what finds no place is not tried again.

use rand::RngExt;
use rand::seq::SliceRandom as _;

use crate::control::scheduler::Outcome;
use crate::engine::Streams;
use crate::model::id::PodId;
use crate::placement::board::Board;
use crate::placement::told::{Placement, Teller};
use crate::scenario::pod_trace::PodTrace;
use crate::units::SimTime;
use crate::units::convert::{count_u32, f64_from_i64};

pub(super) fn run(
    trace: &PodTrace,
    board: &mut Board<'_>,
    demand: Option<f64>,
    streams: &Streams,
) -> Placement {
    let rows = order(trace, demand, streams);
    let mut teller = Teller::new(trace);
    let all = trace.gpu_milli();
    // A point for every hundredth of the cluster's GPUs that is asked for.
    let step = (all / 100).max(1);
    let (mut arrived, mut next) = (0_i64, 0_i64);
    let mut turned_away = 0;
    for (number, row) in rows.into_iter().enumerate() {
        arrived += trace.pods[row].total_gpu_milli();
        teller.came(row);
        match board.schedule(PodId(count_u32(number)), row) {
            Ok(slot) => teller.placed(row, board.node_of(slot), None),
            Err(Outcome::Unschedulable { message, .. }) => {
                turned_away += 1;
                teller.never(row, &message);
            }
            Err(Outcome::Bind { .. }) => unreachable!("a bound pod has a place"),
        }
        if arrived >= next || all == 0 {
            teller.point(board.point(SimTime::ZERO, arrived, turned_away));
            while next <= arrived {
                next += step;
            }
        }
    }
    teller.end(board.point(SimTime::ZERO, arrived, turned_away))
}

/// The rows of the trace in the order in which they come.
fn order(trace: &PodTrace, demand: Option<f64>, streams: &Streams) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..trace.pods.len()).collect();
    rows.shuffle(&mut streams.of("trace/order"));
    let wants = |row: usize| trace.pods[row].total_gpu_milli();
    let mut total: i64 = rows.iter().map(|row| wants(*row)).sum();
    let Some(ratio) = demand.filter(|_| total > 0) else { return rows };
    let wanted = ratio * f64_from_i64(trace.gpu_milli());
    let mut draws = streams.of("trace/demand");
    while f64_from_i64(total) > wanted && !rows.is_empty() {
        total -= wants(rows.swap_remove(draws.random_range(0..rows.len())));
    }
    loop {
        let row = draws.random_range(0..trace.pods.len());
        if f64_from_i64(total + wants(row)) > wanted {
            return rows;
        }
        total += wants(row);
        rows.push(row);
    }
}
