//! Answers cut into pieces, at once and as a stream.

use proptest::prelude::*;

use super::*;

fn split(text: &str) -> Vec<(&str, Kind)> {
    pieces(text).into_iter().map(|piece| (piece.span.of(text), piece.kind)).collect()
}

fn claims(text: &str) -> Vec<&str> {
    split(text).into_iter().filter(|(_, kind)| *kind == Kind::Claim).map(|(text, _)| text).collect()
}

fn streamed(parts: &[&str]) -> Vec<Piece> {
    let mut reader = ClaimReader::new();
    let mut found: Vec<Piece> = parts.iter().flat_map(|part| reader.push(part)).collect();
    found.extend(reader.finish());
    found
}

#[test]
fn sentences_survive_what_looks_like_their_end() {
    for sentence in [
        "Version 3.14 of e.g. Python costs $1.5 million.",
        "See https://example.com/a.b?c=d for J. R. Smith's files.",
        "The file /etc/app.conf vs. ~/.config is read by Dr. Who of Acme Inc. in the U.S. Army.",
        "She said \"Stop! Go away.\" and left the building.",
        "Call `a.b(). C` to restart the server.",
        "It was built in\n1940. ",
    ] {
        assert_eq!(claims(sentence), [sentence.trim_end()]);
    }
}

#[test]
fn marks_stay_with_the_sentence_before_them() {
    let text = "Restart the server. [1] Then check logs.[2][3] Use port 80 【4†source】. Last words here [^5].";
    assert_eq!(
        claims(text),
        ["Restart the server. [1]", "Then check logs.[2][3]", "Use port 80 【4†source】.", "Last words here [^5]."]
    );
}

#[test]
fn markdown_falls_into_its_parts() {
    let text = "# Title here now\n\nSure! Here is a summary:\n\n- first item works\n- second item fails. It does so daily.\n\n\
        | Setting | Default |\n|---|---|\n| port | 80 |\n\n```sh\nrm -rf x. Y\n```\n**Bold heading here**\nThe documents do not mention ports.\nDoes it?\n";
    assert_eq!(
        split(text),
        [
            ("# Title here now", Kind::Heading),
            ("Sure!", Kind::Chatter),
            ("Here is a summary:", Kind::Chatter),
            ("first item works", Kind::Claim),
            ("second item fails.", Kind::Claim),
            ("It does so daily.", Kind::Fragment),
            ("| Setting | Default |", Kind::Rule),
            ("|---|---|", Kind::Rule),
            ("| port | 80 |", Kind::Claim),
            ("```sh\nrm -rf x. Y\n```", Kind::Code),
            ("**Bold heading here**\nThe documents do not mention ports.", Kind::AboutSources),
            ("Does it?", Kind::Question),
            ("", Kind::Blank),
        ]
    );
}

#[test]
fn settings_stand_line_by_line() {
    assert_eq!(
        claims("name: Modern Times\ncity: Santa Barbara\nstars: 4.5\n"),
        ["name: Modern Times", "city: Santa Barbara", "stars: 4.5"]
    );
}

#[test]
fn a_claim_is_final_with_the_next_word() {
    let mut reader = ClaimReader::new();
    assert!(reader.push("The server restarts daily.").is_empty());
    assert!(reader.push(" It").is_empty());
    assert_eq!(reader.push(" takes").len(), 1);
}

const MESSY: &str = "([a-zA-Z]{1,4}|[ ]|[ ]|\\.|\\. |\n|\n\n|- |1\\. |# |```\n|`|\\||\\|--|\\[1\\]|【2†s】|\\[|\\(Source 1\\)|!|\\?|\"|e\\.g\\.|3\\.14|: |é|。|---|\\*\\*|It )";

#[test]
fn a_sentence_settles_when_no_word_could_go_on_with_it() {
    for (text, settles) in [
        ("It restarts after an error.", true),
        ("Port 25 is open. It restarts after an error. ", true),
        ("It was found by Dr.", false),
        ("It restarts in the U.S.", false),
        ("It restarts after an", false),
        ("| It restarts.", false),
        ("```\nIt restarts.", false),
    ] {
        let mut reader = ClaimReader::new();
        let before = reader.push(text).len();
        let settled = reader.settle();
        assert_eq!(!settled.is_empty(), settles, "{text}");
        let mut all: Vec<Piece> = pieces(text).into_iter().take(before).collect();
        all.extend(settled);
        all.extend(reader.push(" Then it goes on."));
        all.extend(reader.finish());
        assert_eq!(all.last().map(|piece| piece.whole.end), Some(reader.text().len()), "nothing is lost: {text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn how_the_stream_is_cut_makes_no_difference(parts in proptest::collection::vec(MESSY, 0..30)) {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let whole = parts.concat();
        prop_assert_eq!(streamed(&parts), streamed(&[&whole]));
        let letters: Vec<String> = whole.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        prop_assert_eq!(streamed(&letters), streamed(&[&whole]));
    }

    #[test]
    fn pieces_tile_the_text(text in proptest::collection::vec(MESSY, 0..30)) {
        let text = text.concat();
        let mut at = 0;
        for piece in pieces(&text) {
            prop_assert_eq!(piece.whole.start, at);
            prop_assert!(piece.whole.start <= piece.span.start && piece.span.end <= piece.whole.end);
            prop_assert!(text.get(piece.span.start..piece.span.end).is_some());
            at = piece.whole.end;
        }
        prop_assert_eq!(at, text.len());
    }
}
