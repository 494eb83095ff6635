//! Who calls: `X-API-Key` or `Authorization: Bearer` (RFC 6750) as an extractor of [`Ctx`].
//!
//! A credential that is wrong is 401 even where anyone may read. Rate limits look it up before the handler does, and leave
//! what they found.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web};
use futures_util::future::{Either, LocalBoxFuture, Ready, ready};

use super::error::Failure;
use super::{clock, idempotency};
use crate::app::App;
use crate::service::{Caller, Code, Ctx, Error};

impl FromRequest for Ctx {
    type Error = Failure;
    type Future = Either<Ready<Result<Ctx, Failure>>, LocalBoxFuture<'static, Result<Ctx, Failure>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // Tests make callers of their own, who come with their time.
        #[cfg(test)]
        if let Some(ctx) = request.extensions().get::<Ctx>() {
            let made = idempotency::refuse_elsewhere(request).map(|()| ctx.clone());
            return Either::Left(ready(made.map_err(Failure::from)));
        }
        let now = clock::now();
        let found = request.extensions_mut().remove::<Known>();
        if let Some(found) = found {
            return Either::Left(ready(context(request, found, now)));
        }
        let request = request.clone();
        Either::Right(Box::pin(async move {
            let found = match request.app_data::<web::Data<App>>() {
                Some(app) => known(app, request.headers(), now).await,
                None => Err(Error::bug("the application state is missing")),
            };
            context(&request, found, now)
        }))
    }
}

fn context(request: &HttpRequest, found: Known, now: i64) -> Result<Ctx, Failure> {
    let caller = found.and_then(|caller| idempotency::refuse_elsewhere(request).map(|()| caller));
    caller.map(|caller| Ctx { caller, now, once: None }).map_err(Failure::from)
}

/// Whom the credential of a request stands for.
pub type Known = Result<Caller, Error>;

/// Whom the credential stands for at this moment; without one, an anonymous caller.
///
/// Errors: 401 for one that nobody has, and for several; 503 when that cannot be told.
pub async fn known(app: &App, headers: &HeaderMap, now: i64) -> Known {
    let mut sent = headers.get_all("x-api-key").map(|value| value.to_str().ok()).chain(bearers(headers));
    let (first, second) = (sent.next(), sent.next());
    let Some(first) = first else { return Ok(Caller::Anonymous) };
    if second.is_some() {
        return Err(Error::new(Code::Unauthenticated, "send one credential, not several"));
    }
    let caller = match first {
        Some(key) => app.keys.caller(&app.service.store, key, now).await?,
        None => None,
    };
    let message = "the credential is not known; send a valid one, or none";
    caller.ok_or_else(|| Error::new(Code::Unauthenticated, message))
}

/// Each credential of `Authorization`; `None` for one that is of no known form.
fn bearers(headers: &HeaderMap) -> impl Iterator<Item = Option<&str>> {
    headers.get_all(AUTHORIZATION).map(|value| {
        let token = value.to_str().ok()?.split_once(' ');
        token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim())
    })
}
