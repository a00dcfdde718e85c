//! Readers of values with units: quantities, durations, rates, percentages, money, distributions.

use rust_decimal::Decimal;

use super::{Fields, Value, slips};
use crate::engine::dist::{Dist, DistError};
use crate::input::codes;
use crate::input::scalar::{self, BareNumber, ScalarError};
use crate::input::yaml::ScalarValue;
use crate::load::Rate;
use crate::units::quantity::Quantity;
use crate::units::{Bytes, MilliCpu, SimDuration};

impl<'a> Value<'a> {
    /// A Kubernetes quantity, as text or as a number.
    #[must_use]
    pub fn quantity(&self) -> Option<Quantity> {
        let text = self.scalar_text("a quantity")?;
        match text.parse::<Quantity>() {
            Ok(quantity) => Some(quantity),
            Err(error) => {
                let message = format!("is `{text}`, which is not a quantity: {error}");
                let error = self.error(codes::INVALID_QUANTITY, &message);
                self.report(match slips::quantity(&text) {
                    Some(meant) => error.fix("did you mean", self.node.span, meant),
                    None => error,
                });
                None
            }
        }
    }

    /// A quantity that is not negative.
    #[must_use]
    pub fn positive_quantity(&self) -> Option<Quantity> {
        let quantity = self.quantity()?;
        if quantity.nano() < 0 {
            let message = format!("is {quantity}, must not be negative");
            self.report(self.error(codes::OUT_OF_RANGE, &message));
            return None;
        }
        Some(quantity)
    }

    /// CPU in thousandths of a core, rounded up.
    #[must_use]
    pub fn cores(&self) -> Option<MilliCpu> {
        self.positive_quantity().map(|quantity| MilliCpu(quantity.milli_value_ceil()))
    }

    /// Memory or storage in bytes, rounded up. A suffix `m`, which means thousandths of a byte, is
    /// warned of.
    #[must_use]
    pub fn bytes(&self) -> Option<Bytes> {
        let quantity = self.positive_quantity()?;
        if let Some(text) = self.node.text()
            && let Some(number) = text.strip_suffix('m')
        {
            let message = format!("is {text}, which is {} bytes", milli(number));
            let label = "`m` means milli: thousandths of a byte";
            let why = "the API server accepts it; the scheduler sees almost no memory and \
                       overpacks nodes";
            self.report(
                self.warning(codes::MEMORY_IN_MILLI, &message)
                    .primary(self.node.span, label)
                    .note(why)
                    .fix("use a binary suffix", self.node.span, format!("{number}Mi")),
            );
        }
        Some(Bytes(quantity.value_ceil()))
    }

    /// A duration with its unit.
    #[must_use]
    pub fn duration(&self) -> Option<SimDuration> {
        self.duration_in(BareNumber::Refused)
    }

    /// A duration as k6 has it: a bare number is milliseconds.
    #[must_use]
    pub fn k6_duration(&self) -> Option<SimDuration> {
        self.duration_in(BareNumber::Milliseconds)
    }

    fn duration_in(&self, bare: BareNumber) -> Option<SimDuration> {
        let text = self.scalar_text("a duration such as `30s`")?;
        let error = match scalar::duration(&text, bare) {
            Ok(nanos) => return Some(SimDuration::from_nanos(nanos)),
            Err(error) => error,
        };
        let span = self.node.span;
        let diagnostic = match &error {
            ScalarError::NegativeDuration => self
                .error(error.code(), "must not be negative")
                .primary(span, format!("got {text}{}", in_seconds(&text, bare)))
                .replace("did you mean", span, text.trim_start_matches('-')),
            ScalarError::MissingUnit => self
                .error(error.code(), &format!("is `{text}`: a duration needs a unit"))
                .replace("for seconds", span, format!("{text}s"))
                .help(format!("or `{text}ms` for milliseconds, `{text}m` for minutes")),
            ScalarError::UnknownUnit(_)
            | ScalarError::UnknownRateUnit(_)
            | ScalarError::Negative
            | ScalarError::TooLarge
            | ScalarError::Malformed(_) => {
                let error = self.error(error.code(), &format!("is `{text}`: {error}"));
                match slips::duration(&text) {
                    Some(meant) => error.fix("did you mean", span, meant),
                    None => error,
                }
            }
        };
        self.report(diagnostic);
        None
    }

