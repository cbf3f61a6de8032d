//! How far scores agree with people's labels, and one order with another.

use super::real;

/// A score, and whether people call it supported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    pub score: f64,
    pub supported: bool,
}

/// Labels by ascending score, for drawing them again and again without sorting.
#[derive(Debug, Clone)]
pub struct Sorted {
    /// Score, supported, and whose weight counts for it.
    labels: Vec<(f64, bool, usize)>,
}

/// How many are called what by whom.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Table {
    supported_found: f64,
    supported: f64,
    unsupported_found: f64,
    unsupported: f64,
}

impl Sorted {
    /// Each label with the cluster that it is drawn with.
    pub fn of(labels: impl IntoIterator<Item = (Label, usize)>) -> Self {
        let mut labels: Vec<(f64, bool, usize)> =
            labels.into_iter().map(|(label, cluster)| (label.score, label.supported, cluster)).collect();
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { labels }
    }

    fn weighed<'a>(&'a self, weights: &'a [u32]) -> impl Iterator<Item = (f64, bool, f64)> + 'a {
        let weight = |cluster: usize| weights.get(cluster).copied().map_or(0.0, f64::from);
        self.labels.iter().map(move |(score, supported, cluster)| (*score, *supported, weight(*cluster)))
    }

    /// The probability that a supported one scores above an unsupported one, ties counting half: the area under the
    /// ROC curve (Hanley and McNeil 1982). None unless there are both.
    pub fn auroc(&self, weights: &[u32]) -> Option<f64> {
        let (mut below, mut above) = (0.0, 0.0); // unsupported ones so far; pairs in the right order
        let (mut tied_yes, mut tied_no, mut at) = (0.0, 0.0, f64::NEG_INFINITY);
        let (mut yes, mut no) = (0.0, 0.0);
        for (score, supported, weight) in self.weighed(weights) {
            if score > at {
                above += tied_yes * (below + tied_no / 2.0);
                below += tied_no;
                (tied_yes, tied_no, at) = (0.0, 0.0, score);
            }
            let (tied, all) = if supported { (&mut tied_yes, &mut yes) } else { (&mut tied_no, &mut no) };
            *tied += weight;
            *all += weight;
        }
        above += tied_yes * (below + tied_no / 2.0);
        (yes > 0.0 && no > 0.0).then(|| above / (yes * no))
    }

    fn table(&self, weights: &[u32], threshold: f64) -> Table {
        let mut table = Table::default();
        for (score, supported, weight) in self.weighed(weights) {
            let called = score >= threshold;
            if supported {
                table.supported += weight;
                table.supported_found += if called { weight } else { 0.0 };
            } else {
                table.unsupported += weight;
                table.unsupported_found += if called { 0.0 } else { weight };
            }
        }
        table
    }

    /// The mean of the shares of supported and of unsupported ones that are called so. None unless there are both.
    pub fn balanced_accuracy(&self, weights: &[u32], threshold: f64) -> Option<f64> {
        let Table { supported_found, supported, unsupported_found, unsupported } = self.table(weights, threshold);
        (supported > 0.0 && unsupported > 0.0)
            .then(|| f64::midpoint(supported_found / supported, unsupported_found / unsupported))
    }

    /// F1 of finding what is not supported. None where there is none, neither said nor meant.
    pub fn f1(&self, weights: &[u32], threshold: f64) -> Option<f64> {
        let Table { supported_found, supported, unsupported_found, unsupported } = self.table(weights, threshold);
        let wrong = supported - supported_found + unsupported - unsupported_found;
        (unsupported_found + wrong > 0.0).then(|| 2.0 * unsupported_found / (2.0 * unsupported_found + wrong))
    }
}

/// One bar of a reliability table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reliability {
    pub from: f64,
    pub to: f64,
    pub labels: usize,
    pub score: f64,
    pub supported: f64,
}

/// Mean score and share of supported ones by tenths of the score, without the empty ones.
pub fn reliability(labels: &[Label]) -> Vec<Reliability> {
    const BINS: usize = 10;
    let within = |bin: usize| {
        labels.iter().filter(move |label| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a score in 0..=1")]
            let place = (label.score.clamp(0.0, 1.0) * real(BINS)) as usize;
            place.min(BINS - 1) == bin
        })
    };
    let bar = |bin: usize| {
        let count = within(bin).count();
        (count > 0).then(|| Reliability {
            from: real(bin) / real(BINS),
            to: real(bin + 1) / real(BINS),
            labels: count,
            score: within(bin).map(|label| label.score).sum::<f64>() / real(count),
            supported: real(within(bin).filter(|label| label.supported).count()) / real(count),
        })
    };
    (0..BINS).filter_map(bar).collect()
}

