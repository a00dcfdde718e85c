//! Panels drawn with plotters into SVG text: whole pixels at twice the size, no font is measured.

use plotters::coord::Shift;
use plotters::prelude::{
    DrawingArea, IntoDrawingArea, IntoFont, PathElement, Polygon, RGBColor, Rectangle, SVGBackend,
    ShapeStyle, Text, TextStyle,
};
use plotters::style::Color as _;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::svg::compact::{PATTERNS, compact};
use crate::report::svg::figure::{Colour, Dash, Figure, Join, Series};
use crate::units::convert::{f64_from_usize, trunc_i32};

/// A colour as it is drawn.
const fn rgb(colour: Colour) -> RGBColor {
    match colour {
        Colour::Black => RGBColor(0, 0, 0),
        Colour::Blue => RGBColor(0, 114, 178),
        Colour::Vermillion => RGBColor(213, 94, 0),
        Colour::Green => RGBColor(0, 158, 115),
        Colour::Purple => RGBColor(204, 121, 167),
        Colour::Orange => RGBColor(230, 159, 0),
        Colour::Sky => RGBColor(86, 180, 233),
        Colour::Grey => RGBColor(110, 110, 110),
    }
}

/// Pixels of the drawing to one of the picture, so that slopes are smooth.
const SCALE: i32 = 2;
const WIDTH: i32 = 960 * SCALE;
const LEFT: i32 = 74 * SCALE;
const RIGHT: i32 = 190 * SCALE;
const HEAD: i32 = 30 * SCALE;
const FOOT: i32 = 40 * SCALE;
const GAP: i32 = 12 * SCALE;
const LABEL_STEP: i32 = 15 * SCALE;
/// plotters writes a font's size divided by this.
const FONT_FACTOR: f64 = 1.24;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Pixel = (i32, i32);

/// A vertical mark at an instant, with its text.
pub(in crate::report) type Mark = (f64, String);

/// Panels one above the other on one time axis.
pub(super) struct Sheet<'a> {
    pub(super) figures: &'a [Figure],
    /// Height of a panel's plot [pixels of the picture].
    pub(super) height: i32,
    /// Length of the time axis (s).
    pub(super) span_s: f64,
    pub(super) marks: &'a [Mark],
}

/// A panel's place: the corners of its plot, and the value at its top.
struct Frame {
    top: i32,
    bottom: i32,
    span_s: f64,
    most: f64,
}

impl Frame {
    fn x(&self, seconds: f64) -> i32 {
        let share = (seconds / self.span_s).clamp(0.0, 1.0);
        LEFT + trunc_i32(libm::round(share * f64::from(WIDTH - LEFT - RIGHT)))
    }

    fn y(&self, value: f64) -> i32 {
        let share = (value / self.most).clamp(0.0, 1.0);
        self.bottom - trunc_i32(libm::round(share * f64::from(self.bottom - self.top)))
    }
}

/// The sheet as the text of an SVG file.
pub(super) fn draw(sheet: &Sheet<'_>) -> String {
    let panel = HEAD + sheet.height * SCALE + GAP;
    let count = i32::try_from(sheet.figures.len()).expect("a sheet has few panels");
    let height = panel * count + FOOT;
    let mut text = String::new();
    {
        let size = [WIDTH, height].map(|side| u32::try_from(side).expect("sides are positive"));
        let area = SVGBackend::with_string(&mut text, (size[0], size[1])).into_drawing_area();
        let white = ShapeStyle::from(&RGBColor(255, 255, 255)).filled();
        put(&area, &Rectangle::new([(0, 0), (WIDTH, height)], white));
        for (position, figure) in sheet.figures.iter().enumerate() {
            let above = panel * i32::try_from(position).expect("a sheet has few panels");
            let top = above + HEAD;
            let frame = Frame {
                top,
                bottom: top + sheet.height * SCALE,
                span_s: sheet.span_s.max(1.0),
                most: figure.top.unwrap_or_else(|| nice_top(figure.largest())),
            };
            draw_panel(&area, figure, &frame, sheet.marks, position == 0);
            if position + 1 == sheet.figures.len() {
                time_axis(&area, &frame);
            }
        }
        area.present().expect("text can always be written");
    }
    let drawn = |side: i32| format!("\"{side}\"");
    let text = text.replacen(&drawn(WIDTH), &drawn(WIDTH / SCALE), 1).replacen(
        &drawn(height),
        &drawn(height / SCALE),
        1,
    );
    compact(&text)
}