    /// A rate: `200/s`.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        let written = self.measure("a rate such as `200/s`", scalar::rate)?;
        Some(Rate::new(written.count, SimDuration::from_nanos(written.unit_nanos)))
    }

    /// A percentage as a fraction: `60%` is 0.6.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        self.measure("a percentage such as `60%`", scalar::percent)
    }

    /// A share or a probability, `90%` or `0.9`, from nothing to all.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        self.learn(|shape| shape.types.extend(["string", "number"]));
        if !self.node.text().is_some_and(|text| text.ends_with('%')) {
            return self.number(0.0..=1.0);
        }
        let share = self.percent()?;
        if !(0.0..=1.0).contains(&share) {
            self.report(self.error(codes::OUT_OF_RANGE, "must lie between 0% and 100%"));
            return None;
        }
        Some(share)
    }

    /// An amount of money: `$0.10`.
    #[must_use]
    pub fn money(&self) -> Option<Decimal> {
        self.measure("an amount of money such as `$0.10`", scalar::money)
    }

    fn measure<T>(&self, wanted: &str, read: fn(&str) -> Result<T, ScalarError>) -> Option<T> {
        let text = self.scalar_text(wanted)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                let message = if matches!(error, ScalarError::Malformed(_)) {
                    format!("is `{text}`, must be {wanted}")
                } else {
                    format!("is `{text}`: {error}")
                };
                self.report(self.error(error.code(), &message));
                None
            }
        }
    }

    /// The text of a scalar; a whole number in the notation of its base is brought to decimal
    /// first, as JSON has it.
    fn scalar_text(&self, wanted: &str) -> Option<String> {
        self.learn(|shape| {
            shape.types.extend(["string", "number"]);
        });
        match self.node.scalar() {
            Some(scalar) => match scalar.value {
                ScalarValue::Text | ScalarValue::Float(_) => Some((*scalar.text).to_owned()),
                ScalarValue::Integer(number) => Some(number.to_string()),
                ScalarValue::Null | ScalarValue::Boolean(_) => self.wrong_type(wanted),
            },
            None => self.wrong_type(wanted),
        }
    }

    /// A distribution of durations, in seconds: a duration alone, or one of the named
    /// distributions.
    #[must_use]
    pub fn distribution(&self) -> Option<Dist> {
        // Each of them can be written, whichever this one is.
        self.learn(|shape| shape.types.extend(["object", "string"]));
        if self.node.scalar().is_some() {
            return self.duration().map(Dist::fixed);
        }
        let fields = self.fields()?;
        let kind = fields.exactly_one(&DISTRIBUTIONS);
        let shift = fields.read("plus", Value::seconds);
        let limit = fields.read("max", Value::seconds);
        let known = fields.finish("a distribution");
        let (name, body) = kind?;
        let dist = body.shape(name)?;
        let (shift, limit) = (shift?, limit?);
        let shifted = shift.map_or(Ok(dist.clone()), |shift| dist.plus(shift));
        let cut =
            shifted.and_then(|dist| limit.map_or(Ok(dist.clone()), |limit| dist.at_most(limit)));
        self.checked(cut).filter(|_| known)
    }

    fn seconds(&self) -> Option<f64> {
        self.duration().map(SimDuration::as_secs_f64)
    }

    fn shape(&self, name: &str) -> Option<Dist> {
        match name {
            "constant" => return self.duration().map(Dist::fixed),
            "empirical" => {
                let values = self.list(Value::seconds)?;
                return self.checked(Dist::empirical(values));
            }
            _ => {}
        }
        let fields = self.fields()?;
        let made = match name {
            "uniform" => {
                two(&fields, ("min", Self::seconds), ("max", Self::seconds), Dist::uniform)
            }
            "exponential" => required(&fields, "mean", Self::seconds).map(Dist::exponential),
            "normal" => two(&fields, ("mean", Self::seconds), ("sd", Self::seconds), Dist::normal),
            "lognormal" => lognormal(&fields),
            "gamma" => two(&fields, ("mean", Self::seconds), ("cv", Self::factor), Dist::gamma),
            "erlang" => {
                let stages = |value: &Value<'a>| value.integer(1..=10_000_u32);
                two(&fields, ("mean", Self::seconds), ("k", stages), Dist::erlang)
            }
            "weibull" => {
                two(&fields, ("scale", Self::seconds), ("shape", Self::factor), Dist::weibull)
            }
            _ => two(&fields, ("min", Self::seconds), ("alpha", Self::factor), Dist::pareto),
        };
        let known = fields.finish(&format!("a {name} distribution"));
        self.checked(made?).filter(|_| known)
    }

    fn factor(&self) -> Option<f64> {
        self.number(0.0..=f64::MAX)
    }

    fn checked(&self, made: Result<Dist, DistError>) -> Option<Dist> {
        match made {
            Ok(dist) => Some(dist),
            Err(error) => {
                let message = format!("is no distribution: {error}");
                self.report(self.error(codes::INVALID_DISTRIBUTION, &message));
                None
            }
        }
    }
}

