//! How answers ended, as metrics.

use std::time::Instant;

use super::event::AnswerEvent;

/// Counts the end of an answer, and the tokens that it took. Other events are none.
pub(super) fn record_end(event: &AnswerEvent, started: Instant) {
    let outcome = match event {
        AnswerEvent::Done(done) => {
            if let Some(usage) = done.usage {
                let count = |kind: &'static str, tokens: u32| {
                    metrics::counter!("gen_ai_client_token_usage_total", "gen_ai_token_type" => kind)
                        .increment(u64::from(tokens));
                };
                count("input", usage.prompt_tokens);
                count("output", usage.completion_tokens);
            }
            done.outcome.name()
        }
        AnswerEvent::Failed(_) => "failed",
        AnswerEvent::Sources(_) | AnswerEvent::Delta(_) | AnswerEvent::Citation(_) | AnswerEvent::Claim(_) => return,
    };
    metrics::counter!("cairn_answers_total", "outcome" => outcome).increment(1);
    metrics::histogram!("cairn_answer_duration_seconds").record(started.elapsed().as_secs_f64());
}
