//! A chart as a value: a title, axes with units, series on one time axis.

/// The colours of Okabe and Ito, told apart by people who see colours differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Black.
    Black,
    /// Blue.
    Blue,
    /// Vermillion.
    Vermillion,
    /// Bluish green.
    Green,
    /// Reddish purple.
    Purple,
    /// Orange.
    Orange,
    /// Sky blue.
    Sky,
    /// Grey, for what is not data.
    Grey,
}

impl Colour {
    /// The colours in the order in which series of one panel take them.
    pub const CYCLE: [Self; 6] =
        [Self::Blue, Self::Vermillion, Self::Green, Self::Purple, Self::Orange, Self::Sky];
}

/// A panel: one quantity over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What is shown: `Latency of client requests`.
    pub title: String,
    /// The quantity's unit: `ms`, `requests/s`.
    pub unit: String,
    /// Series, the most important last, because it is drawn over the others.
    pub series: Vec<Series>,
    /// Limits and objectives: horizontal lines with their names.
    pub limits: Vec<(String, f64)>,
    /// Where the values may lie: a shaded band with its name.
    pub band: Option<(String, f64, f64)>,
    /// The top of the axis, when it is not to follow the values.
    pub top: Option<f64>,
}

/// One line of a panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name, written beside its end.
    pub name: String,
    /// Time (s) from the start of measuring, and value; gaps where the value is unknown.
    pub points: Vec<(f64, Option<f64>)>,
    /// Its colour.
    pub colour: Colour,
    /// Where the same line lies in most of several runs: least and most at each point. Empty when there
    /// is one run.
    pub spread: Vec<Option<(f64, f64)>>,
    /// Its pattern, so that colour is not all that tells it from others.
    pub dash: Dash,
    /// How values between two instants are drawn.
    pub join: Join,
}

/// Pattern of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dash {
    /// Without a gap.
    Solid,
    /// Long dashes.
    Dashed,
    /// Short dots.
    Dotted,
}

/// How two values are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// By a straight line.
    Line,
    /// The first holds until the second: counts.
    Step,
}

impl Figure {
    /// An empty panel.
    #[must_use]
    pub fn new(title: impl Into<String>, unit: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            unit: unit.into(),
            series: Vec::new(),
            limits: Vec::new(),
            band: None,
            top: None,
        }
    }

    /// The largest value that must be visible.
    pub(super) fn largest(&self) -> f64 {
        let values = self.series.iter().flat_map(|series| &series.points);
        let values = values.filter_map(|(_, value)| *value);
        let spreads = self.series.iter().flat_map(|series| &series.spread);
        let spreads = spreads.filter_map(|spread| spread.map(|(_, most)| most));
        let limits = self.limits.iter().map(|(_, value)| *value);
        let band = self.band.iter().map(|(_, _, most)| *most);
        values.chain(spreads).chain(limits).chain(band).fold(0.0, f64::max)
    }

    /// Whether any series has two values.
    pub(in crate::report) fn moves(&self) -> bool {
        self.series.iter().any(|series| {
            let mut known = series.points.iter().filter_map(|(_, value)| *value);
            known.next().is_some_and(|first| known.any(|value| (value - first).abs() > 1e-9))
        })
    }

    /// Whether any series has a value above zero.
    pub(in crate::report) fn is_empty(&self) -> bool {
        let mut values = self.series.iter().flat_map(|series| &series.points);
        !values.any(|(_, value)| value.is_some_and(|value| value > 0.0))
    }
}
