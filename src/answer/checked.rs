//! An answer's sentences, each held until it is checked against the passages.
//!
//! A model's text goes in as it comes. Out comes the text that is shown, and for each sentence that says something its
//! citations and a [`CheckedClaim`]: how well the passages bear it out, by which of their words, and what speaks against
//! it. A source is cited where it bears the sentence out, whether the model named it or not; one that does not is not.
//! No sentence is shown before it is checked. What becomes of one that is not borne out is the [`Policy`]'s to say.
//! However the text is cut on its way in, the same comes out.

mod evidence;
mod said;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

pub(super) use self::evidence::{citation, quoted_claim, whole_text};
use self::said::Said;
use super::REFUSAL;
use super::cite::{self, Edit, Edited, Mark};
use super::event::{AnswerEvent, CheckedClaim, ClaimCounts, Evidence, Finding, MarkCounts, Outcome, Reason};
use super::links::Addresses;
use crate::chat::Finish;
use crate::document::{Passage, Span};
use crate::ground::claims::{ClaimReader, Kind, Piece};
use crate::ground::evidence::Passages;
use crate::ground::mismatch::{MismatchKind, Place};
use crate::ground::{Judgement, Scorer, Verdict, is_closed};

/// Where several sources bear a sentence out only together, each must have this share of its words.
const COVERAGE_MIN: f32 = 0.2;

/// What becomes of sentences that the passages don't bear out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// They are shown with their verdict.
    Annotate,
    /// They are left out, and that is said at the end.
    Retract,
    /// With less than this share of supported sentences, the whole answer becomes a refusal.
    Block { supported_share_min: f64 },
}

/// Whether the passages bear a claim out, by another's word. None: they can't say, and the scorer's word stands.
pub(super) type SecondOpinion = Box<dyn FnMut(&str) -> Option<bool> + Send>;

/// How a checked answer ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) claims: ClaimCounts,
    pub(super) marks: MarkCounts,
}

/// The state between two parts of a model's text.
pub(super) struct Gate {
    scorer: Arc<Scorer>,
    policy: Policy,
    /// Asked about claims that the scorer calls supported.
    second: Option<SecondOpinion>,
    /// With `Policy::Retract`, claims of a lower score are not shown either.
    retract_below: f32,
    /// As the answer may rely on them, and as claims are compared with them: all together, and each by itself.
    sources: Vec<Passage>,
    together: Passages,
    alone: Vec<Passages>,
    addresses: Addresses,
    reader: ClaimReader,
    /// Complete, but nothing follows them yet: whether a sentence breaks off depends on whether it is the last.
    waiting: VecDeque<Piece>,
    /// The piece before the next one was given before anybody knew what follows it.
    settled: bool,
    /// What must not be shown yet, and perhaps never.
    held: Vec<AnswerEvent>,
    holds: bool,
    /// Bytes that were passed on, held ones among them.
    shown: usize,
    claims: ClaimCounts,
    marks: MarkCounts,
    cited: bool,
    /// Whether it says that the sources are silent.
    silent: bool,
    said: Said,
}

/// A source that a sentence is cited to, and the words there that bear it out.
struct Cited {
    number: usize,
    words: Option<Span>,
}

impl Gate {
    pub(super) fn new(scorer: Arc<Scorer>, policy: Policy, sources: &[Passage]) -> Self {
        let texts: Vec<String> = sources.iter().map(whole_text).collect();
        Self {
            scorer,
            policy,
            second: None,
            retract_below: 0.0,
            together: Passages::read(&texts),
            alone: texts.iter().map(|text| Passages::read(&[text])).collect(),
            addresses: Addresses::of(sources),
            sources: sources.to_vec(),
            reader: ClaimReader::new(),
            waiting: VecDeque::new(),
            settled: false,
            held: Vec::new(),
            // A greeting and a heading are no answer: with nothing after them, they are not shown either.
            holds: policy != Policy::Annotate,
            shown: 0,
            claims: ClaimCounts::default(),
            marks: MarkCounts::default(),
            cited: false,
            silent: false,
            said: Said::default(),
        }
    }

