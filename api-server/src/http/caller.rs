//! Who calls: `X-API-Key` or `Authorization: Bearer` (RFC 6750) as an extractor of [`Ctx`].
//!
//! A credential that is wrong is 401 even where anyone may read.

use std::future::{Ready, ready};

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};

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
        let caller = match request.app_data::<web::Data<App>>() {
            Some(app) => caller(request.headers(), &app.keys, now),
            None => Err(Error::bug("the application state is missing")),
        };
        let caller = caller.and_then(|caller| idempotency::refuse_elsewhere(request).map(|()| caller));
        ready(caller.map(|caller| Ctx { caller, now, once: None }).map_err(Failure::from))
    }
}

fn caller(headers: &HeaderMap, keys: &Keys, now: i64) -> Result<Caller, Error> {
    let wrong = || Error::new(Code::Unauthenticated, "the credential is not known; send a valid one, or none");
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
        [one] => one.clone().ok_or_else(wrong),
        _ => Err(Error::new(Code::Unauthenticated, "send one credential, not several")),
    }
}
