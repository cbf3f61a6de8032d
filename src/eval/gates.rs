//! The gates file: what a run has to hold to pass. `eval/gates.toml` explains each key.

use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::record::{Direction, Measure, OnInconclusive};
use super::summary::Assumed;

const GATES_MAX: usize = 200;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    pub alpha: f64,
    pub skipped_share_max: f64,
    pub errored_share_max: f64,
    /// Cases that must be without any fault.
    pub must_pass: Vec<String>,
    /// Tags whose cases may have no wrong number, date, unit or version.
    pub critical_tags: Vec<String>,
    pub power: Power,
    pub selftest: Bars,
    #[serde(rename = "gate")]
    pub gates: Vec<Gate>,
}

/// What is assumed of a comparison before there is one.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Power {
    pub changing_share: f64,
    pub deviation: f64,
    pub cluster_correlation: f64,
}

/// What the scorer must show before its word counts.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bars {
    /// The share of planted faults that a kind must reach to be called seen.
    pub seen_share_min: f64,
    /// The least share of all planted faults that are caught.
    pub caught_share_min: f64,
    /// The most of untouched sentences that may be called unsupported.
    pub false_alarm_share_max: f64,
    pub auroc_min: f64,
    pub balanced_accuracy_min: f64,
    pub calibration_error_max: f64,
}

/// One gate.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    pub measure: Measure,
    /// A tag. None: all cases.
    pub slice: Option<String>,
    pub floor: Option<f64>,
    pub margin: Option<f64>,
    pub smallest_effect: Option<f64>,
    #[serde(default = "block")]
    pub on_inconclusive: OnInconclusive,
}

fn block() -> OnInconclusive {
    OnInconclusive::Block
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            skipped_share_max: 0.1,
            errored_share_max: 0.0,
            must_pass: Vec::new(),
            critical_tags: Vec::new(),
            power: Power::default(),
            selftest: Bars::default(),
            gates: Vec::new(),
        }
    }
}

impl Default for Power {
    fn default() -> Self {
        let Assumed { changing_share, deviation, cluster_correlation, .. } = Assumed::default();
        Self { changing_share, deviation, cluster_correlation }
    }
}

impl Default for Bars {
    fn default() -> Self {
        Self {
            seen_share_min: 0.8,
            caught_share_min: 0.6,
            false_alarm_share_max: 0.05,
            auroc_min: 0.65,
            balanced_accuracy_min: 0.6,
            calibration_error_max: 0.25,
        }
    }
}

impl Gate {
    /// Whether a value is good enough, whatever the baseline.
    pub(super) fn meets_floor(&self, value: f64) -> bool {
        self.floor.is_none_or(|floor| match self.measure.direction() {
            Direction::HigherIsBetter => value >= floor,
            Direction::LowerIsBetter => value <= floor,
        })
    }

    /// For a reader: `fact_recall`, or `fact_recall of "tables"`.
    pub(super) fn title(&self) -> String {
        match &self.slice {
            None => self.measure.name().to_owned(),
            Some(tag) => format!("{} of {tag:?}", self.measure.name()),
        }
    }
}

