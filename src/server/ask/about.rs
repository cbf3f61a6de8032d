//! What an answer is called, how its question was understood, and the conversation that it belongs to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AskEvent, AskRequest, DoneWire, SourcesWire, TurnRole, TurnWire};
use crate::answer::Grounding;
use crate::chat::Role;
use crate::record::{About, Asker, ConversationId};
use crate::server::Service;
use crate::server::error::ApiError;

/// What an answer is called, and how its question was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AboutWire {
    /// Names the answer, to look at how it came about and to judge it.
    #[schema(example = "ans_019df1a2c7d07c3e8a5b0d9f4e6b7a81")]
    #[serde(default)]
    pub answer_id: Option<String>,
    /// The question as it stands without the conversation, which was searched for as well. Null: it does so as it is.
    #[serde(default)]
    pub condensed: Option<String>,
    /// The conversation that question and answer are added to.
    #[serde(default)]
    pub conversation_id: Option<String>,
}

impl From<&About> for AboutWire {
    fn from(about: &About) -> Self {
        Self {
            answer_id: Some(about.answer.to_string()),
            condensed: about.condensed.clone(),
            conversation_id: about.conversation.map(|id| id.to_string()),
        }
    }
}

impl AskEvent {
    /// The same event with what the answer is called, where it has a place for that.
    #[must_use]
    pub fn about(self, about: &AboutWire) -> Self {
        match self {
            Self::Sources(sources) => Self::Sources(SourcesWire { about: about.clone(), ..sources }),
            Self::Done(done) => Self::Done(DoneWire { about: about.clone(), ..done }),
            other @ (Self::Delta(_) | Self::Citation(_) | Self::Claim(_) | Self::Error(_)) => other,
        }
    }
}

/// Which conversation a question belongs to, as far as the request says.
pub(super) enum Named {
    This(ConversationId),
    /// It names none, and brings its own history.
    Brought,
    /// It names none, and brings none.
    None,
}

/// Has the conversation that a request names say what the request does not: the collection and the earlier turns.
pub(super) async fn named(service: &Service, asker: Asker<'_>, request: &mut AskRequest) -> Result<Named, ApiError> {
    let Some(id) = &request.conversation_id else {
        return Ok(if request.history.is_empty() { Named::None } else { Named::Brought });
    };
    if !request.history.is_empty() {
        return Err(ApiError::invalid(
            Some("history"),
            "the request has both conversation_id and history: the conversation that is kept here brings its own history",
        ));
    }
    let opened = service.recorder.open(asker, id).await?;
    if request.collection.as_ref().is_some_and(|collection| *collection != opened.collection) {
        let message = format!("the conversation is about the collection {}; leave collection out", opened.collection);
        return Err(ApiError::invalid(Some("collection"), message));
    }
    request.collection = Some(opened.collection);
    request.history = opened
        .history
        .into_iter()
        .map(|turn| TurnWire {
            role: match turn.role {
                Role::Assistant => TurnRole::Assistant,
                Role::User | Role::System => TurnRole::User,
            },
            content: turn.text,
        })
        .collect();
    Ok(Named::This(opened.id))
}

/// The conversation that the answer is added to. One is begun only for a question that can be answered.
pub(super) async fn begun(
    service: &Service,
    asker: Asker<'_>,
    named: Named,
    grounding: &Grounding,
) -> Result<Option<ConversationId>, ApiError> {
    match named {
        Named::This(id) => Ok(Some(id)),
        Named::None if service.recorder.keeps_always() => {
            let metadata = std::collections::BTreeMap::new();
            Ok(Some(service.recorder.start(asker, &grounding.question.collection, &metadata).await?))
        }
        Named::None | Named::Brought => Ok(None),
    }
}
