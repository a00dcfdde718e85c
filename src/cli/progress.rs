//! Progress on stderr: a bar on a terminal, a line now and then elsewhere, nothing on stdout ever.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::files::to_stderr;
use crate::cli::terminal::ProgressArg;
use crate::sweep::Progress;
use crate::units::{SimDuration, SimTime};

/// Runs shorter than this show nothing.
const QUIET_FOR: Duration = Duration::from_millis(300);
/// Between two plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Shows how far the runs have come.
pub(super) struct Meter {
    kind: Kind,
    total: SimDuration,
    runs: u64,
    began: Instant,
    state: Mutex<State>,
}

enum Kind {
    Bar(ProgressBar),
    Plain,
    Nothing,
}

struct State {
    finished: u64,
    last: Instant,
}

impl Meter {
    /// A meter for so many runs of so much simulated time each.
    #[expect(clippy::disallowed_methods, reason = "the command line may measure itself")]
    pub(super) fn new(wanted: ProgressArg, name: &str, total: SimDuration, runs: u32) -> Self {
        let began = Instant::now();
        let kind = match wanted {
            ProgressArg::None => Kind::Nothing,
            ProgressArg::Plain => Kind::Plain,
            ProgressArg::Auto => Kind::Bar(bar(name, total, runs)),
        };
        let state = Mutex::new(State { finished: 0, last: began });
        Self { kind, total, runs: u64::from(runs), began, state }
    }

    /// Takes news from any run.
    pub(super) fn hear(&self, news: Progress) {
        match &self.kind {
            Kind::Nothing => {}
            Kind::Bar(bar) => self.move_bar(bar, news),
            Kind::Plain => self.say(news),
        }
    }

    fn move_bar(&self, bar: &ProgressBar, news: Progress) {
        match news {
            // One run shows its own time; of several, only those that are over count.
            Progress::Reached { at, .. } if self.runs == 1 => {
                if self.began.elapsed() >= QUIET_FOR {
                    bar.set_position(at.as_nanos() / 1_000_000);
                    bar.set_message(format!("{at} of {}", self.total));
                }
            }
            Progress::Finished if self.runs > 1 => bar.inc(1),
            Progress::Reached { .. } | Progress::Finished => {}
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the command line may measure itself")]
    fn say(&self, news: Progress) {
        let Ok(mut state) = self.state.lock() else { return };
        if news == Progress::Finished {
            state.finished += 1;
        }
        if state.last.elapsed() < PLAIN_EVERY {
            return;
        }
        state.last = Instant::now();
        let at = match news {
            Progress::Reached { at, .. } => at,
            Progress::Finished => SimTime::ZERO,
        };
        let (finished, runs) = (state.finished, self.runs);
        to_stderr(&format!("{finished}/{runs} runs done; one is at {at} of {}", self.total));
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Kind::Bar(bar) = &self.kind {
            bar.finish_and_clear();
        }
    }
}

/// Hidden by itself when stderr is no terminal.
fn bar(name: &str, total: SimDuration, runs: u32) -> ProgressBar {
    let (length, unit) = if runs == 1 {
        (total.as_nanos() / 1_000_000, "{msg}")
    } else {
        (u64::from(runs), "{pos}/{len} runs · ETA {eta}")
    };
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let bar = ProgressBar::with_draw_target(Some(length), target);
    let template = format!("Simulating {name}  {{bar:24}}  {unit}");
    let style =
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("━╸ "));
    bar
}
