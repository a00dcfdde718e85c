//! Stabilization windows, rate limits and the memory of scale events.

use super::PolicyKind::{Percent, Pods};
use super::SelectPolicy::{Disabled, Max, Min};
use super::*;

const LIMITED: ConditionKind = ConditionKind::ScalingLimited;
const ABLE: ConditionKind = ConditionKind::AbleToScale;

fn down(select: SelectPolicy, policies: &[(PolicyKind, i32, i32)]) -> Option<ScalingRules> {
    Some(direction(0, select, policies))
}

fn up(select: SelectPolicy, policies: &[(PolicyKind, i32, i32)]) -> Option<ScalingRules> {
    Some(direction(0, select, policies))
}

#[test]
fn without_behavior_an_old_recommendation_can_scale_up() {
    for (rules, expected) in [(None, 6), (behavior(None, None), 3)] {
        let legacy = rules.is_none();
        let mut sequence = Sequence::new(20, rules);
        assert_eq!(sequence.at(0, 20), 20);
        sequence.replicas = 3;
        assert_eq!(sequence.at(15, 3), expected);
        if legacy {
            assert_eq!(sequence.reason(ABLE), "True/SucceededRescale");
            assert_eq!(sequence.reason(LIMITED), "True/ScaleUpLimit");
        }
    }
}

#[test]
fn the_first_size_holds_for_the_window() {
    let mut sequence = Sequence::new(10, None);
    for second in (0..=300).step_by(15) {
        assert_eq!(sequence.at(second, 4), 10, "an age of exactly the window still counts");
    }
    assert_eq!(sequence.reason(ABLE), "True/ScaleDownStabilized");
    assert_eq!(sequence.at_ms(300_500, 4), 4);
    let mut sequence = Sequence::new(10, behavior(None, None));
    assert_eq!(sequence.at(0, 4), 10);
    assert_eq!(sequence.at(299, 4), 10);
    assert_eq!(sequence.at(300, 4), 4, "with behavior it no longer counts");
}

#[test]
fn the_first_size_delays_growth_too() {
    let window = direction(60, Max, &[]);
    let mut sequence = Sequence::new(2, behavior(Some(window), None));
    for (second, wanted) in [(0, 10), (15, 8), (30, 12), (45, 9)] {
        assert_eq!(sequence.at(second, wanted), 2);
        assert_eq!(sequence.reason(ABLE), "True/ScaleUpStabilized");
    }
    assert_eq!(sequence.at(60, 11), 6);
    assert_eq!(sequence.reason(LIMITED), "True/ScaleUpLimit");
}

#[test]
fn the_window_that_holds_is_named() {
    let mut sequence = Sequence::new(10, behavior(None, None));
    sequence.at(0, 10);
    let series = [4000];
    let readings = [Reading::Series(&series)];
    let seen = HpaObservation { now_ns: 30 * SECOND_NS, ..observation(10, &readings) };
    let decision = sequence.hpa.sync(&sequence.config, &seen);
    let DecisionPath::Proposed(found) = decision.path else { panic!("there is a proposal") };
    let held = HeldBy {
        window: Window::ScaleDown,
        replicas: 10,
        recorded_ns: 0,
        expires_ns: 300 * SECOND_NS,
        oldest_ns: 0,
    };
    assert_eq!(found.stabilization, Stabilization { replicas: 10, held_by: Some(held) });
}

#[test]
fn without_behavior_growth_at_most_doubles_or_reaches_four() {
    for (current, wanted, max, expected, reason) in [
        (1, 20, 1000, 4, "True/ScaleUpLimit"),
        (3, 20, 1000, 6, "True/ScaleUpLimit"),
        (10, 100, 15, 15, "True/TooManyReplicas"),
        (10, 12, 1000, 12, "False/DesiredWithinRange"),
    ] {
        let mut sequence = Sequence::new(current, None).with_max(max);
        assert_eq!(sequence.at(0, wanted), expected);
        assert_eq!(sequence.reason(LIMITED), reason);
    }
}

#[test]
fn an_empty_behavior_has_other_limits_than_none() {
    assert_eq!(Sequence::new(3, None).at(0, 10), 6);
    assert_eq!(Sequence::new(3, behavior(None, None)).at(0, 10), 7);
    for (rules, ramp) in [(None, [4, 8, 16, 32]), (behavior(None, None), [6, 12, 24, 40])] {
        let mut sequence = Sequence::new(2, rules);
        for (second, size) in [0, 15, 30, 45].into_iter().zip(ramp) {
            assert_eq!(sequence.at(second, 40), size);
        }
    }
}

#[test]
fn recommendations_are_remembered_before_limits() {
    let mut sequence = Sequence::new(10, None).with_max(10);
    sequence.at(0, 40);
    for second in (15..=300).step_by(15) {
        assert_eq!(sequence.at(second, 8), 10);
        assert_eq!(sequence.reason(LIMITED), "True/TooManyReplicas");
    }
    assert_eq!(sequence.at(315, 8), 8);
}

