//! Who a request comes from, and whether they may make it.
//!
//! A handler takes [`Authorized`] with the permission that its route needs, and gets the caller from it: there is no
//! other way to one here. While there has never been a key, whoever reaches the service is the local caller. Whoever can
//! read the data folder shows the token that lies in it, and is the local caller always.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::Service;
use super::error::ApiError;
use crate::caller::Caller;
use crate::key::{self, KeyError, Permission};
use crate::record::Asker;

/// A request whose caller may make it.
pub(super) struct Authorized<P> {
    pub(super) caller: Caller,
    /// Whom limits count it for.
    pub(super) key_id: String,
    permissions: BTreeSet<Permission>,
    permission: PhantomData<P>,
}

/// The permissions of which a route needs one, as a type.
pub(super) trait Needs: Send + Sync + 'static {
    const ANY_OF: &'static [Permission];
}

pub(super) struct Ask;
pub(super) struct Ingest;
pub(super) struct Admin;
/// To look at documents: what is seen depends on which of them it is.
pub(super) struct Look;
/// To look at jobs.
pub(super) struct Watch;
/// To look at answers and judge them: one's own, or as whoever manages the service.
pub(super) struct Review;

impl Needs for Ask {
    const ANY_OF: &'static [Permission] = &[Permission::Ask];
}

impl Needs for Ingest {
    const ANY_OF: &'static [Permission] = &[Permission::Ingest];
}

impl Needs for Admin {
    const ANY_OF: &'static [Permission] = &[Permission::Admin];
}

impl Needs for Look {
    const ANY_OF: &'static [Permission] = &Permission::ALL;
}

impl Needs for Review {
    const ANY_OF: &'static [Permission] = &[Permission::Ask, Permission::Admin];
}

impl Needs for Watch {
    const ANY_OF: &'static [Permission] = &[Permission::Ingest, Permission::Admin];
}

/// A request of somebody who can read the data folder.
pub(super) struct Local;

/// Whom requests without a key count for, where none is needed: everybody, so no key's limits hold for it.
pub(super) const ANONYMOUS: &str = "anonymous";

impl<P> Authorized<P> {
    /// Whether every document is seen, wherever it stands: by those who may change the collection anyway.
    pub(super) fn sees_all(&self) -> bool {
        [Permission::Ingest, Permission::Admin].iter().any(|permission| self.permissions.contains(permission))
    }

    /// As answers and conversations know them.
    pub(super) fn asker(&self) -> Asker<'_> {
        Asker { caller: &self.caller, key_id: Some(self.key_id.as_str()).filter(|id| *id != ANONYMOUS) }
    }

    /// Whether they manage the service.
    pub(super) fn is_admin(&self) -> bool {
        self.permissions.contains(&Permission::Admin)
    }

    fn local() -> Self {
        Self {
            caller: Caller::local(),
            key_id: ANONYMOUS.to_owned(),
            permissions: Permission::ALL.into(),
            permission: PhantomData,
        }
    }
}

impl<P: Needs> FromRequestParts<Arc<Service>> for Authorized<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, ApiError> {
        if is_local(parts, service) || !service.ledger.has_keys().await? {
            return Ok(Self::local());
        }
        let key = bearer(parts).ok_or_else(ApiError::invalid_key)?;
        let holder = key::verify(&service.ledger, &key).await?;
        if !P::ANY_OF.iter().any(|permission| holder.permissions.contains(permission)) {
            return Err(ApiError::not_permitted(P::ANY_OF));
        }
        service.limits.count(&holder.id)?;
        let (caller, key_id, permissions) = (holder.caller, holder.id, holder.permissions);
        Ok(Self { caller, key_id, permissions, permission: PhantomData })
    }
}

impl FromRequestParts<Arc<Service>> for Local {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, ApiError> {
        if is_local(parts, service) { Ok(Self) } else { Err(ApiError::local_only()) }
    }
}

/// Whether the request shows the token of the data folder.
fn is_local(parts: &Parts, service: &Service) -> bool {
    let (Some(shown), Some(token)) = (bearer(parts), &service.local_token) else { return false };
    bool::from(shown.expose_secret().as_bytes().ct_eq(token.expose_secret().as_bytes()))
}

/// The key of `Authorization: Bearer KEY`, as OpenAI's clients send it.
fn bearer(parts: &Parts) -> Option<SecretString> {
    let (scheme, key) = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| SecretString::from(key.trim().to_owned()))
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotValid => Self::invalid_key(),
            KeyError::Ledger(_) | KeyError::Random(_) => Self::unavailable(error.to_string()),
        }
    }
}
