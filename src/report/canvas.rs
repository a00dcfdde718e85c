//! A sheet on which rectangles, lines, dots and words are put with plotters, as SVG text with
//! presentation attributes only.

use plotters::coord::Shift;
use plotters::prelude::{
    Circle, DrawingArea, IntoDrawingArea, IntoFont, PathElement, RGBColor, Rectangle, SVGBackend,
    ShapeStyle, Text, TextStyle,
};
use plotters::style::Color as _;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub(in crate::report) use plotters::prelude::RGBColor as Rgb;
pub(in crate::report) use plotters::style::text_anchor::HPos as Anchor;

/// Black enough for text.
pub(in crate::report) const INK: RGBColor = RGBColor(40, 40, 40);
/// For what is not data.
pub(in crate::report) const QUIET: RGBColor = RGBColor(95, 95, 95);

/// A point (pixels from the upper left).
pub(in crate::report) type Point = (i32, i32);

/// The sheet while it is drawn on.
pub(in crate::report) struct Canvas<'a, 'b> {
    area: &'a DrawingArea<SVGBackend<'b>, Shift>,
}

/// Draws on a white sheet of a size; the text of the SVG file.
pub(in crate::report) fn sheet(size: Point, paint: impl FnOnce(&Canvas<'_, '_>)) -> String {
    let side = |side: i32| u32::try_from(side.max(1)).expect("sides are positive");
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (side(size.0), side(size.1)));
        let area = area.into_drawing_area();
        let canvas = Canvas { area: &area };
        canvas.fill((0, 0), size, RGBColor(255, 255, 255));
        paint(&canvas);
        area.present().expect("text can always be written");
    }
    text
}

impl Canvas<'_, '_> {
    /// A rectangle full of a colour.
    pub(in crate::report) fn fill(&self, from: Point, to: Point, colour: RGBColor) {
        let style = ShapeStyle::from(&colour).filled();
        self.area.draw(&Rectangle::new([from, to], style)).expect("text can always be written");
    }

    /// The edge of a rectangle.
    pub(in crate::report) fn frame(&self, from: Point, to: Point, colour: RGBColor, width: u32) {
        let style = ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: width };
        self.area.draw(&Rectangle::new([from, to], style)).expect("text can always be written");
    }

    /// A line through points.
    pub(in crate::report) fn line(&self, points: Vec<Point>, colour: RGBColor, width: u32) {
        let style = ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: width };
        self.area.draw(&PathElement::new(points, style)).expect("text can always be written");
    }

    /// A dot, full or hollow.
    pub(in crate::report) fn dot(&self, at: Point, radius: i32, colour: RGBColor, filled: bool) {
        let style = ShapeStyle { color: colour.to_rgba(), filled, stroke_width: 2 };
        self.area.draw(&Circle::new(at, radius, style)).expect("text can always be written");
    }

    /// Words, their middle at the height of the point.
    pub(in crate::report) fn write(
        &self,
        text: &str,
        at: Point,
        size: i32,
        colour: RGBColor,
        anchor: HPos,
    ) {
        let style = TextStyle::from(("sans-serif", size).into_font())
            .color(&colour)
            .pos(Pos::new(anchor, VPos::Center));
        let text = Text::new(text.to_owned(), at, style);
        self.area.draw(&text).expect("text can always be written");
    }
}
