//! Intervals as small drawings: SVG out, with places in percent, so that a drawing is as wide as there is room. Pure.

use crate::eval::record::{Bin, Direction, Estimate, Figure, GateRecord, Measure};

/// The narrowest axis: what is closer together is drawn as close together as it is.
const SPAN_MIN: f64 = 0.1;

/// What part of the line of numbers is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Axis {
    /// All that a measure can be.
    pub(super) const WHOLE: Self = Self { from: 0.0, to: 1.0 };

    /// Around these values of a measure, with round ends.
    pub(super) fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let (mut from, mut to) = (1.0_f64, 0.0_f64);
        for value in values {
            from = from.min(value);
            to = to.max(value);
        }
        if from > to {
            return Self::WHOLE;
        }
        let span = (to - from).max(SPAN_MIN);
        let step = if span <= 0.25 { 0.05 } else { 0.1 };
        // A little room, so that no mark stands at the very end unless the measure ends there.
        let (from, to) = (from - span * 0.08, to + span * 0.08);
        let from = ((from / step + 1e-9).floor() * step).clamp(0.0, 1.0);
        let to = ((to / step - 1e-9).ceil() * step).clamp(0.0, 1.0);
        if to - from >= 0.75 { Self::WHOLE } else { Self { from, to } }
    }

    /// Around no difference, as far as these differences go.
    pub(super) fn of_changes(values: impl IntoIterator<Item = f64>) -> Self {
        let most = values.into_iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        let end = ((most / 0.05 - 1e-9).ceil() * 0.05).clamp(0.05, 1.0);
        Self { from: -end, to: end }
    }

    /// Where a value stands, in percent of the drawing's width.
    fn place(self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from) * 100.0).clamp(0.0, 100.0)
    }
}

/// An interval with what it is held against.
pub(super) struct Plot {
    axis: Axis,
    estimate: Estimate,
    /// Where a value must not lie.
    bad: Option<(f64, f64)>,
    /// Vertical lines: the floor, and no difference.
    floor: Option<f64>,
    zero: Option<f64>,
    baseline: Option<f64>,
}

impl Plot {
    /// A value by itself.
    pub(super) fn of(axis: Axis, estimate: Estimate) -> Self {
        Self { axis, estimate, bad: None, floor: None, zero: None, baseline: None }
    }

    /// A gate's value with its floor, and with the baseline's.
    pub(super) fn of_gate(gate: &GateRecord, estimate: Estimate, baseline: Option<Figure>) -> Self {
        let (floor, baseline) = (gate.floor.map(Figure::get), baseline.map(Figure::get));
        let ends = [estimate.low.get(), estimate.high.get(), estimate.value.get()];
        let axis = Axis::around(ends.into_iter().chain(floor).chain(baseline));
        let bad = floor.map(|floor| match gate.measure.direction() {
            Direction::HigherIsBetter => (axis.from, floor),
            Direction::LowerIsBetter => (floor, axis.to),
        });
        Self { axis, estimate, bad, floor, zero: None, baseline }
    }

    /// A difference, with the margin that it may lose.
    pub(super) fn of_change(axis: Axis, gain: Estimate, margin: Option<Figure>) -> Self {
        let bad = margin.map(|margin| (axis.from, -margin.get()));
        Self { axis, estimate: gain, bad, floor: margin.map(|margin| -margin.get()), zero: Some(0.0), baseline: None }
    }

    pub(super) fn axis(&self) -> Axis {
        self.axis
    }

    /// The drawing. `said` is read to whoever can't see it; it holds figures and names of measures only.
    pub(super) fn svg(&self, said: &str) -> String {
        let at = |value: f64| format!("{:.2}%", self.axis.place(value));
        let mut svg = format!("<svg class=\"plot\" role=\"img\" aria-label=\"{said}\">");
        if let Some((from, to)) = self.bad {
            let width = (self.axis.place(to) - self.axis.place(from)).max(0.0);
            svg.push_str(&format!(
                "<rect class=\"bad\" x=\"{}\" width=\"{width:.2}%\" y=\"4\" height=\"20\"/>",
                at(from)
            ));
        }
        svg.push_str("<line class=\"rail\" x1=\"0\" x2=\"100%\" y1=\"14\" y2=\"14\"/>");
        for (class, place) in [("zero", self.zero), ("floor", self.floor)] {
            if let Some(place) = place {
                let x = at(place);
                svg.push_str(&format!("<line class=\"{class}\" x1=\"{x}\" x2=\"{x}\" y1=\"3\" y2=\"25\"/>"));
            }
        }
        let (low, high) = (at(self.estimate.low.get()), at(self.estimate.high.get()));
        svg.push_str(&format!("<line class=\"interval\" x1=\"{low}\" x2=\"{high}\" y1=\"14\" y2=\"14\"/>"));
        if let Some(baseline) = self.baseline {
            let x = at(baseline);
            svg.push_str(&format!(
                "<svg class=\"baseline\" x=\"{x}\" y=\"14\"><path d=\"M0 -7L5.5 0L0 7L-5.5 0Z\"/></svg>"
            ));
        }
        svg.push_str(&format!(
            "<circle class=\"value\" cx=\"{}\" cy=\"14\" r=\"5\"/></svg>",
            at(self.estimate.value.get())
        ));
        svg
    }
}

/// How true the scorer's scores are: its mean score of each bin beside the share that people called supported.
pub(super) fn reliability(bins: &[Bin]) -> String {
    let most = bins.iter().map(|bin| bin.labels).max().unwrap_or(0).max(1);
    let mut svg = String::from(
        "<svg class=\"reliability\" viewBox=\"0 0 120 120\" role=\"img\" aria-label=\"reliability of the scores\">\
         <rect class=\"frame\" x=\"10\" y=\"10\" width=\"100\" height=\"100\"/>\
         <line class=\"zero\" x1=\"10\" y1=\"110\" x2=\"110\" y2=\"10\"/>",
    );
    for bin in bins.iter().filter(|bin| bin.labels > 0) {
        let (x, y) = (10.0 + 100.0 * bin.score.get(), 110.0 - 100.0 * bin.supported.get());
        #[expect(clippy::cast_precision_loss, reason = "counts of labels")]
        let radius = 2.0 + 4.0 * (bin.labels as f64 / most as f64).sqrt();
        svg.push_str(&format!("<circle class=\"value\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>"));
    }
    svg.push_str("</svg>");
    svg
}

/// An axis' end, as people write it.
pub(super) fn end(measure: Measure, value: f64) -> String {
    Figure::new(value).map_or_else(String::new, |value| super::super::shown::value(measure, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_ends_and_room_for_every_mark() {
        let near = |axis: Axis, from: f64, to: f64| (axis.from - from).abs() < 1e-9 && (axis.to - to).abs() < 1e-9;
        assert!(near(Axis::around([0.0, 0.031, 0.05]), 0.0, 0.1), "{:?}", Axis::around([0.0, 0.031, 0.05]));
        assert!(near(Axis::around([0.685, 0.928, 0.75]), 0.65, 0.95), "{:?}", Axis::around([0.685, 0.928, 0.75]));
        assert_eq!(Axis::around([0.1, 0.9]), Axis::WHOLE);
        assert_eq!(Axis::around([]), Axis::WHOLE, "an empty one is nothing to fall over");
        assert!(near(Axis::of_changes([0.02, -0.07]), -0.1, 0.1));
        assert!((Axis::around([0.685, 0.928]).place(2.0) - 100.0).abs() < 1e-9, "nothing stands outside");
    }
}
