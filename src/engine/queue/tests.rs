//! The order of events, whatever is scheduled, moved and disarmed.

use proptest::prelude::*;

use super::*;

const RANK: Rank = Rank(3);

#[test]
fn equal_instants_come_out_by_rank_then_in_the_order_of_scheduling() {
    let mut queue = EventQueue::new();
    let at = SimTime::from_secs(1);
    queue.schedule(at, Rank(2), "late");
    queue.schedule(at, Rank(1), "first");
    queue.schedule(at, Rank(1), "second");
    queue.schedule(SimTime::ZERO, Rank(9), "earlier");
    let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
    assert_eq!(order, ["earlier", "first", "second", "late"]);
    assert_eq!((queue.now(), queue.popped()), (at, 4));
}

#[test]
fn a_moved_timer_fires_once_at_its_last_instant() {
    let mut queue = EventQueue::new();
    let timer = queue.timer('t');
    queue.arm(timer, SimTime::from_secs(5), RANK);
    queue.arm(timer, SimTime::from_secs(9), RANK);
    queue.schedule(SimTime::from_secs(7), RANK, 'e');
    queue.arm(timer, SimTime::from_secs(8), RANK);
    assert_eq!(queue.pop(), Some((SimTime::from_secs(7), 'e')));
    assert_eq!(queue.pop(), Some((SimTime::from_secs(8), 't')));
    assert_eq!(queue.pop(), None);
    queue.arm(timer, SimTime::from_secs(10), RANK);
    queue.disarm(timer);
    assert!(queue.is_empty());
}

#[test]
fn slots_are_reused() {
    let mut queue = EventQueue::new();
    for second in 0..1000 {
        queue.schedule(SimTime::from_secs(second), RANK, second);
        queue.pop();
    }
    assert_eq!(queue.slots.len(), 1);
}

proptest! {
    /// Against a sorted list: whatever is scheduled, moved and disarmed, the order is total.
    #[test]
    fn behaves_like_a_sorted_list(steps in prop::collection::vec((0_u8..4, 0_u64..50, 0_u8..4, 0_u32..37), 1..300)) {
        let mut queue = EventQueue::new();
        let timers: Vec<TimerId> = (0..4).map(|n| queue.timer(1000 + n)).collect();
        let mut model: Vec<(u64, u8, usize, u64)> = Vec::new();
        for (sequence, (what, delay, rank, scale)) in steps.into_iter().enumerate() {
            // From nanoseconds to an hour ahead: soon, in the wheel, and beyond it.
            let at = queue.now().as_nanos() + (delay << scale);
            let (timer, event) = (usize::from(rank), 1000 + u64::from(rank));
            match what {
                0 => {
                    queue.schedule(SimTime::from_nanos(at), Rank(rank), sequence as u64);
                    model.push((at, rank, sequence, sequence as u64));
                }
                1 => {
                    queue.arm(timers[timer], SimTime::from_nanos(at), Rank(rank));
                    model.retain(|row| row.3 != event);
                    model.push((at, rank, sequence, event));
                }
                2 => {
                    queue.disarm(timers[timer]);
                    model.retain(|row| row.3 != event);
                }
                _ => {
                    model.sort_unstable();
                    let expected = (!model.is_empty()).then(|| model.remove(0));
                    let got = queue.pop();
                    prop_assert_eq!(got.map(|(t, e)| (t.as_nanos(), e)), expected.map(|r| (r.0, r.3)));
                }
            }
            prop_assert_eq!(queue.len(), model.len());
        }
    }
}