    /// The same with somebody to ask for a second opinion.
    pub(super) fn with_second(self, second: Option<SecondOpinion>) -> Self {
        Self { second, ..self }
    }

    /// The same, stricter in what it shows where it retracts.
    pub(super) fn retracting_below(self, score: f32) -> Self {
        let retract_below = if self.policy == Policy::Retract { score } else { 0.0 };
        Self { retract_below, ..self }
    }

    /// Takes the next part of the text; gives what can be shown with it.
    pub(super) fn push(&mut self, text: &str) -> Vec<AnswerEvent> {
        let pieces = self.reader.push(text);
        self.waiting.extend(pieces);
        let mut events = Vec::new();
        while self.waiting.front().is_some_and(|piece| self.is_followed(*piece)) {
            events.extend(self.waiting.pop_front().map(|piece| self.pass(piece, false)).unwrap_or_default());
        }
        events
    }

    /// Nothing has come for a while: gives the sentence that is complete, whatever comes next.
    pub(super) fn settle(&mut self) -> Vec<AnswerEvent> {
        if !self.waiting.is_empty() {
            return Vec::new();
        }
        let pieces = self.reader.settle();
        let events = pieces.iter().flat_map(|piece| self.pass(*piece, false)).collect();
        self.settled |= !pieces.is_empty();
        events
    }

    fn is_followed(&self, piece: Piece) -> bool {
        self.reader.text().get(piece.whole.end..).is_some_and(|rest| !rest.trim().is_empty())
    }

    /// Whether there is anything to show or to hold.
    pub(super) fn has_words(&self) -> bool {
        self.reader.text().contains(char::is_alphanumeric)
    }

    /// Bytes of text that were given out.
    pub(super) fn shown(&self) -> usize {
        if self.holds { 0 } else { self.shown }
    }

    /// The text is complete: gives the rest of it, and how the answer ended.
    pub(super) fn end(&mut self, finish: Finish) -> (Vec<AnswerEvent>, Ending) {
        let mut events = Vec::new();
        let pieces = self.reader.finish();
        self.waiting.extend(pieces);
        while let Some(piece) = self.waiting.pop_front() {
            let is_cut = finish == Finish::Length && piece.whole.end == self.reader.text().len();
            events.extend(self.pass(piece, is_cut));
        }
        let outcome = self.outcome(finish);
        let ending = Ending { outcome, claims: self.claims, marks: self.marks };
        if self.withholds() {
            return (vec![AnswerEvent::Delta(REFUSAL.to_owned())], ending);
        }
        let mut all = std::mem::take(&mut self.held);
        self.holds = false;
        all.append(&mut events);
        all.extend(self.left_out_note());
        (all, ending)
    }

    fn left_out_note(&mut self) -> Option<AnswerEvent> {
        let note = match self.claims.retracted {
            0 => return None,
            1 => "\n\n(1 sentence was left out: the documents don't bear it out.)".to_owned(),
            more => format!("\n\n({more} sentences were left out: the documents don't bear them out.)"),
        };
        self.shown += note.len();
        Some(AnswerEvent::Delta(note))
    }

    /// Whether nothing of it may be shown.
    fn withholds(&self) -> bool {
        let ClaimCounts { supported, partly, unsupported, retracted } = self.claims;
        let all = supported + partly + unsupported;
        match self.policy {
            Policy::Annotate => false,
            Policy::Retract => supported == 0 && retracted > 0,
            Policy::Block { supported_share_min } => {
                #[expect(clippy::cast_precision_loss, reason = "an answer has few claims")]
                let share = supported as f64 / all.max(1) as f64;
                all > 0 && share < supported_share_min
            }
        }
    }

    fn outcome(&self, finish: Finish) -> Outcome {
        let ClaimCounts { supported, partly, unsupported, retracted } = self.claims;
        let doubtful = partly + unsupported + retracted;
        if self.withholds() || is_refusal(self.reader.text()) || (self.silent && supported + doubtful == 0) {
            return Outcome::Refused(Reason::NotSupported);
        }
        if finish == Finish::ContentFilter && supported + doubtful == 0 {
            return Outcome::Refused(Reason::NotAllowed);
        }
        let says_enough = supported > 0 || self.cited;
        if doubtful == 0 && !self.silent && says_enough && finish == Finish::Stop {
            Outcome::Answered
        } else {
            Outcome::Partial
        }
    }

