//! What each rule finds, and what it leaves alone.

use super::super::evidence::best;
use super::*;

fn found(claim: &str, evidence: &str) -> Vec<(MismatchKind, String)> {
    let passages = Passages::read(&[evidence]);
    let read = passages.claim(claim, Span { start: 0, end: claim.len() });
    let weights: Vec<f32> = read.keys.iter().map(|key| key.weight).collect();
    let window = best(&passages.windows(&read.keys, &weights, 3)).expect("there is evidence");
    let found = Pair::of(&read, &passages, window).mismatches();
    found.into_iter().map(|mismatch| (mismatch.kind, mismatch.claim.of(claim).to_owned())).collect()
}

#[test]
fn what_the_evidence_says_otherwise_is_found() {
    use MismatchKind::*;
    let text = "The server listens on port 8080 and keeps at most 50 connections. It does not log passwords. \
        The cache is enabled by default since version 2.4.1. Clients may retry requests after 30 seconds. \
        Alice Jones wrote the parser in May 2019, before Bob Smith joined. Use `max_size` to set more threads.";
    for (claim, kind, said) in [
        ("The server listens on port 9090.", Number, "9090"),
        ("The server keeps at most 8080 connections.", NumberElsewhere, "8080"),
        ("It logs passwords.", Negation, "logs"),
        ("The server does not listen on port 8080.", Negation, "not"),
        ("The cache is disabled by default.", Opposite, "disabled"),
        ("The cache is enabled by default since version 2.4.2.", Version, "2.4.2"),
        ("Clients must retry requests after 30 seconds.", Modality, "must"),
        ("Clients may retry requests after 30 minutes.", Unit, "30"),
        ("Carol Jones wrote the parser.", Name, "Carol"),
        ("Alice Jones wrote the parser in June 2019.", Date, "June 2019"),
        ("Bob Smith wrote the parser in May 2019.", NameElsewhere, "Smith"),
        ("Alice Jones wrote the parser after Bob Smith joined.", Opposite, "after"),
        ("Use `min_size` to set more threads.", Identifier, "min_size"),
        ("Use `max_size` to set fewer threads.", Opposite, "fewer"),
    ] {
        assert!(found(claim, text).contains(&(kind, said.to_owned())), "{claim}: {:?}", found(claim, text));
    }
}

#[test]
fn what_the_evidence_says_in_other_words_is_not_found() {
    let text = "The server listens on port 8080 and keeps at most 1,000 connections. It does not log passwords. \
        The cache is enabled by default. On 11 December 1958, Alice Jones joined the United Nations in Iran.";
    for claim in [
        "Port 8080 is what the server listens on.",
        "It keeps at most one thousand connections.",
        "Passwords are not logged.",
        "It doesn't log passwords.",
        "By default the cache is enabled.",
        "The cache is not disabled by default.",
        "Jones joined the UN on December 11, 1958.",
        "Alice Jones joined the UN in 1958.",
        "In 1958 the Iranian office was joined by Alice Jones.",
    ] {
        assert_eq!(found(claim, text), [], "{claim}");
    }
}
