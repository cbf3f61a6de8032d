//! Numbers of a report: finite always, and rounded where they are written.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decimal places of a figure in a report: finer than any of them is known, coarse enough that the last bit of a sum
/// does not show.
pub const DIGITS: i32 = 6;

/// A number that is known: never NaN, never infinite. Equal if it is written the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figure(f64);

impl Figure {
    /// Rounded to [`DIGITS`] places. None for what is no number: the caller has to skip it, and to say why.
    pub fn new(value: f64) -> Option<Self> {
        let scale = 10f64.powi(DIGITS);
        let rounded = (value * scale).round() / scale;
        // Adding zero makes one of the two zeros.
        rounded.is_finite().then_some(Self(rounded + 0.0))
    }

    /// A share of a whole. None of nothing.
    pub fn share(part: usize, whole: usize) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "counts of cases")]
        let share = part as f64 / whole as f64;
        Self::new(share)
    }

    pub fn get(self) -> f64 {
        self.0
    }

    pub const ZERO: Self = Self(0.0);
    pub const ONE: Self = Self(1.0);
}

impl PartialEq for Figure {
    fn eq(&self, other: &Self) -> bool {
        self.0.total_cmp(&other.0).is_eq()
    }
}

impl Eq for Figure {}

impl PartialOrd for Figure {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Figure {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| serde::de::Error::custom("a figure is no finite number"))
    }
}

/// A figure with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    pub value: Figure,
    pub low: Figure,
    pub high: Figure,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_finite_and_rounded() {
        assert_eq!(Figure::new(f64::NAN), None);
        assert_eq!(Figure::new(f64::INFINITY), None);
        assert_eq!(Figure::share(1, 0), None);
        assert_eq!(serde_json::to_string(&Figure::share(1, 3)).unwrap(), "0.333333");
        assert_eq!(Figure::new(0.1 + 0.2), Figure::new(0.3));
        assert_eq!(Figure::new(-1e-9), Some(Figure::ZERO), "there is one zero");
    }

    #[test]
    fn a_figure_that_is_written_and_read_is_the_same() {
        for value in [0.0, 1.0, 0.123_456, -3.5, 1e9] {
            let figure = Figure::new(value).unwrap();
            let read: Figure = serde_json::from_str(&serde_json::to_string(&figure).unwrap()).unwrap();
            assert_eq!(read, figure);
        }
    }
}