/// Draws an element; writing into a text cannot fail.
fn put<E>(area: &Area<'_>, element: &E)
where
    for<'x> &'x E: plotters::element::PointCollection<'x, Pixel>,
    for<'x> E: plotters::element::Drawable<SVGBackend<'x>>,
{
    area.draw(element).expect("text can always be written");
}

fn line(area: &Area<'_>, points: Vec<Pixel>, colour: RGBColor, width: u32) {
    let style = ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: width };
    put(area, &PathElement::new(points, style));
}

fn write(
    area: &Area<'_>,
    text: &str,
    at: Pixel,
    size: i32,
    colour: RGBColor,
    anchor: (HPos, VPos),
) {
    let points = f64::from(size * SCALE) * FONT_FACTOR;
    let style = TextStyle::from(("sans-serif", points).into_font())
        .color(&colour)
        .pos(Pos::new(anchor.0, anchor.1));
    put(area, &Text::new(text.to_owned(), at, style));
}

const INK: RGBColor = RGBColor(40, 40, 40);
const QUIET: RGBColor = RGBColor(95, 95, 95);
const GRID: RGBColor = RGBColor(226, 226, 226);
/// How much of its line's colour a band has.
const SPREAD: f64 = 0.2;
const SHADE: RGBColor = RGBColor(228, 240, 248);

fn draw_panel(area: &Area<'_>, figure: &Figure, frame: &Frame, marks: &[Mark], first: bool) {
    if !figure.title.is_empty() {
        let title = format!("{} [{}]", figure.title, figure.unit);
        write(area, &title, (LEFT, frame.top - 9 * SCALE), 13, INK, (HPos::Left, VPos::Bottom));
    }
    if let Some((_, least, most)) = &figure.band {
        let corners = [(frame.x(0.0), frame.y(*most)), (frame.x(frame.span_s), frame.y(*least))];
        put(area, &Rectangle::new(corners, ShapeStyle::from(&SHADE).filled()));
    }
    for value in ticks(frame.most) {
        let y = frame.y(value);
        line(area, vec![(LEFT, y), (WIDTH - RIGHT, y)], GRID, 2);
        let at = (LEFT - 7 * SCALE, y);
        write(area, &tick_text(value), at, 11, QUIET, (HPos::Right, VPos::Center));
    }
    for seconds in time_ticks(frame.span_s) {
        let x = frame.x(seconds);
        line(area, vec![(x, frame.top), (x, frame.bottom)], GRID, 2);
    }
    for (seconds, text) in marks {
        let x = frame.x(*seconds);
        patterned(area, &[(x, frame.top), (x, frame.bottom)], rgb(Colour::Grey), (4, 6), 2);
        if first {
            let at = (x, frame.top - 2 * SCALE);
            write(area, text, at, 10, QUIET, (HPos::Center, VPos::Bottom));
        }
    }
    line(area, vec![(LEFT, frame.bottom), (WIDTH - RIGHT, frame.bottom)], QUIET, 2);
    let mut labels: Vec<(i32, String, Colour, Dash)> = Vec::new();
    for (name, value) in &figure.limits {
        let y = frame.y(*value);
        let ends = [(LEFT, y), (WIDTH - RIGHT, y)];
        patterned(area, &ends, rgb(Colour::Grey), (16, 8), 3);
        labels.push((y, name.clone(), Colour::Grey, Dash::Dashed));
    }
    if let Some((name, least, most)) = &figure.band {
        let middle = (frame.y(*least) + frame.y(*most)) / 2;
        write(area, name, (LEFT + 6 * SCALE, middle), 10, QUIET, (HPos::Left, VPos::Center));
    }
    figure.series.iter().for_each(|series| draw_spread(area, series, frame));
    for series in &figure.series {
        if let Some(end) = draw_series(area, series, frame) {
            labels.push((end, series.name.clone(), series.colour, series.dash));
        }
    }
    write_labels(area, labels, frame);
}

