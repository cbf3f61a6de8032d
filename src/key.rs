//! Keys: what a caller shows to be somebody. Made once and shown once; kept as a hash.
//!
//! A key reads `cairn_` + 12 characters that name it + `_` + 38 that prove it, the last 6 of them a checksum, so that a
//! leak scanner can tell a real key from a look-alike without asking anybody:
//! `cairn_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}`. The proving half holds 190 random bits: too many to guess, so a plain
//! SHA-256 keeps it as well as a slow hash would.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::caller::{Caller, Collections, Group};
use crate::document::{CollectionName, sha256};
use crate::ledger::{KeyRow, Ledger, LedgerError, NewKey};

const PREFIX: &str = "cairn_";
const ID_CHARS: usize = 12;
const RANDOM_CHARS: usize = 32;
const CHECK_CHARS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How exactly a key's last use is noted: more often would be a write for every request.
const USE_NOTED_EVERY_S: i64 = 60;

/// What a key lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Ask and search.
    Ask,
    /// Add, change and remove documents.
    Ingest,
    /// Look at how the service does, and manage it.
    Admin,
}

impl Permission {
    pub const ALL: [Self; 3] = [Self::Ask, Self::Ingest, Self::Admin];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Ingest => "ingest",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.name() == name)
            .ok_or_else(|| format!("{name:?} is none of ask, ingest, admin"))
    }
}

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct Grant {
    pub name: String,
    pub permissions: BTreeSet<Permission>,
    pub collections: Collections,
    pub groups: BTreeSet<Group>,
    /// From now. None: for ever.
    pub expires_in: Option<Duration>,
}

/// A key as it was found good: who holds it and what for.
#[derive(Debug, Clone)]
pub struct Holder {
    pub id: String,
    pub caller: Caller,
    pub permissions: BTreeSet<Permission>,
}

/// Why a key can't be made or was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Missing, unknown, revoked, expired or misspelled: which of them is nobody's business.
    #[error("the key is not valid")]
    NotValid,
    #[error("draw random numbers: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Makes a key and keeps its hash. The key itself is given back, this once.
pub async fn create(ledger: &Ledger, grant: &Grant) -> Result<SecretString, KeyError> {
    let id = random_text(ID_CHARS)?;
    let random = random_text(RANDOM_CHARS)?;
    let secret = format!("{random}{}", checksum(&id, &random));
    let now = now_s();
    let expires_at =
        grant.expires_in.map(|after| now.saturating_add(i64::try_from(after.as_secs()).unwrap_or(i64::MAX)));
    let collections = match &grant.collections {
        Collections::All => Vec::new(),
        Collections::Only(names) => names.iter().map(ToString::to_string).collect(),
    };
    let row = NewKey {
        id: &id,
        name: &grant.name,
        secret_hash: &sha256(secret.as_bytes()),
        permissions: &list(grant.permissions.iter().map(ToString::to_string)),
        collections: &list(collections),
        groups: &list(grant.groups.iter().map(ToString::to_string)),
        created_at: now,
        expires_at,
    };
    ledger.add_key(row).await?;
    Ok(SecretString::from(format!("{PREFIX}{id}_{secret}")))
}

/// Finds out who holds a key. Looked up each time, so that a revoked key is of no use from that moment on.
pub async fn verify(ledger: &Ledger, key: &SecretString) -> Result<Holder, KeyError> {
    let (id, secret) = halves(key.expose_secret()).ok_or(KeyError::NotValid)?;
    let found = ledger.key(id).await?;
    let now = now_s();
    // An unknown id is compared as well, so that time does not tell which ids exist.
    let kept = found.as_ref().map_or("", |row| row.secret_hash.as_str());
    let proven = bool::from(sha256(secret.as_bytes()).as_bytes().ct_eq(kept.as_bytes()));
    let row = found.filter(|row| proven && is_in_use(row, now)).ok_or(KeyError::NotValid)?;
    if row.last_used_at.is_none_or(|last| now - last >= USE_NOTED_EVERY_S) {
        ledger.key_used(id, now).await?;
    }
    holder(row).ok_or(KeyError::NotValid)
}

