//! Stabilization: older recommendations hold the size back.
//!
//! Source: kube-controller-manager, `horizontal.go` (`stabilizeRecommendation`,
//! `stabilizeRecommendationWithBehaviors`, `recordInitialRecommendation`).

use super::decision::{HeldBy, Stabilization, Window};

/// A size that was once asked for.
#[derive(Debug, Clone, Copy)]
struct Recommendation {
    replicas: i32,
    recorded_ns: i64,
}

/// The recommendations of one HPA. They are what the metrics asked for, before any limit, so they
/// may lie above the maximum or below the minimum.
#[derive(Debug, Clone, Default)]
pub(super) struct Recommendations {
    /// Not in the order of time: an entry that every window has forgotten is overwritten in place.
    list: Vec<Recommendation>,
}

/// The two windows of a behavior (ns).
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    pub(super) up_ns: i64,
    pub(super) down_ns: i64,
}

/// Gathers the recommendation that holds on one side.
struct Hold {
    window: Window,
    window_ns: i64,
    oldest_ns: i64,
    held: Recommendation,
}

impl Hold {
    fn new(window: Window, window_ns: i64, desired: i32, now_ns: i64) -> Self {
        let held = Recommendation { replicas: desired, recorded_ns: now_ns };
        Self { window, window_ns, oldest_ns: now_ns, held }
    }

    /// Takes note of a recommendation inside the window; the last one of the strongest stays.
    fn note(&mut self, entry: Recommendation) {
        self.oldest_ns = self.oldest_ns.min(entry.recorded_ns);
        let stronger = match self.window {
            Window::ScaleUp => entry.replicas < self.held.replicas,
            Window::ScaleDown => entry.replicas > self.held.replicas,
        };
        let later =
            entry.replicas == self.held.replicas && entry.recorded_ns > self.held.recorded_ns;
        if stronger || later {
            self.held = entry;
        }
    }

    fn held_by(&self) -> HeldBy {
        HeldBy {
            window: self.window,
            replicas: self.held.replicas,
            recorded_ns: self.held.recorded_ns,
            expires_ns: self.held.recorded_ns.saturating_add(self.window_ns),
            oldest_ns: self.oldest_ns,
        }
    }
}

impl Recommendations {
    /// The size found at the very first sync counts as recommended then, so that a controller that
    /// has just started does not shrink (or, with a window, grow) at once.
    pub(super) fn record_initial(&mut self, replicas: i32, now_ns: i64) {
        if self.list.is_empty() {
            self.list.push(Recommendation { replicas, recorded_ns: now_ns });
        }
    }

    /// Without behavior: the highest recommendation of the window holds. An age of exactly the
    /// window still counts.
    pub(super) fn stabilize_legacy(
        &mut self,
        desired: i32,
        window_ns: i64,
        now_ns: i64,
    ) -> Stabilization {
        let cutoff_ns = now_ns.saturating_sub(window_ns);
        let mut hold = Hold::new(Window::ScaleDown, window_ns, desired, now_ns);
        let mut outdated = None;
        for (index, &entry) in self.list.iter().enumerate() {
            if entry.recorded_ns < cutoff_ns {
                outdated = Some(index);
            } else {
                hold.note(entry);
            }
        }
        self.store(outdated, desired, now_ns);
        let replicas = hold.held.replicas;
        Stabilization { replicas, held_by: (replicas != desired).then(|| hold.held_by()) }
    }

    /// With behavior: the lowest recommendation of the one window limits growth, the highest of
    /// the other limits shrinking. An age of exactly the window no longer counts.
    pub(super) fn stabilize_with_behavior(
        &mut self,
        desired: i32,
        current: i32,
        windows: Windows,
        now_ns: i64,
    ) -> Stabilization {
        let up_cutoff_ns = now_ns.saturating_sub(windows.up_ns);
        let down_cutoff_ns = now_ns.saturating_sub(windows.down_ns);
        let mut up = Hold::new(Window::ScaleUp, windows.up_ns, desired, now_ns);
        let mut down = Hold::new(Window::ScaleDown, windows.down_ns, desired, now_ns);
        let mut outdated = None;
        for (index, &entry) in self.list.iter().enumerate() {
            if entry.recorded_ns > up_cutoff_ns {
                up.note(entry);
            }
            if entry.recorded_ns > down_cutoff_ns {
                down.note(entry);
            }
            if entry.recorded_ns < up_cutoff_ns && entry.recorded_ns < down_cutoff_ns {
                outdated = Some(index);
            }
        }
        self.store(outdated, desired, now_ns);
        let mut replicas = current.max(up.held.replicas);
        replicas = replicas.min(down.held.replicas);
        let hold = if desired >= current { up } else { down };
        Stabilization { replicas, held_by: (replicas != desired).then(|| hold.held_by()) }
    }

    /// At most one forgotten entry is reused; the list never shrinks.
    fn store(&mut self, outdated: Option<usize>, replicas: i32, recorded_ns: i64) {
        let entry = Recommendation { replicas, recorded_ns };
        match outdated {
            Some(index) => self.list[index] = entry,
            None => self.list.push(entry),
        }
    }
}