    /// A piece of the text that nothing can change any more. `is_cut`: the model was stopped in it.
    fn pass(&mut self, piece: Piece, is_cut: bool) -> Vec<AnswerEvent> {
        if self.said.is_repeated(self.reader.text(), piece, self.sources.len()) {
            return Vec::new();
        }
        if is_cut && self.policy == Policy::Retract {
            return self.leave_out();
        }
        let judged = match piece.kind {
            Kind::Claim => Some(self.judge(piece.span, is_cut)),
            Kind::AboutSources => {
                self.silent = true;
                None
            }
            Kind::Heading | Kind::Code | Kind::Rule | Kind::Question | Kind::Chatter | Kind::Fragment | Kind::Blank => {
                None
            }
        };
        // Code is not judged; where only what is borne out may be shown, most of its lines must stand in a passage.
        if piece.kind == Kind::Code && self.policy == Policy::Retract && !self.quotes_code(piece.span) {
            return self.leave_out();
        }
        if let Some(judged) = &judged {
            let is_doubtful = judged.verdict == Verdict::Supported && judged.score < self.retract_below;
            let verdict = if is_doubtful { Verdict::Partly } else { judged.verdict };
            self.claims.count(verdict);
            if self.policy == Policy::Retract && verdict != Verdict::Supported {
                return self.leave_out();
            }
        }
        let events = self.written(piece, judged.as_ref());
        if !self.holds {
            return events;
        }
        self.held.extend(events);
        if self.policy == Policy::Retract && self.claims.supported > 0 {
            self.holds = false;
            return std::mem::take(&mut self.held);
        }
        Vec::new()
    }

    /// The scorer's word, and where that is yes, another's beside it.
    fn judge(&mut self, claim: Span, is_cut: bool) -> Judgement {
        let text = self.reader.text();
        let judged = self.scorer.judge(text, claim, &self.together);
        if is_cut && !is_closed(claim.of(text)) {
            return self.scorer.against(judged, claim, MismatchKind::Unfinished);
        }
        let asked = self.second.as_mut().filter(|_| judged.verdict == Verdict::Supported);
        match asked.and_then(|second| second(claim.of(text))) {
            Some(false) => self.scorer.against(judged, claim, MismatchKind::Judge),
            Some(true) | None => judged,
        }
    }

    fn leave_out(&mut self) -> Vec<AnswerEvent> {
        self.claims.retracted += 1;
        Vec::new()
    }

    fn quotes_code(&self, code: Span) -> bool {
        let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let sources: Vec<String> = self.sources.iter().map(|source| plain(&whole_text(source))).collect();
        let lines: Vec<String> = code.of(self.reader.text()).lines().map(plain).collect();
        let said = lines.iter().filter(|line| !line.is_empty() && !line.starts_with("```") && !line.starts_with("~~~"));
        let (all, found) = said.fold((0, 0), |(all, found), line| {
            (all + 1, found + usize::from(sources.iter().any(|source| source.contains(line.as_str()))))
        });
        2 * found > all
    }

