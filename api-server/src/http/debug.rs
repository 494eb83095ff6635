//! `/debug/…` on the admin port: which settings hold, which schema is served, what is logged.
//!
//! For whoever may look into the process: callers of the same machine, which `kubectl port-forward` makes of those who may
//! use it, and callers with the admin key. Shows no secret.

use std::net::IpAddr;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde_json::json;

use super::caller::{self, Wrong};
use super::error::Failure;
use super::middleware::routed;
use super::{body, clock};
use crate::app::App;
use crate::config::{LogFilter, Parameter, Raw};
use crate::service::{Caller, Code, Error};

/// What the body of a PUT may look like.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    filter: String,
}

/// 401 and 403 for callers from elsewhere without the admin key.
pub async fn guard<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    match refusal(&request).await {
        None => Ok(next.call(request).await?.map_into_left_body()),
        Some(error) => Ok(request.into_response(Failure::from(error).error_response()).map_into_right_body()),
    }
}

async fn refusal(request: &ServiceRequest) -> Option<Error> {
    if !routed(request).starts_with("/debug/") || request.peer_addr().is_some_and(|peer| is_here(peer.ip())) {
        return None;
    }
    let Some(app) = request.app_data::<Data<App>>() else {
        return Some(Error::bug("the application state is missing"));
    };
    judge(caller::find(app, request.headers(), clock::now()).await)
}

/// Whether an address is of the same machine.
fn is_here(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

fn judge(caller: Result<Caller, Wrong>) -> Option<Error> {
    match caller {
        Ok(caller) if caller.is_admin() => None,
        Ok(Caller::Anonymous) => {
            let message = "/debug is for callers of the same machine, or with the admin key: send X-API-Key";
            Some(Error::new(Code::Unauthenticated, message))
        }
        Ok(Caller::Machine(_) | Caller::User(_) | Caller::Admin) => {
            Some(Error::new(Code::Forbidden, "/debug is for the admin key alone"))
        }
        Err(wrong) => Some(wrong.into()),
    }
}

/// `GET /debug/config`: every setting, its value with secrets masked, and where that comes from.
pub async fn config(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "success": true, "data": app.debug.settings }))
}

/// `GET /debug/schema`: what this server serves, and the newest revision of the database beside it.
pub async fn schema(app: Data<App>) -> HttpResponse {
    let applied = app.service.applied().await;
    let applied = applied.map_or_else(|error| json!({ "error": error.message }), |newest| json!(newest));
    HttpResponse::Ok().json(json!({ "success": true, "data": {
        "version": env!("CARGO_PKG_VERSION"),
        "instance": app.identity.instance,
        "served": { "revision": app.identity.revision(), "collections": app.service.served() },
        "applied": applied,
    } }))
}

/// `GET /debug/log-level`
pub async fn log_level(app: Data<App>) -> HttpResponse {
    told(&app)
}

/// `PUT /debug/log-level`: what is logged from now on, until the process ends.
pub async fn set_log_level(app: Data<App>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Failure> {
    let text = body::read(&request, payload, body::RECORD, app.limits.body, app.limits.patience).await?;
    let form = r#"write it as {"filter":"info"} or {"filter":"mainstay=debug,info"}"#;
    let wanted: Wanted = serde_json::from_slice(&text)
        .map_err(|error| Error::new(Code::MalformedRequest, format!("the body is not a log level: {error}; {form}")))?;
    let mut filter = LogFilter::default();
    filter.parse(&Raw::Text(wanted.filter)).map_err(|rule| Error::new(Code::ValidationError, rule))?;
    app.debug.log.set(filter).map_err(Error::bug)?;
    tracing::warn!(filter = app.debug.log.filter(), "what is logged was changed");
    Ok(told(&app))
}

fn told(app: &App) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "success": true, "data": { "filter": app.debug.log.filter() } }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::web::get;
    use mainstay_crds::collection::check;

    use super::*;
    use crate::query::page::Limits;
    use crate::service::{Machine, Service};
    use crate::store::{DatabaseUrl, Store};

    #[test]
    fn only_the_same_machine_is_here() {
        for (peer, expected) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.2", true),
            ("10.0.0.7", false),
            ("::ffff:10.0.0.7", false),
        ] {
            assert_eq!(is_here(peer.parse().unwrap()), expected, "{peer}");
        }
    }

    #[actix_web::test]
    async fn a_path_with_an_encoded_letter_is_guarded_too() {
        let store = Store::open(&DatabaseUrl::SqliteTemporary, Default::default()).unwrap();
        let service = Service::new(store, check(&[]).unwrap(), Limits { default: 20, max: 200 }, 32);
        let app = actix_web::App::new().app_data(Data::new(App::for_tests(service)));
        let app = init_service(app.wrap(from_fn(guard)).route("/debug/config", get().to(config))).await;
        for (peer, path, status) in [
            ("127.0.0.1:1", "/debug/config", 200),
            ("10.0.0.7:1", "/debug/config", 401),
            ("10.0.0.7:1", "/%64ebug/config", 401),
            ("10.0.0.7:1", "/debug/%63onfig", 401),
        ] {
            let request = TestRequest::with_uri(path).peer_addr(peer.parse().unwrap()).to_request();
            assert_eq!(call_service(&app, request).await.status(), status, "{path} from {peer}");
        }
    }

    #[test]
    fn from_elsewhere_admin_alone_looks_inside() {
        let machine = |role: &str| {
            let roles = vec![role.to_owned()];
            Caller::Machine(Arc::new(Machine { name: "reports".to_owned(), roles, rate_limit: None }))
        };
        for (caller, expected) in [
            (Ok(Caller::Anonymous), Some(Code::Unauthenticated)),
            (Err(Wrong::Unknown), Some(Code::Unauthenticated)),
            (Ok(machine("reader")), Some(Code::Forbidden)),
            (Ok(machine("admin")), None),
            (Ok(Caller::Admin), None),
        ] {
            let told = format!("{caller:?}");
            assert_eq!(judge(caller).map(|error| error.code), expected, "{told}");
        }
    }
}