/// Draws a series and returns the height of its last value.
fn draw_series(area: &Area<'_>, series: &Series, frame: &Frame) -> Option<i32> {
    let mut end = None;
    for part in series.points.split(|(_, value)| value.is_none()) {
        let mut pixels: Vec<Pixel> = Vec::new();
        for (seconds, value) in part {
            let Some(value) = value else { continue };
            let pixel = (frame.x(*seconds), frame.y(*value));
            if let (Join::Step, Some((_, y))) = (series.join, pixels.last().copied())
                && y != pixel.1
            {
                pixels.push((pixel.0, y));
            }
            pixels.push(pixel);
        }
        let Some((_, y)) = pixels.last() else { continue };
        end = Some(*y);
        let pixels = thinned(&pixels);
        let colour = rgb(series.colour);
        match series.dash {
            Dash::Solid => line(area, pixels, colour, 4),
            Dash::Dashed => patterned(area, &pixels, colour, (14, 8), 4),
            Dash::Dotted => patterned(area, &pixels, colour, (4, 6), 4),
        }
    }
    end
}

/// The same line without points in the middle of a level stretch.
fn thinned(pixels: &[Pixel]) -> Vec<Pixel> {
    let mut out: Vec<Pixel> = Vec::with_capacity(pixels.len());
    for pixel in pixels {
        if let [.., (_, before), last] = out.as_mut_slice()
            && *before == last.1
            && last.1 == pixel.1
        {
            last.0 = pixel.0;
        } else {
            out.push(*pixel);
        }
    }
    out
}

/// A line in a pattern of dashes and gaps.
fn patterned(area: &Area<'_>, points: &[Pixel], colour: RGBColor, pattern: (i32, i32), width: u32) {
    let text = format!("{} {}", pattern.0, pattern.1);
    let code = PATTERNS.iter().find(|(_, plain, dashes)| *plain == width && *dashes == text);
    line(area, points.to_vec(), colour, code.map_or(width, |(code, _, _)| *code));
}

/// Where most of several runs lie, stretch by stretch.
fn draw_spread(area: &Area<'_>, series: &Series, frame: &Frame) {
    let points = series.points.iter().zip(&series.spread);
    let known: Vec<Option<(i32, i32, i32)>> = points
        .map(|((seconds, _), spread)| {
            let (least, most) = (*spread)?;
            Some((frame.x(*seconds), frame.y(least), frame.y(most)))
        })
        .collect();
    for stretch in known.split(Option::is_none).filter(|stretch| stretch.len() > 1) {
        let stretch = || stretch.iter().flatten();
        let above: Vec<Pixel> = edge(stretch().map(|(x, _, most)| (*x, *most)), series.join);
        let below: Vec<Pixel> = edge(stretch().map(|(x, least, _)| (*x, *least)), series.join);
        let outline: Vec<Pixel> = above.into_iter().chain(below.into_iter().rev()).collect();
        let colour = rgb(series.colour).mix(SPREAD);
        put(area, &Polygon::new(outline, ShapeStyle::from(&colour).filled()));
    }
}

/// An edge of a band, by the rule of its line.
fn edge(points: impl Iterator<Item = Pixel>, join: Join) -> Vec<Pixel> {
    let mut pixels: Vec<Pixel> = Vec::new();
    for (x, y) in points {
        if let (Join::Step, Some((_, before))) = (join, pixels.last().copied())
            && before != y
        {
            pixels.push((x, before));
        }
        pixels.push((x, y));
    }
    thinned(&pixels)
}

/// Names beside the ends of their lines, moved apart where they would lie on each other.
fn write_labels(area: &Area<'_>, mut labels: Vec<(i32, String, Colour, Dash)>, frame: &Frame) {
    labels.sort_by_key(|(y, _, _, _)| *y);
    let mut least = frame.top;
    for label in &mut labels {
        label.0 = label.0.max(least);
        least = label.0 + LABEL_STEP;
    }
    let mut most = frame.bottom;
    for label in labels.iter_mut().rev() {
        label.0 = label.0.min(most);
        most = label.0 - LABEL_STEP;
    }
    for (y, name, colour, dash) in labels {
        let x = WIDTH - RIGHT + 8 * SCALE;
        let sample = [(x, y), (x + 26 * SCALE, y)];
        match dash {
            Dash::Solid => line(area, sample.to_vec(), rgb(colour), 4),
            Dash::Dashed => patterned(area, &sample, rgb(colour), (14, 8), 4),
            Dash::Dotted => patterned(area, &sample, rgb(colour), (4, 6), 4),
        }
        let at = (x + 32 * SCALE, y);
        write(area, &name, at, 11, INK, (HPos::Left, VPos::Center));
    }
}

