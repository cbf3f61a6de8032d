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

/// What is found for sure: the claim is else the evidence's own words.
fn sure(claim: &str, evidence: &str) -> Vec<(MismatchKind, String)> {
    let passages = Passages::read(&[evidence]);
    let read = passages.claim(claim, Span { start: 0, end: claim.len() });
    let weights: Vec<f32> = read.keys.iter().map(|key| key.weight).collect();
    let window = best(&passages.windows(&read.keys, &weights, 3)).expect("there is evidence");
    let found = Pair::of(&read, &passages, window).mismatches();
    let sure = found.into_iter().filter(|mismatch| mismatch.sure);
    sure.map(|mismatch| (mismatch.kind, mismatch.claim.of(claim).to_owned())).collect()
}

const MANUAL: &str = "The server reloads its settings when it receives the signal. Workers are not restarted while a request is running. \
    Run the scheduler from Scrapy scripts and send the errors to Sentry. Use the `--workers` flag to start four processes. \
    Neither backups nor logs are removed by the command. Nginx forwards each request to Gunicorn over a socket. \
    The inspectors found no trace of the leak in the United Nations building. \
    The error (not found) page is sent. Tell whether or not the page was sent. ";

#[test]
fn in_the_evidences_own_words_a_difference_of_one_word_is_sure() {
    use MismatchKind::*;
    for (claim, kind, said) in [
        ("The server never reloads its settings when it receives the signal.", Negation, "never"),
        ("The server reloads its settings when it does not receive the signal.", Negation, "not"),
        ("Workers are restarted while a request is running.", Negation, "restarted"),
        ("Run the scheduler from Sentry scripts and send the errors to Sentry.", NameElsewhere, "Sentry"),
        ("Run the scheduler from Django scripts and send the errors to Sentry.", Name, "Django"),
        ("Gunicorn forwards each request to Gunicorn over a socket.", NameElsewhere, "Gunicorn"),
        ("Use the `--threads` flag to start four processes.", Identifier, "--threads"),
    ] {
        assert!(sure(claim, MANUAL).contains(&(kind, said.to_owned())), "{claim}: {:?}", found(claim, MANUAL));
    }
}

#[test]
fn what_says_the_same_with_a_no_in_another_place_is_not_sure() {
    for claim in [
        "The inspectors didn't find any trace of the leak in the United Nations building.",
        "The inspectors found no trace of the leak in the UN building.",
        "No trace of the leak was found by the inspectors in the United Nations building.",
        "Workers aren't restarted while a request is running.",
        "Workers are left alone while a request is running.",
        "Backups and logs are not removed by the command.",
        "Use the `--workers` flag to start 4 processes.",
        "The error page is sent.",
        "Tell whether the page was sent.",
    ] {
        assert_eq!(sure(claim, MANUAL), [], "{claim}");
    }
}

#[test]
fn a_number_of_something_else_is_found() {
    let text = "The default size of a segment is 64 MiB. A chunk has at most 512 tokens. Version 3.9 of Python is required, \
        and 2 workers handle 10 requests in 30 seconds.";
    for (claim, said) in [
        ("The default size of a chunk is 64 MiB.", "64"),
        ("Version 2 of Python is required.", "2"),
        ("2 workers handle 30 requests in 10 seconds.", "30"),
    ] {
        let found = found(claim, text);
        assert!(found.contains(&(MismatchKind::NumberElsewhere, said.to_owned())), "{claim}: {found:?}");
    }
    for claim in [
        "The default size of a segment is 64 MiB.",
        "A segment has a default size of 64 MiB.",
        "A chunk has 512 tokens at most.",
    ] {
        assert_eq!(found(claim, text), [], "{claim}");
    }
}

#[test]
fn halves_of_two_statements_are_not_one() {
    let text = "A key is revoked by its owner or by an administrator. Keys have a name. They have a date as well. \
        Nobody sees them again. Uploads are scanned first. A file is quarantined when it is found in the wrong folder. \
        The scanner restarts when its database changes.";
    let joint = |claim: &str| found(claim, text).iter().any(|(kind, _)| *kind == MismatchKind::Joint);
    assert!(joint("A key is revoked when it is found in the wrong folder."));
    assert!(!joint("A file is quarantined when it is found in the wrong folder."));
    assert!(!joint("The scanner restarts when the database changes."));
    assert!(!joint("A key is revoked by its owner, and a file is quarantined when it is found in the wrong folder."));
}

#[test]
fn the_same_words_again_say_nothing() {
    let text = "Beyond 128 requests held at once, a request is turned away at once. A configuration file wins over the \
        defaults, and an environment variable wins over that. The shop is open from 8 am to 8 pm on Mondays and from \
        9 am to 9 pm on Fridays. Dense search finds texts of one meaning, sparse search finds texts of the same words.";
    let repeats = |claim: &str| found(claim, text).iter().any(|(kind, _)| *kind == MismatchKind::Repetition);
    for claim in [
        "The request is turned away when a request is turned away.",
        "The configuration file is the configuration file, and the environment variable is the environment variable.",
    ] {
        assert!(repeats(claim), "{claim}");
    }
    for claim in [
        "A request is turned away beyond 128 other requests.",
        "The configuration file wins over the defaults, and the environment variable wins over the configuration file.",
        "It is open from 8 am to 8 pm on Mondays and from 8 am to 9 pm on Fridays.",
        "Dense search finds texts of one meaning, sparse search finds texts of the same words.",
        "A request is a request.",
    ] {
        assert!(!repeats(claim), "{claim}");
    }
}

#[test]
fn a_name_is_known_by_another_name_and_not_by_a_word_that_means_the_same() {
    let text = "The shop is in Goleta, CA. It opens at 9 am. Customers start there.";
    assert_eq!(found("The shop is in Goleta, California.", text), []);
    let found = found("Customers come to the shop with Jumps there.", text);
    assert!(found.contains(&(MismatchKind::Name, "Jumps".to_owned())), "{found:?}");
}

#[test]
fn a_cue_that_denies_nothing_is_none() {
    let text =
        "You can alternatively use the pool. Set the option to `None` to use standard output, which is quite slow.";
    for claim in [
        "You can instead use the pool.",
        "Set the option to None to use standard output.",
        "Standard output is rather slow.",
    ] {
        assert_eq!(found(claim, text), [], "{claim}");
    }
}
