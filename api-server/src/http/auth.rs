//! `/api/v1/auth`: people sign in and out, and change their passwords.
//!
//! Handlers read a body and make one call. What bears tokens in its body asks for no credential, so that one which has
//! expired does not keep a client from refreshing it. Answers with tokens are for no cache.

use actix_web::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use serde_json::json;

use super::error::Failure;
use super::limit::Address;
use super::{body, clock, idempotency};
use crate::app::App;
use crate::query;
use crate::service::auth::{self as people, Origin, Tokens};
use crate::service::{Ctx, Error};

/// `POST /api/v1/auth/login`
pub async fn login(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Failure> {
    let text = read(&app, &request, payload).await?;
    let tokens = people::login(&app.auth, &app.service, origin(&request), &text).await?;
    Ok(signed_in(HttpResponse::Ok(), &tokens))
}

/// `POST /api/v1/auth/refresh`
pub async fn refresh(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Failure> {
    let text = read(&app, &request, payload).await?;
    let tokens = people::refresh(&app.auth, &app.service, clock::now(), &text).await?;
    Ok(signed_in(HttpResponse::Ok(), &tokens))
}

/// `POST /api/v1/auth/logout`
pub async fn logout(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Failure> {
    let text = read(&app, &request, payload).await?;
    people::logout(&app.auth, &app.service, &text).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/v1/auth/register`
pub async fn register(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Failure> {
    let text = read(&app, &request, payload).await?;
    let (id, tokens) = people::register(&app.auth, &app.service, origin(&request), &text).await?;
    let mut response = signed_in(HttpResponse::Created(), &tokens);
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/users/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// `GET /api/v1/auth/me`
pub async fn me(app: Data<App>, ctx: Ctx, request: HttpRequest) -> Result<HttpResponse, Failure> {
    query::none(request.query_string()).map_err(Error::invalid)?;
    let me = people::me(&app.service, &ctx).await?;
    Ok(HttpResponse::Ok().json(json!({ "success": true, "data": me })))
}

/// `PUT /api/v1/auth/password`
pub async fn change_password(
    app: Data<App>,
    ctx: Ctx,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    people::may_change(&ctx)?;
    let text = read(&app, &request, payload).await?;
    people::change_password(&app.auth, &app.service, &ctx, origin(&request), &text).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `PUT /api/v1/auth/passwords/{id}`
pub async fn set_password(
    app: Data<App>,
    ctx: Ctx,
    id: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    people::may_set(&ctx)?;
    let text = read(&app, &request, payload).await?;
    people::set_password(&app.auth, &app.service, &ctx, &id, &text).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The body of a request without parameters.
async fn read(app: &App, request: &HttpRequest, payload: Payload) -> Result<Bytes, Error> {
    idempotency::refuse_elsewhere(request)?;
    query::none(request.query_string()).map_err(Error::invalid)?;
    body::read(request, payload, body::RECORD, app.limits.body, app.limits.patience).await
}

fn origin(request: &HttpRequest) -> Origin {
    let address = request.extensions().get().and_then(|Address(address)| *address);
    Origin { address, now: clock::now() }
}

fn signed_in(mut response: actix_web::HttpResponseBuilder, tokens: &Tokens) -> HttpResponse {
    let Tokens { access, expires_in, refresh, refresh_expires_in } = tokens;
    response.insert_header((CACHE_CONTROL, "no-store")).json(json!({ "success": true, "data": {
        "access_token": access, "token_type": "Bearer", "expires_in": expires_in,
        "refresh_token": refresh, "refresh_expires_in": refresh_expires_in,
    } }))
}