/// Whether the key's time has neither run out nor been ended.
pub fn is_in_use(row: &KeyRow, now_s: i64) -> bool {
    row.revoked_at.is_none() && row.expires_at.is_none_or(|end| now_s < end)
}

/// Seconds since 1970, UTC.
pub fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn holder(row: KeyRow) -> Option<Holder> {
    let collections = parsed::<CollectionName>(&row.collections)?;
    let collections = if collections.is_empty() { Collections::All } else { Collections::Only(collections) };
    Some(Holder {
        caller: Caller::with_key(row.name, collections, parsed(&row.groups)?),
        permissions: parsed(&row.permissions)?,
        id: row.id,
    })
}

/// None where one of the texts is none: such a row lets nobody in.
fn parsed<T: FromStr + Ord>(list: &str) -> Option<BTreeSet<T>> {
    let texts: Vec<String> = serde_json::from_str(list).ok()?;
    texts.iter().map(|text| text.parse().ok()).collect()
}

fn list(texts: impl IntoIterator<Item = String>) -> String {
    serde_json::Value::from_iter(texts).to_string()
}

/// The naming and the proving half. None for what is no key by its form.
fn halves(key: &str) -> Option<(&str, &str)> {
    let (id, secret) = key.trim().strip_prefix(PREFIX)?.split_once('_')?;
    let (random, check) = secret.split_at_checked(RANDOM_CHARS)?;
    (id.len() == ID_CHARS && check == checksum(id, random)).then_some((id, secret))
}

/// The first characters of a hash of the rest of the key.
fn checksum(id: &str, random: &str) -> String {
    sha256(format!("{id}_{random}").as_bytes()).chars().take(CHECK_CHARS).collect()
}

fn random_text(chars: usize) -> Result<String, KeyError> {
    let mut text = String::with_capacity(chars);
    let mut bytes = [0_u8; 64];
    while text.len() < chars {
        getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
        // Six bits a character; the two values beyond the alphabet are drawn again, so that all are as likely.
        text.extend(bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 63))).map(|c| char::from(*c)));
    }
    text.truncate(chars);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ledger(folder: &tempfile::TempDir) -> Ledger {
        Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap()
    }

    fn grant() -> Grant {
        Grant {
            name: "laptop".into(),
            permissions: BTreeSet::from([Permission::Ask]),
            collections: Collections::Only(BTreeSet::from(["docs".parse().unwrap()])),
            groups: BTreeSet::from(["staff".parse().unwrap()]),
            expires_in: None,
        }
    }

    #[tokio::test]
    async fn a_key_names_its_holder_until_it_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder).await;
        let key = create(&ledger, &grant()).await.unwrap();
        let holder = verify(&ledger, &key).await.unwrap();
        assert_eq!((holder.caller.name(), holder.permissions.len()), ("laptop", 1));
        assert!(holder.caller.scope(&"docs".parse().unwrap()).is_some());
        assert!(holder.caller.scope(&"other".parse().unwrap()).is_none());
        assert!(ledger.revoke_key(&holder.id, now_s()).await.unwrap());
        assert!(matches!(verify(&ledger, &key).await, Err(KeyError::NotValid)));
        assert!(ledger.has_keys().await.unwrap(), "the service stays closed");
    }

    #[tokio::test]
    async fn an_expired_key_and_one_with_a_wrong_character_are_not_valid() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder).await;
        let expired = create(&ledger, &Grant { expires_in: Some(Duration::ZERO), ..grant() }).await.unwrap();
        assert!(matches!(verify(&ledger, &expired).await, Err(KeyError::NotValid)));
        let key = create(&ledger, &grant()).await.unwrap().expose_secret().to_owned();
        for at in 0..key.len() {
            let other: String = key
                .chars()
                .enumerate()
                .map(|(i, c)| if i == at { if c == 'x' { 'y' } else { 'x' } } else { c })
                .collect();
            let result = verify(&ledger, &SecretString::from(other)).await;
            assert!(matches!(result, Err(KeyError::NotValid)), "character {at}");
        }
    }

    #[tokio::test]
    async fn the_secret_is_not_in_the_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(&folder).await;
        let key = create(&ledger, &grant()).await.unwrap().expose_secret().to_owned();
        let secret = key.rsplit('_').next().unwrap().to_owned();
        ledger.close().await;
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
}