impl Gates {
    /// Reads and checks a gates file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let gates: Self = toml::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        gates.check().with_context(|| format!("read {}", path.display()))?;
        Ok(gates)
    }

    pub(super) fn assumed(&self) -> Assumed {
        let Power { changing_share, deviation, cluster_correlation } = self.power;
        Assumed { changing_share, deviation, cluster_correlation, alpha: self.alpha }
    }

    /// Whether any gate stands on the scorer's word.
    pub(super) fn need_scorer(&self) -> bool {
        self.gates.iter().any(|gate| gate.measure.is_scored())
    }

    fn check(&self) -> anyhow::Result<()> {
        if !(0.000_1..=0.2).contains(&self.alpha) {
            bail!("alpha is {}, must be in 0.0001..=0.2", self.alpha);
        }
        let bars = &self.selftest;
        for (key, share) in [
            ("skipped_share_max", self.skipped_share_max),
            ("errored_share_max", self.errored_share_max),
            ("power.changing_share", self.power.changing_share),
            ("power.deviation", self.power.deviation),
            ("power.cluster_correlation", self.power.cluster_correlation),
            ("selftest.seen_share_min", bars.seen_share_min),
            ("selftest.caught_share_min", bars.caught_share_min),
            ("selftest.false_alarm_share_max", bars.false_alarm_share_max),
            ("selftest.auroc_min", bars.auroc_min),
            ("selftest.balanced_accuracy_min", bars.balanced_accuracy_min),
            ("selftest.calibration_error_max", bars.calibration_error_max),
        ] {
            if !(0.0..=1.0).contains(&share) {
                bail!("{key} is {share}, must be in 0..=1");
            }
        }
        if self.gates.len() > GATES_MAX {
            bail!("it has {} gates, at most {GATES_MAX} are allowed", self.gates.len());
        }
        for gate in &self.gates {
            check_gate(gate).with_context(|| format!("the gate {}", gate.title()))?;
        }
        Ok(())
    }
}

fn check_gate(gate: &Gate) -> anyhow::Result<()> {
    if gate.floor.is_none() && gate.margin.is_none() {
        bail!("it must have a floor, a margin, or both");
    }
    for (key, value) in [("floor", gate.floor), ("margin", gate.margin), ("smallest_effect", gate.smallest_effect)] {
        if value.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
            bail!("{key} must be in 0..=1");
        }
    }
    match (gate.margin, gate.smallest_effect) {
        (Some(margin), _) if margin <= 0.0 => {
            bail!("margin must be more than 0: no number of cases shows that nothing is lost")
        }
        (Some(_), None) => {
            bail!("it has a margin, so it must name its smallest_effect: the smallest loss that matters")
        }
        (Some(margin), Some(effect)) if effect < margin => {
            bail!("smallest_effect is {effect}, must be at least margin ({margin}): a loss can't both pass and fail")
        }
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_explains_every_key_is_read_and_has_them_all() {
        let text = &std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/eval/gates.toml")).unwrap();
        let gates: Gates = toml::from_str(text).unwrap();
        gates.check().unwrap();
        assert!(!gates.gates.is_empty());
        for key in [
            "alpha",
            "skipped_share_max",
            "errored_share_max",
            "must_pass",
            "critical_tags",
            "changing_share",
            "deviation",
            "cluster_correlation",
            "seen_share_min",
            "caught_share_min",
            "false_alarm_share_max",
            "auroc_min",
            "balanced_accuracy_min",
            "calibration_error_max",
            "measure",
            "slice",
            "floor",
            "margin",
            "smallest_effect",
            "on_inconclusive",
        ] {
            assert!(text.contains(&format!("{key} = ")), "{key} is not explained");
        }
    }

    #[test]
    fn a_gate_that_decides_nothing_or_both_ways_is_refused() {
        let wrong = |text: &str| {
            let read = toml::from_str::<Gates>(text).map_err(anyhow::Error::from);
            format!("{:#}", read.and_then(|gates| gates.check()).unwrap_err())
        };
        let gate = |keys: &str| wrong(&format!("[[gate]]\nmeasure = \"mrr\"\n{keys}"));
        assert!(gate("").contains("a floor, a margin"));
        assert!(gate("margin = 0.0\nsmallest_effect = 0.1").contains("more than 0"));
        assert!(gate("margin = 0.1").contains("smallest_effect"));
        assert!(gate("margin = 0.1\nsmallest_effect = 0.05").contains("both pass and fail"));
        assert!(gate("floor = 2.0").contains("0..=1"));
        assert!(gate("flor = 0.5").contains("unknown field"));
        assert!(wrong("alpha = 0.9").contains("alpha"));
        assert!(wrong("[[gate]]\nmeasure = \"cosine\"\nfloor = 0.5").contains("unknown variant"));
    }
}