    /// The piece as it is shown, its citations, and its claim.
    fn written(&mut self, piece: Piece, judged: Option<&Judgement>) -> Vec<AnswerEvent> {
        let text = self.reader.text();
        if piece.kind == Kind::Code {
            let shown = piece.whole.of(text).to_owned();
            self.shown += shown.len();
            return vec![AnswerEvent::Delta(shown)];
        }
        let late = std::mem::take(&mut self.settled);
        let mut marks = cite::read(text, piece.whole, self.sources.len());
        let first_word = text.get(..piece.whole.end).and_then(|text| {
            let words = text.get(piece.whole.start..)?;
            let outside = |at: &usize| !marks.iter().any(|mark| mark.span.start <= *at && *at < mark.span.end);
            let letters = words.char_indices().filter(|(_, c)| c.is_alphanumeric());
            letters.map(|(at, _)| piece.whole.start + at).find(outside)
        });
        if late {
            // They belong to the sentence before, which has been shown with its citations.
            for mark in &mut marks {
                if first_word.is_none_or(|word| mark.span.end <= word) {
                    mark.known.clear();
                }
            }
        }
        let cited = match judged {
            Some(judged) => self.bearing_out(piece.span, judged, &marks),
            None => {
                marks.iter().flat_map(|mark| &mark.known).map(|number| Cited { number: *number, words: None }).collect()
            }
        };
        let (mut edits, counts) = mark_edits(text, piece, &marks, &cited);
        edits.extend(self.addresses.edits(text, piece.whole));
        let edited = Edited::new(text, piece.whole, edits, self.shown);
        let mut events = vec![AnswerEvent::Delta(edited.text.clone())];
        for (number, mark) in edited.cited() {
            let words = cited.iter().find(|cited| cited.number == number).and_then(|cited| cited.words);
            events.extend(
                self.sources
                    .iter()
                    .find(|source| source.number == number)
                    .map(|source| AnswerEvent::Citation(citation(source, words, mark))),
            );
        }
        events.extend(judged.map(|judged| AnswerEvent::Claim(self.claim(piece.span, judged, &edited))));
        self.cited |= !edited.cited().is_empty();
        self.shown += edited.text.len();
        self.count_marks(counts);
        events
    }

    fn count_marks(&mut self, counts: MarkCounts) {
        let MarkCounts { unknown, unsupported, added } = counts;
        self.marks.unknown += unknown;
        self.marks.unsupported += unsupported;
        self.marks.added += added;
        for (reason, count) in [("unknown_source", unknown), ("not_supported", unsupported)] {
            metrics::counter!("cairn_citations_dropped_total", "reason" => reason).increment(count as u64);
        }
        metrics::counter!("cairn_citations_added_total").increment(added as u64);
    }

    /// The sources that bear a claim out: of those that the model cites, else those that were found to.
    fn bearing_out(&self, claim: Span, judged: &Judgement, marks: &[Mark]) -> Vec<Cited> {
        let text = self.reader.text();
        let named: BTreeSet<usize> = marks.iter().flat_map(|mark| mark.known.iter().copied()).collect();
        let judge = |number: &usize| {
            let alone = self.alone.get(number - 1)?;
            Some((*number, self.scorer.judge(text, claim, alone)))
        };
        let each: Vec<(usize, Judgement)> = named.iter().filter_map(judge).collect();
        let with_words = |(number, alone): &(usize, Judgement)| Cited {
            number: *number,
            words: self.words(number - 1, &alone.evidence),
        };
        let enough = |(_, alone): &&(usize, Judgement)| match judged.verdict {
            Verdict::Supported => alone.verdict == Verdict::Supported,
            Verdict::Partly => alone.verdict != Verdict::Unsupported,
            Verdict::Unsupported => false,
        };
        let good: Vec<Cited> = each.iter().filter(enough).map(with_words).collect();
        if !good.is_empty() || judged.verdict != Verdict::Supported {
            return good;
        }
        if each.len() > 1 {
            let texts: Vec<String> = named.iter().filter_map(|n| self.sources.get(n - 1)).map(whole_text).collect();
            if self.scorer.judge(text, claim, &Passages::read(&texts)).verdict == Verdict::Supported {
                return each.iter().filter(|(_, alone)| alone.coverage >= COVERAGE_MIN).map(with_words).collect();
            }
        }
        let found: BTreeSet<usize> = judged.evidence.iter().map(|place| place.passage).collect();
        found.into_iter().map(|at| Cited { number: at + 1, words: self.words_of(at, &judged.evidence) }).collect()
    }

    /// From the first to the last of these words, which a passage by itself was found to have.
    fn words(&self, at: usize, places: &[Place]) -> Option<Span> {
        let places: Vec<Place> = places.iter().map(|place| Place { passage: at, ..*place }).collect();
        self.words_of(at, &places)
    }