/// The expected calibration error: how far score and share are apart, each bar by its size (Naeini, Cooper and
/// Hauskrecht 2015). None of no labels.
pub fn calibration_error(labels: &[Label]) -> Option<f64> {
    let apart = |bar: &Reliability| (bar.score - bar.supported).abs() * real(bar.labels);
    (!labels.is_empty()).then(|| reliability(labels).iter().map(apart).sum::<f64>() / real(labels.len()))
}

/// Kendall's τ-b of two orders of the same things (Kendall 1945). None where one of them tells none apart.
pub fn kendall(a: &[f64], b: &[f64]) -> Option<f64> {
    let (mut sum, mut a_apart, mut b_apart) = (0.0, 0.0, 0.0);
    for (later, (a1, b1)) in a.iter().zip(b).enumerate() {
        for (a0, b0) in a.iter().zip(b).take(later) {
            let (by_a, by_b) = (sign(a1 - a0), sign(b1 - b0));
            sum += by_a * by_b;
            a_apart += by_a * by_a;
            b_apart += by_b * by_b;
        }
    }
    (a_apart > 0.0 && b_apart > 0.0).then(|| sum / (a_apart * b_apart).sqrt())
}

/// Pairs that the two order in opposite ways, and all pairs that people tell apart.
pub fn reversals(people: &[f64], scorer: &[f64]) -> (usize, usize) {
    let (mut reversed, mut pairs) = (0, 0);
    for (later, (p1, s1)) in people.iter().zip(scorer).enumerate() {
        for (p0, s0) in people.iter().zip(scorer).take(later) {
            let by_people = sign(p1 - p0);
            pairs += usize::from(by_people.abs() > 0.0);
            reversed += usize::from(by_people * sign(s1 - s0) < 0.0);
        }
    }
    (reversed, pairs)
}

fn sign(difference: f64) -> f64 {
    if difference > 0.0 {
        1.0
    } else if difference < 0.0 {
        -1.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::stats::near;

    const SCORES: [f64; 10] = [0.9, 0.8, 0.8, 0.7, 0.55, 0.4, 0.4, 0.3, 0.2, 0.1];
    const PEOPLE: [u8; 10] = [1, 1, 0, 1, 1, 0, 1, 0, 0, 0];

    fn labels() -> Vec<Label> {
        SCORES.into_iter().zip(PEOPLE).map(|(score, yes)| Label { score, supported: yes == 1 }).collect()
    }

    // sklearn.metrics: roc_auc_score(l, s), balanced_accuracy_score(l, s >= .5), f1_score(1 - l, s < .5)
    #[test]
    fn agreement_is_scikit_learns() {
        let sorted = Sorted::of(labels().into_iter().enumerate().map(|(at, label)| (label, at)));
        let once = [1u32; 10];
        assert!(near(sorted.auroc(&once).unwrap(), 0.84));
        assert!(near(sorted.balanced_accuracy(&once, 0.5).unwrap(), 0.8));
        assert!(near(sorted.f1(&once, 0.5).unwrap(), 0.8));
        assert_eq!(sorted.auroc(&[0; 10]), None);
        assert_eq!(sorted.auroc(&[1, 1, 0, 0, 0, 0, 0, 0, 0, 0]), None, "only supported ones");
    }

    #[test]
    fn a_weight_of_two_is_the_label_twice() {
        let twice: Vec<(Label, usize)> = labels().into_iter().flat_map(|label| [(label, 0), (label, 0)]).collect();
        let heavy = Sorted::of(labels().into_iter().map(|label| (label, 0)));
        assert_eq!(heavy.auroc(&[2]), Sorted::of(twice).auroc(&[1]));
    }

    // bins = numpy.minimum((s * 10).astype(int), 9); sum(share of bin * abs(mean score - mean label))
    #[test]
    fn the_calibration_error_is_numpys() {
        assert!(near(calibration_error(&labels()).unwrap(), 0.225));
        assert_eq!(calibration_error(&[]), None);
        assert_eq!(reliability(&labels()).iter().map(|bar| bar.labels).sum::<usize>(), 10);
    }

    // scipy.stats.kendalltau(a, b).statistic
    #[test]
    fn kendalls_tau_is_scipys() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 3.0, 2.0, 4.0, 6.0, 6.0]);
        assert!(near(kendall(&a, &b).unwrap(), 0.828_078_671_210_825_1));
        assert!(near(kendall(&[1.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 3.0]).unwrap(), 0.8));
        assert_eq!(kendall(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(reversals(&a, &b), (1, 15));
    }
}