/// The named distributions.
const DISTRIBUTIONS: [&str; 10] = [
    "constant",
    "uniform",
    "exponential",
    "normal",
    "lognormal",
    "gamma",
    "erlang",
    "weibull",
    "pareto",
    "empirical",
];

type Read<'a, T> = fn(&Value<'a>) -> Option<T>;

fn required<'a, T>(fields: &Fields<'a>, name: &'static str, read: Read<'a, T>) -> Option<T> {
    fields.required(name).and_then(|value| read(&value))
}

fn two<'a, A, B>(
    fields: &Fields<'a>,
    first: (&'static str, Read<'a, A>),
    second: (&'static str, Read<'a, B>),
    make: fn(A, B) -> Result<Dist, DistError>,
) -> Option<Result<Dist, DistError>> {
    let a = required(fields, first.0, first.1);
    let b = required(fields, second.0, second.1);
    Some(make(a?, b?))
}

/// By mean and coefficient of variation, or by median and sigma.
fn lognormal(fields: &Fields<'_>) -> Option<Result<Dist, DistError>> {
    match fields.exactly_one(&["mean", "median"])? {
        ("mean", mean) => {
            let cv = required(fields, "cv", Value::factor);
            Some(Dist::lognormal_mean_cv(mean.seconds()?, cv?))
        }
        (_, median) => {
            let sigma = required(fields, "sigma", Value::factor);
            Some(Dist::lognormal_median_sigma(median.seconds()?, sigma?))
        }
    }
}

/// ` (-300 s)` for `-5m`, unless that is how it is written.
fn in_seconds(text: &str, bare: BareNumber) -> String {
    let nanos = scalar::duration(text.trim_start_matches('-'), bare).unwrap_or_default();
    let seconds = Decimal::from(nanos) / Decimal::from(1_000_000_000_u64);
    let seconds = seconds.normalize().to_string();
    if text == format!("-{seconds}s") { String::new() } else { format!(" (-{seconds} s)") }
}

/// A number of thousandths, without trailing zeros.
fn milli(number: &str) -> String {
    number.parse::<Decimal>().map_or_else(
        |_| number.to_owned(),
        |value| (value / Decimal::from(1000)).normalize().to_string(),
    )
}