    /// The same of places in all passages: bytes of the chunk's text. None: they are not the chunk's own.
    fn words_of(&self, at: usize, places: &[Place]) -> Option<Span> {
        let within: Vec<Span> =
            places.iter().filter(|place| place.passage == at).filter_map(|place| self.within(*place)).collect();
        Some(Span {
            start: within.iter().map(|span| span.start).min()?,
            end: within.iter().map(|span| span.end).max()?,
        })
    }

    /// A place in a passage as bytes of its chunk's text. None: it is in the head of a table.
    fn within(&self, place: Place) -> Option<Span> {
        let passage = self.sources.get(place.passage)?;
        let text = &passage.hit.chunk.text;
        let head = whole_text(passage).len() - text.len();
        let span = Span { start: place.span.start.checked_sub(head)?, end: place.span.end.checked_sub(head)? };
        text.get(span.start..span.end).map(|_| span)
    }

    fn claim(&self, span: Span, judged: &Judgement, edited: &Edited) -> CheckedClaim {
        let finding = |mismatch: &crate::ground::mismatch::Mismatch| Finding {
            kind: mismatch.kind,
            span: edited.place(mismatch.claim),
            evidence: mismatch.evidence.and_then(|place| self.evidence(place)),
        };
        CheckedClaim {
            span: edited.place_with_marks(span),
            verdict: judged.verdict,
            score: judged.score,
            coverage: judged.coverage,
            entailment: judged.entailment,
            evidence: judged.evidence.iter().filter_map(|place| self.evidence(*place)).collect(),
            findings: judged.mismatches.iter().map(finding).collect(),
        }
    }

    /// The words of a document at a place in a passage. None: they are not the document's own, but head a table.
    fn evidence(&self, place: Place) -> Option<Evidence> {
        let words = self.within(place)?;
        Some(evidence::evidence(self.sources.get(place.passage)?, words))
    }
}

/// What becomes of a piece's marks, where these sources shall be cited, and how many that were.
fn mark_edits(text: &str, piece: Piece, marks: &[Mark], cited: &[Cited]) -> (Vec<Edit>, MarkCounts) {
    let mut counts = MarkCounts::default();
    let good: BTreeSet<usize> = cited.iter().map(|cited| cited.number).collect();
    let named: BTreeSet<usize> = marks.iter().flat_map(|mark| mark.known.iter().copied()).collect();
    let added: Vec<usize> = good.difference(&named).copied().collect();
    counts.added = added.len();
    let mut edits = Vec::new();
    let mut to_place = added;
    for mark in marks {
        let mut kept: Vec<usize> = mark.known.iter().copied().filter(|number| good.contains(number)).collect();
        counts.unknown += mark.unknown;
        counts.unsupported += mark.known.len() - kept.len();
        kept.append(&mut to_place); // What replaces a mark stands in its place.
        edits.push(if kept.is_empty() {
            Edit::remove(mark.span)
        } else {
            Edit::cite(Span { start: mark.span.start + mark.gap, end: mark.span.end }, "", &kept)
        });
    }
    if !to_place.is_empty() {
        let at = mark_place(text, piece.span);
        let lead = if text.get(..at).is_some_and(|before| before.ends_with(' ')) { "" } else { " " };
        edits.push(Edit::cite(Span { start: at, end: at }, lead, &to_place));
    }
    (edits, counts)
}

/// Where a mark goes that a sentence has none of: before its full stop, in a row into the last cell.
fn mark_place(text: &str, sentence: Span) -> usize {
    let held = sentence.of(text);
    let row = held.strip_suffix('|').map(str::trim_end);
    let stopped = held.trim_end_matches(['"', '\'', '”', '’', '»', ')', '*', '_']);
    let plain = stopped.trim_end_matches(['.', '!', '?', '…', '。', '！', '？', ':', ';']);
    let stops = plain.len() < stopped.len();
    sentence.start + row.unwrap_or(if stops { plain } else { held }).len()
}

/// Whether a model said what the prompt tells it to say where the sources don't answer.
fn is_refusal(text: &str) -> bool {
    let plain = |text: &str| text.trim().trim_end_matches('.').replace('’', "'").to_lowercase();
    plain(text) == plain(REFUSAL)
}

#[cfg(test)]
mod tests;
