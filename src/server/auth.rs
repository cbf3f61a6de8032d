//! Who a request comes from, and whether they may make it.
//!
//! A handler takes [`Authorized`] with the permission that its route needs, and gets the caller from it: there is no
//! other way to one here. While there has never been a key, whoever reaches the service is the local caller.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use secrecy::SecretString;

use super::Service;
use super::error::ApiError;
use crate::caller::Caller;
use crate::key::{self, KeyError, Permission};

/// A request whose caller may make it.
pub(super) struct Authorized<P> {
    pub(super) caller: Caller,
    /// Whom limits count it for.
    pub(super) key_id: String,
    permission: PhantomData<P>,
}

/// The permission that a route needs, as a type.
pub(super) trait Needs: Send + Sync + 'static {
    const PERMISSION: Permission;
}

pub(super) struct Ask;
pub(super) struct Admin;

impl Needs for Ask {
    const PERMISSION: Permission = Permission::Ask;
}

impl Needs for Admin {
    const PERMISSION: Permission = Permission::Admin;
}

/// Whom requests without a key count for, where none is needed: everybody, so no key's limits hold for it.
pub(super) const ANONYMOUS: &str = "anonymous";

impl<P: Needs> FromRequestParts<Arc<Service>> for Authorized<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, ApiError> {
        let (caller, key_id) = if service.ledger.has_keys().await? {
            let key = bearer(parts).ok_or_else(ApiError::invalid_key)?;
            let holder = key::verify(&service.ledger, &key).await?;
            if !holder.permissions.contains(&P::PERMISSION) {
                return Err(ApiError::not_permitted(P::PERMISSION));
            }
            (holder.caller, holder.id)
        } else {
            (Caller::local(), ANONYMOUS.to_owned())
        };
        service.limits.count(&key_id)?;
        Ok(Self { caller, key_id, permission: PhantomData })
    }
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
