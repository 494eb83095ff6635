//! Who calls: `X-API-Key` or `Authorization: Bearer` (RFC 6750), found out once for each request of the API, and handed to its
//! handler as an extractor of [`Ctx`].
//!
//! Asked by [`super::limit`], before a body is read. A credential that is wrong is 401 even where anyone may read.

use std::future::{Ready, ready};

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::error::Failure;
use super::{clock, idempotency};
use crate::app::App;
use crate::service::auth::token::{self, Refusal};
use crate::service::{Caller, Code, Ctx, Error};

/// What a handler may know of its request, or why it may not be called; left among the request's extensions.
pub type Known = Result<Ctx, Error>;

impl FromRequest for Ctx {
    type Error = Failure;
    type Future = Ready<Result<Ctx, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let known = request.extensions_mut().remove::<Known>();
        let known = known.unwrap_or_else(|| Err(Error::bug("nobody asked who calls")));
        ready(known.and_then(|ctx| idempotency::refuse_elsewhere(request).map(|()| ctx)).map_err(Failure::from))
    }
}

/// Who called, as the log line and the figures tell it; left among the request's extensions.
#[derive(Clone)]
pub enum Who {
    /// Somebody, or an anonymous caller.
    Caller(Caller),
    /// What is wrong with the credential, in a word.
    Wrong(&'static str),
}

/// What is wrong with a credential.
#[derive(Debug)]
pub enum Wrong {
    /// Nobody has this one.
    Unknown,
    /// It was a token of ours.
    Expired,
    /// There is more than one.
    Several,
    /// It could not be found out.
    Failed(Error),
}

impl Wrong {
    fn word(&self) -> &'static str {
        match self {
            Wrong::Unknown => "unknown",
            Wrong::Expired => "expired",
            Wrong::Several => "several",
            Wrong::Failed(_) => "failed",
        }
    }
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        let message = match wrong {
            Wrong::Unknown => "the credential is not known; send a valid one, or none",
            Wrong::Expired => "the access token has expired: POST /api/v1/auth/refresh gives a new one",
            Wrong::Several => "send one credential, not several",
            Wrong::Failed(error) => return error,
        };
        Error::new(Code::Unauthenticated, message)
    }
}

/// Finds out whom the credential of a request stands for, leaves it for the handler and for the log, and answers it.
pub async fn identify(app: &App, request: &ServiceRequest) -> Option<Caller> {
    let now = clock::now();
    let found = find(app, request.headers(), now).await;
    let caller = found.as_ref().ok().cloned();
    let who = found.as_ref().map_or_else(|wrong| Who::Wrong(wrong.word()), |caller| Who::Caller(caller.clone()));
    let known = found.map(|caller| Ctx { caller, now, once: None }).map_err(Error::from);
    let mut extensions = request.extensions_mut();
    extensions.insert(who);
    extensions.insert::<Known>(known);
    caller
}

/// Whom the credential stands for at this moment; without one, an anonymous caller.
pub async fn find(app: &App, headers: &HeaderMap, now: i64) -> Result<Caller, Wrong> {
    let keys = headers.get_all("x-api-key").map(|value| (value.to_str().ok(), false));
    let mut sent = keys.chain(bearers(headers).map(|credential| (credential, true)));
    let (first, second) = (sent.next(), sent.next());
    let Some(first) = first else { return Ok(Caller::Anonymous) };
    if second.is_some() {
        return Err(Wrong::Several);
    }
    let (credential, is_borne) = first;
    let credential = credential.ok_or(Wrong::Unknown)?;
    match app.keys.caller(&app.service.store, credential, now).await {
        Ok(Some(caller)) => Ok(caller),
        Ok(None) if is_borne && token::resembles(credential) => by_token(app, credential, now).await,
        Ok(None) => Err(Wrong::Unknown),
        Err(error) => Err(Wrong::Failed(error)),
    }
}

async fn by_token(app: &App, token: &str, now: i64) -> Result<Caller, Wrong> {
    match app.auth.user(&app.service, token, now).await {
        Ok(Ok(user)) => Ok(Caller::User(user)),
        Ok(Err(Refusal::Invalid)) => Err(Wrong::Unknown),
        Ok(Err(Refusal::Expired)) => Err(Wrong::Expired),
        Err(error) => Err(Wrong::Failed(error)),
    }
}

/// Each credential of `Authorization`; `None` for one that is of no known form.
fn bearers(headers: &HeaderMap) -> impl Iterator<Item = Option<&str>> {
    headers.get_all(AUTHORIZATION).map(|value| {
        let token = value.to_str().ok()?.split_once(' ');
        token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim())
    })
}
