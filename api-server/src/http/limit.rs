//! Rate limits over HTTP: who asks, 429, and the header fields of draft-ietf-httpapi-ratelimit-headers-10.
//!
//! A middleware; the decision is [`crate::limit`]'s. Names the policies on each answer that one of them counted.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, ResponseError, web};
use mainstay_crds::rate_limit::RouteClass;

use super::caller;
use super::error::Failure;
use super::middleware::routed;
use crate::app::App;
use crate::limit::policy::class;
use crate::limit::{Charge, Room, Verdict};
use crate::service::{Caller, Code, Error};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// The client's address, as [`super::middleware::observe`] found it.
#[derive(Clone, Copy)]
pub struct Address(pub Option<IpAddr>);

/// Refuses a request that a policy does not allow, before its body is read, and tells what is left on every other one.
/// A credential that is wrong counts for the address, so that guessing has a limit.
pub async fn limit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let app = request.app_data::<web::Data<App>>().cloned();
    let counted = app.zip(class(request.method().as_str(), routed(&request)));
    let Some((app, class)) = counted else { return Ok(next.call(request).await?.map_into_left_body()) };
    // Without policies too, for a key may have a limit of its own.
    let caller = caller::identify(&app, &request).await;
    let told = judge(&app, class, &request, caller.as_ref()).await;
    let mut response = match told.refusal {
        Some(error) => request.into_response(Failure::from(error).error_response()).map_into_right_body(),
        None => next.call(request).await?.map_into_left_body(),
    };
    for (name, value) in told.fields {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// What the client is told.
#[derive(Default)]
struct Told {
    refusal: Option<Error>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

async fn judge(app: &App, class: RouteClass, request: &ServiceRequest, caller: Option<&Caller>) -> Told {
    let address = request.extensions().get().and_then(|Address(address)| *address);
    let charges = app.limiter.charges(class, address, caller);
    if charges.is_empty() {
        return Told::default();
    }
    let verdict = app.limiter.decide(&charges).await;
    Told { refusal: refusal(&charges, &verdict, app), fields: fields(&charges, &verdict) }
}

/// 429 with the name of the policy that refuses for longest; its figure counts.
fn refusal(charges: &[Charge<'_>], verdict: &Verdict, app: &App) -> Option<Error> {
    let (charge, wait) = verdict.refusal(charges)?;
    app.metrics.server.rate_limited(charge.policy);
    let (limit, window) = (charge.quota.limit(), charge.quota.window().as_secs());
    let seconds = seconds(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    let message = format!(
        "the rate limit `{}` of {limit} requests in {window} s is used up: try again in {seconds} s",
        charge.policy
    );
    Some(Error { retry_after: Some(Duration::from_secs(seconds)), ..Error::new(Code::RateLimited, message) })
}

/// The values of `RateLimit-Policy` and `RateLimit`, each a list with an element for each policy.
fn fields(charges: &[Charge<'_>], verdict: &Verdict) -> Vec<(HeaderName, HeaderValue)> {
    let policy = |Charge { policy, quota, .. }: &Charge<'_>| {
        format!("\"{policy}\";q={};w={}", quota.limit(), quota.window().as_secs())
    };
    let room = |(charge, room): (&Charge<'_>, &Room)| {
        format!("\"{}\";r={};t={}", charge.policy, room.remaining, seconds(room.reset))
    };
    let policies = charges.iter().map(policy).collect::<Vec<_>>().join(", ");
    let left = charges.iter().zip(&verdict.rooms).map(room).collect::<Vec<_>>().join(", ");
    let named = [(POLICY, policies), (LEFT, left)].into_iter();
    named.filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?))).collect()
}

/// Whole seconds, up: whoever waits for them finds more.
fn seconds(millis: u64) -> u64 {
    millis.div_ceil(1000)
}