fn time_axis(area: &Area<'_>, frame: &Frame) {
    for seconds in time_ticks(frame.span_s) {
        let at = (frame.x(seconds), frame.bottom + 6 * SCALE);
        write(area, &time_text(seconds), at, 11, QUIET, (HPos::Center, VPos::Top));
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2;
    let at = (middle, frame.bottom + 22 * SCALE);
    write(area, "time since the start of measuring", at, 11, QUIET, (HPos::Center, VPos::Top));
}

/// A round number at or above the largest value.
fn nice_top(largest: f64) -> f64 {
    if largest <= 0.0 {
        return 1.0;
    }
    let whole = |step: f64| libm::ceil(largest * 1.02 / step) * step;
    // The step of the axis is that of its top, which may be a size larger.
    whole(nice_step(whole(nice_step(largest))))
}

/// A step of 1, 2 or 5 times a power of ten that divides the range into at most five.
fn nice_step(range: f64) -> f64 {
    let power = libm::pow(10.0, libm::floor(libm::log10(range / 5.0)));
    let rest = range / 5.0 / power;
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| rest <= *factor).unwrap_or(10.0);
    factor * power
}

fn ticks(most: f64) -> Vec<f64> {
    let step = nice_step(most);
    (0..=6_u32).map(|n| step * f64::from(n)).take_while(|value| *value <= most * 1.001).collect()
}

fn tick_text(value: f64) -> String {
    if value >= 1_000.0 {
        crate::findings::text::grouped(value + 1e-6)
    } else {
        // Steps have one figure, so that nine decimals hold any error of the product.
        let text = format!("{value:.6}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// Steps of a clock (s).
const CLOCK: [f64; 14] = [
    1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 10_800.0,
    21_600.0,
];

fn time_ticks(span_s: f64) -> Vec<f64> {
    let day = 86_400.0;
    let step = CLOCK.into_iter().find(|step| span_s / step <= 12.0);
    let step = step.unwrap_or_else(|| libm::ceil(span_s / day / 12.0) * day);
    (0..=12_usize).map(|n| f64_from_usize(n) * step).take_while(|at| *at <= span_s).collect()
}

/// `0`, `45s`, `10m`, `1h30m`, `2d`.
fn time_text(seconds: f64) -> String {
    let s = trunc_i32(libm::round(seconds));
    let (d, h, m) = (s / 86_400, s / 3_600, s / 60);
    match s {
        0 => "0".to_owned(),
        _ if s % 86_400 == 0 => format!("{d}d"),
        _ if s % 3_600 == 0 => format!("{h}h"),
        _ if s > 3_600 => format!("{h}h{:02}m", m % 60),
        _ if s % 60 == 0 => format!("{m}m"),
        _ if s > 60 => format!("{m}m{:02}s", s % 60),
        _ => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_and_step_at_round_numbers() {
        for (largest, top, steps) in
            [(1_800.0, 2_000.0, 5), (4.99, 6.0, 4), (10.0, 15.0, 4), (20.0, 25.0, 6), (0.0, 1.0, 6)]
        {
            let nice = nice_top(largest);
            assert!((nice - top).abs() < 1e-9, "{largest}: {nice}");
            assert_eq!(ticks(nice).len(), steps, "{largest}");
        }
        assert_eq!(time_ticks(2_700.0).len(), 10);
        assert_eq!(time_text(5_400.0), "1h30m");
        assert_eq!(tick_text(0.25), "0.25");
    }

    #[test]
    fn a_level_stretch_keeps_its_ends() {
        assert_eq!(thinned(&[(0, 1), (1, 1), (2, 1), (3, 5)]), [(0, 1), (2, 1), (3, 5)]);
    }
}
