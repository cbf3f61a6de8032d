//! Conversations that are kept here: begun, looked at, asked in.
//!
//! One belongs to the key that made it, and to one collection. To every other key it is not there.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::{Asker, RecordError, Recorder};
use crate::answer::Turn;
use crate::chat::Role;
use crate::config::StoreConversations;
use crate::document::CollectionName;
use crate::ledger::{ConversationRow, LedgerError, MessageRow, Mine, NewConversation, cutoff_ms};

/// Names a conversation. Those made later sort later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConversationId(Uuid);

impl ConversationId {
    const PREFIX: &str = "conv_";
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0.simple())
    }
}

impl FromStr for ConversationId {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let bare = text.strip_prefix(Self::PREFIX).and_then(|bare| Uuid::try_parse(bare).ok());
        bare.map(Self).ok_or(RecordError::NoConversation)
    }
}

/// A conversation that a question is asked in.
#[derive(Debug, Clone)]
pub struct Opened {
    pub id: ConversationId,
    pub collection: CollectionName,
    /// Its newest messages, as many as a question may bring, oldest first.
    pub history: Vec<Turn>,
}

impl Recorder {
    /// Whether a question that names no conversation and brings none begins one.
    pub fn keeps_always(&self) -> bool {
        self.conversations.store == StoreConversations::Always
    }

    /// Begins a conversation.
    pub async fn start(
        &self,
        asker: Asker<'_>,
        collection: &CollectionName,
        metadata: &BTreeMap<String, String>,
    ) -> Result<ConversationId, RecordError> {
        if self.conversations.store == StoreConversations::Off {
            return Err(RecordError::Off);
        }
        let id = ConversationId(Uuid::now_v7());
        let new = NewConversation {
            id: &id.to_string(),
            owner: asker.owner(),
            collection: collection.as_str(),
            metadata: &serde_json::to_string(metadata).expect("it is made of texts"),
        };
        let count_max = self.conversations.count_max;
        if !self.ledger.add_conversation(new, count_max).await? {
            self.sweep_now().await?; // Those that nobody uses any more don't count.
            if !self.ledger.add_conversation(new, count_max).await? {
                return Err(RecordError::TooMany { count_max });
            }
        }
        Ok(id)
    }

    /// A conversation to ask in, with what it brings to a question.
    pub async fn open(&self, asker: Asker<'_>, id: &str) -> Result<Opened, RecordError> {
        if self.conversations.store == StoreConversations::Off {
            return Err(RecordError::Off);
        }
        let (id, row) = self.conversation(asker, id).await?;
        let (messages_max, bytes_max) = (self.conversations.messages_max, self.conversations.bytes_max.as_u64());
        let count = |found: i64| u64::try_from(found).unwrap_or_default();
        if count(row.messages) + 2 > messages_max as u64 || count(row.bytes) >= bytes_max {
            return Err(RecordError::Full { messages_max, bytes_max });
        }
        let collection = row.collection.parse().map_err(|_| unknown(row.collection.clone()))?;
        let messages = self.ledger.messages(&row.id, self.history_messages_max).await?;
        // One that is longer than a request could bring it ends what is brought.
        let fits = |message: &&MessageRow| message.text.len() as u64 <= self.message_bytes_max;
        let mut history: Vec<Turn> = messages.iter().rev().take_while(fits).map(turn).collect();
        history.reverse();
        Ok(Opened { id, collection, history })
    }

    /// One of the asker's conversations.
    pub async fn conversation(
        &self,
        asker: Asker<'_>,
        id: &str,
    ) -> Result<(ConversationId, ConversationRow), RecordError> {
        let id: ConversationId = id.parse()?;
        let row = self.ledger.conversation(&id.to_string(), self.mine(asker)).await?;
        let row = row.filter(|row| may_use(asker, row)).ok_or(RecordError::NoConversation)?;
        Ok((id, row))
    }

    /// What was said in one of them.
    pub async fn said(&self, id: ConversationId) -> Result<Vec<MessageRow>, RecordError> {
        Ok(self.ledger.messages(&id.to_string(), self.conversations.messages_max).await?)
    }

    /// The asker's conversations, those before `before`, the latest first.
    pub async fn conversations(
        &self,
        asker: Asker<'_>,
        before: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationRow>, RecordError> {
        let before = before.map(|id| id.to_string());
        Ok(self.ledger.conversations(self.mine(asker), before.as_deref(), limit).await?)
    }

    /// Forgets a conversation and all that was said in it.
    pub async fn forget(&self, asker: Asker<'_>, id: &str) -> Result<ConversationId, RecordError> {
        let id: ConversationId = id.parse()?;
        let forgotten = self.ledger.forget_conversation(&id.to_string(), asker.owner()).await?;
        if forgotten { Ok(id) } else { Err(RecordError::NoConversation) }
    }

    fn mine<'a>(&self, asker: Asker<'a>) -> Mine<'a> {
        Mine { owner: asker.key_id.unwrap_or_default(), alive_since_ms: cutoff_ms(self.conversations.expire_after) }
    }
}

/// Whether the asker may still use the collection that it is about.
fn may_use(asker: Asker<'_>, row: &ConversationRow) -> bool {
    row.collection.parse().is_ok_and(|collection| asker.caller.scope(&collection).is_some())
}

fn turn(message: &MessageRow) -> Turn {
    let role = if message.role == "assistant" { Role::Assistant } else { Role::User };
    Turn { role, text: message.text.clone() }
}

fn unknown(found: String) -> RecordError {
    LedgerError::Unknown { what: "open a conversation", found }.into()
}