#[test]
fn a_policy_spends_its_allowance_over_its_period() {
    let mut sequence = Sequence::new(5, behavior(up(Max, &[(Pods, 4, 60)]), None));
    assert_eq!(sequence.at(0, 7), 7);
    for (second, size) in [(15, 9), (30, 9), (45, 9), (60, 11), (75, 13)] {
        assert_eq!(sequence.at(second, 100), size, "at {second} s");
    }
    let mut sequence = Sequence::new(10, behavior(None, down(Max, &[(Pods, 1, 60)])));
    for (second, size) in [(0, 9), (15, 9), (30, 9), (45, 9), (60, 8), (75, 8), (120, 7)] {
        assert_eq!(sequence.at(second, 2), size, "at {second} s");
    }
}

#[test]
fn percentages_round_with_the_noise_of_doubles() {
    for (percent, current, expected) in
        [(10, 1, 2), (10, 5, 6), (10, 9, 10), (10, 10, 11), (10, 50, 56), (10, 100, 111)]
    {
        let rules = behavior(up(Max, &[(Percent, percent, 15)]), None);
        assert_eq!(Sequence::new(current, rules).at(0, 900), expected, "{percent} % of {current}");
    }
    for (percent, current, expected) in [
        (10, 5, 4),
        (10, 9, 8),
        (10, 10, 9),
        (10, 15, 13),
        (80, 10, 1),
        (80, 100, 19),
        (30, 90, 62),
    ] {
        let rules = behavior(None, down(Max, &[(Percent, percent, 15)]));
        assert_eq!(Sequence::new(current, rules).at(0, 0), expected, "{percent} % of {current}");
    }
    // Cut off below the minimum, which then decides.
    for (percent, current) in [(10, 1), (80, 5)] {
        let rules = behavior(None, down(Max, &[(Percent, percent, 15)]));
        let mut sequence = Sequence::new(current, rules);
        assert_eq!(sequence.at(0, 0), 1);
        assert_eq!(sequence.reason(LIMITED), "True/TooFewReplicas");
    }
}

#[test]
fn the_policy_of_the_largest_or_smallest_change_counts() {
    let policies = [(Pods, 4, 15), (Percent, 10, 15)];
    for (select, current, expected) in [(Max, 80, 72), (Min, 80, 76), (Max, 30, 26), (Min, 30, 27)]
    {
        let rules = behavior(None, down(select, &policies));
        assert_eq!(Sequence::new(current, rules).at(0, 1), expected);
    }
}

#[test]
fn a_direction_can_be_switched_off() {
    let rules = || behavior(None, down(Disabled, &[]));
    let mut sequence = Sequence::new(10, rules());
    assert_eq!(sequence.at(0, 3), 10);
    assert_eq!(sequence.reason(LIMITED), "True/ScaleDownLimit");
    assert_eq!(Sequence::new(10, rules()).with_max(5).at(0, 3), 5, "corrections still work");
    for (max, reason) in [(50, "True/ScaleUpLimit"), (10, "True/TooManyReplicas")] {
        let rules = behavior(up(Disabled, &[]), None);
        let mut sequence = Sequence::new(10, rules).with_max(max);
        assert_eq!(sequence.at(0, 30), 10);
        assert_eq!(sequence.reason(LIMITED), reason);
    }
}

#[test]
fn changes_of_both_directions_enter_the_start_of_a_period() {
    let rules = behavior(up(Min, &[(Percent, 300, 300)]), down(Max, &[(Pods, 2, 300)]));
    let mut sequence = Sequence::new(4, rules).with_max(20);
    assert_eq!(sequence.at(0, 8), 8);
    assert_eq!(sequence.at(60, 3), 3);
    assert_eq!(sequence.at(120, 30), 16);
    let rules = behavior(up(Max, &[(Pods, 4, 300)]), down(Max, &[]));
    let mut sequence = Sequence::new(20, rules);
    assert_eq!(sequence.at(0, 5), 5);
    assert_eq!(sequence.at(60, 100), 24);
}

#[test]
fn events_are_kept_for_the_own_direction_only() {
    let rules = || behavior(up(Max, &[(Pods, 10, 15)]), down(Max, &[(Pods, 2, 600)]));
    let mut sequence = Sequence::new(10, rules());
    assert_eq!(sequence.at(0, 14), 14);
    assert_eq!(sequence.at(60, 1), 8);
    let mut sequence = Sequence::new(10, rules());
    assert_eq!(sequence.at(0, 14), 14);
    assert_eq!(sequence.at(60, 15), 15);
    assert_eq!(sequence.at(61, 1), 12, "the first change was overwritten");
}

#[test]
fn a_correction_is_remembered_as_a_change() {
    let rules = behavior(None, down(Max, &[(Pods, 2, 60)]));
    let mut sequence = Sequence::new(30, rules).with_max(10);
    assert_eq!(sequence.at(0, 5), 10);
    assert_eq!(sequence.at(15, 5), 10);
    assert_eq!(sequence.reason(LIMITED), "True/ScaleDownLimit");
}
