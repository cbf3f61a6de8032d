//! The cross-encoder that ships, on the real runtime: it loads, says the same whatever else is asked, and takes any text.

use std::sync::Arc;

use cairn::embed::{CrossEncoder, Runtime};

use crate::harness::{Sandbox, models_dir};

const PORT: &str = "Kestrel listens for mail on port 2525. The vault opens with a code word.";

fn started(threads: usize) -> CrossEncoder {
    let _sandbox = Sandbox::new(); // Says what is missing, if anything is.
    Runtime::load(&models_dir()).unwrap();
    CrossEncoder::start(threads).unwrap()
}

#[test]
fn what_the_evidence_says_is_borne_out_and_its_opposite_is_not() {
    let model = started(1);
    let said = model.read("Kestrel listens for mail on port 2525.", PORT).unwrap();
    let denied = model.read("Kestrel never listens for mail.", PORT).unwrap();
    let foreign = "Penguins migrate across frozen oceans each winter.";
    let strange = model.read(foreign, PORT).unwrap();
    assert!(said.entailment > 0.0, "{said:?}");
    assert!(denied.entailment < said.entailment, "{denied:?} {said:?}");
    assert!(strange.entailment < 0.0, "{strange:?}");
    let words = strange.against.expect("it points at a word that is not there");
    assert!(foreign.get(words.start..words.end).is_some_and(|word| word.chars().all(char::is_alphanumeric)));
}

#[test]
fn the_same_pair_gives_the_same_whatever_is_asked_beside_it() {
    let pairs: Vec<(String, String)> =
        (0..24).map(|n| (format!("Kestrel listens on port {n}."), PORT.repeat(n % 5 + 1))).collect();
    let alone = started(1);
    let expected: Vec<_> = pairs.iter().map(|(claim, evidence)| alone.read(claim, evidence).unwrap()).collect();
    let shared = Arc::new(started(2));
    std::thread::scope(|scope| {
        for offset in [0, 7, 13] {
            let (shared, pairs, expected) = (Arc::clone(&shared), &pairs, &expected);
            scope.spawn(move || {
                for at in (0..pairs.len()).map(|at| (at + offset) % pairs.len()) {
                    assert_eq!(shared.read(&pairs[at].0, &pairs[at].1).unwrap(), expected[at]);
                }
            });
        }
    });
}

#[test]
fn no_text_is_too_long_too_short_or_too_strange() {
    let model = started(1);
    let long = "word ".repeat(5000);
    let texts = ["", " ", "[1]", "🦀🦀🦀", "Ünïcödé straße ﬁ", "\u{0}\u{7f}", &long];
    for claim in texts {
        for evidence in texts {
            let read = model.read(claim, evidence).unwrap();
            assert!(read.entailment.is_finite());
            if let Some(words) = read.against {
                assert!(claim.get(words.start..words.end).is_some(), "{claim:?} {words:?}");
            }
        }
    }
}
