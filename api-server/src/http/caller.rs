//! Who calls: `X-API-Key` or `Authorization: Bearer` (RFC 6750) as an extractor of [`Ctx`].
//!
//! A credential that is wrong is 401 even where anyone may read. Rate limits look it up before the handler does, and leave
//! what they found.

use std::future::{Ready, ready};

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web};

use super::error::Failure;
use super::{clock, idempotency};
use crate::app::App;
use crate::service::keys::Keys;
use crate::service::{Caller, Code, Ctx, Error};

impl FromRequest for Ctx {
    type Error = Failure;
    type Future = Ready<Result<Ctx, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let now = clock::now();
        let known = request.extensions_mut().remove::<Known>();
        let caller = match (known, request.app_data::<web::Data<App>>()) {
            (Some(known), _) => known.map_err(Error::from),
            (None, Some(app)) => known_at(request.headers(), &app.keys, now).map_err(Error::from),
            (None, None) => Err(Error::bug("the application state is missing")),
        };
        let caller = caller.and_then(|caller| idempotency::refuse_elsewhere(request).map(|()| caller));
        ready(caller.map(|caller| Ctx { caller, now, once: None }).map_err(Failure::from))
    }
}

/// Whom the credential of a request stands for.
pub type Known = Result<Caller, Wrong>;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Nobody has this one.
    Unknown,
    /// There is more than one.
    Several,
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        let message = match wrong {
            Wrong::Unknown => "the credential is not known; send a valid one, or none",
            Wrong::Several => "send one credential, not several",
        };
        Error::new(Code::Unauthenticated, message)
    }
}

/// Whom the credential stands for at this moment; without one, an anonymous caller.
pub fn known(headers: &HeaderMap, keys: &Keys) -> Known {
    known_at(headers, keys, clock::now())
}

fn known_at(headers: &HeaderMap, keys: &Keys, now: i64) -> Known {
    let mut callers = Vec::new();
    for value in headers.get_all("x-api-key") {
        callers.push(value.to_str().ok().and_then(|key| keys.caller(key, now)));
    }
    for value in headers.get_all(AUTHORIZATION) {
        let token = value.to_str().ok().and_then(|text| text.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        callers.push(token.and_then(|key| keys.caller(key, now)));
    }
    match callers.as_slice() {
        [] => Ok(Caller::Anonymous),
        [one] => one.clone().ok_or(Wrong::Unknown),
        _ => Err(Wrong::Several),
    }
}
