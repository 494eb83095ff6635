//! The HTTP transport: every route on one screen.
//!
//! Handlers translate and call one service function; rules live in `service`. The server is started by the command
//! line with sockets that it has bound.

use std::net::TcpListener;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::web::{Data, ServiceConfig, get, method, patch, post, put, resource, route};
use actix_web::{HttpResponse, HttpServer, Resource, Route};

use crate::app::App;
use error::Failure;

mod accept;
mod account;
mod batch;
mod body;
mod bulk;
mod caller;
pub mod clock;
mod conditions;
mod debug;
pub mod docs;
mod envelope;
pub mod error;
mod idempotency;
mod keys;
mod limit;
mod middleware;
mod prefer;
mod records;
mod system;
mod transfer;
mod unread;

/// Every route of the public port.
fn public(config: &mut ServiceConfig) {
    config
        .service(path("/health", "GET, HEAD").route(get().to(system::health)).route(head().to(system::health)))
        .service(path("/health/ready", "GET, HEAD").route(get().to(system::ready)).route(head().to(system::ready)))
        .service(path("/openapi.json", "GET, HEAD").route(get().to(docs::openapi)).route(head().to(docs::openapi)))
        .service(
            path("/.well-known/jwks.json", "GET, HEAD").route(get().to(system::jwks)).route(head().to(system::jwks)),
        )
        .configure(docs::swagger)
        .service(path("/api/v1/batch", "POST").route(post().to(batch::run)))
        // Before the collections, none of which is called so.
        .service(
            path("/api/v1/keys", "GET, HEAD, POST")
                .route(get().to(keys::list))
                .route(head().to(keys::list))
                .route(post().to(keys::create)),
        )
        .service(
            path("/api/v1/keys/{id}", "GET, HEAD, DELETE")
                .route(get().to(keys::get))
                .route(head().to(keys::get))
                .route(method(Method::DELETE).to(keys::revoke)),
        )
        .service(path("/api/v1/keys/{id}/rotate", "POST").route(post().to(keys::rotate)))
        .service(
            path("/api/v1/{collection}", "GET, HEAD, POST, PATCH, DELETE")
                .route(get().to(records::list))
                .route(head().to(records::list))
                .route(post().to(records::create))
                .route(patch().to(bulk::update))
                .route(method(Method::DELETE).to(bulk::delete)),
        )
        // Before the ids, which are never called so.
        .service(path("/api/v1/{collection}/search", "POST").route(post().to(records::search)))
        .service(
            path("/api/v1/{collection}/aggregate", "GET, HEAD")
                .route(get().to(records::aggregate))
                .route(head().to(records::aggregate)),
        )
        .service(
            path("/api/v1/{collection}/export", "GET, HEAD")
                .route(get().to(transfer::export))
                .route(head().to(transfer::export)),
        )
        .service(path("/api/v1/{collection}/import", "POST").route(post().to(transfer::import)))
        .service(
            path("/api/v1/{collection}/{id}/history", "GET, HEAD")
                .route(get().to(records::history))
                .route(head().to(records::history)),
        )
        .service(
            path("/api/v1/{collection}/{id}", "GET, HEAD, PUT, PATCH, DELETE")
                .route(get().to(records::get))
                .route(head().to(records::get))
                .route(put().to(records::update))
                .route(patch().to(records::update))
                .route(method(Method::DELETE).to(records::delete)),
        );
}

/// Every route of the admin port.
fn admin(config: &mut ServiceConfig) {
    config
        .service(path("/metrics", "GET, HEAD").route(get().to(system::metrics)).route(head().to(system::metrics)))
        .service(path("/debug/config", "GET, HEAD").route(get().to(debug::config)).route(head().to(debug::config)))
        .service(path("/debug/schema", "GET, HEAD").route(get().to(debug::schema)).route(head().to(debug::schema)))
        .service(
            path("/debug/log-level", "GET, HEAD, PUT")
                .route(get().to(debug::log_level))
                .route(head().to(debug::log_level))
                .route(put().to(debug::set_log_level)),
        )
        .service(path("/instance", "GET, HEAD").route(get().to(system::instance)).route(head().to(system::instance)))
        .service(path("/health", "GET, HEAD").route(get().to(system::health)).route(head().to(system::health)))
        .service(path("/health/ready", "GET, HEAD").route(get().to(system::ready)).route(head().to(system::ready)));
}

/// A path that answers OPTIONS, and every method it does not take with 405 and `Allow`.
fn path(pattern: &str, allow: &'static str) -> Resource {
    let options = move || async move { HttpResponse::NoContent().insert_header(("allow", allow)).finish() };
    let other = move || async move { Err::<HttpResponse, _>(Failure::method_not_allowed(allow)) };
    resource(pattern).route(method(Method::OPTIONS).to(options)).default_service(route().to(other))
}

fn head() -> Route {
    method(Method::HEAD)
}

/// The sockets that a server listens on, bound by the caller so that it knows the real addresses.
pub struct Listeners {
    /// For clients.
    pub public: Vec<TcpListener>,
    /// For probes and Prometheus.
    pub admin: Vec<TcpListener>,
}

/// Starts serving. The caller stops it through the server's handle; signals are the caller's too.
///
/// Errors: a socket that cannot be used.
pub fn start(app: Data<App>, listeners: Listeners) -> std::io::Result<(Server, Server)> {
    let Listeners { public: public_sockets, admin: admin_sockets } = listeners;
    let state = app.clone();
    let mut main = HttpServer::new(move || {
        let cors = cors(&state.limits.cors_origins);
        actix_web::App::new()
            .app_data(state.clone())
            .wrap(Compress::default())
            .wrap(from_fn(middleware::mark_compressed))
            // Inside of what costs nothing to refuse, around all that reads a body or asks the database.
            .wrap(from_fn(limit::limit))
            .wrap(from_fn(middleware::guard))
            // Around the guard, so that a page can read why it was refused.
            .wrap(Condition::new(!state.limits.cors_origins.is_empty(), cors))
            .wrap(from_fn(middleware::observe))
            .configure(public)
            .default_service(route().to(middleware::unknown_path))
    })
    .disable_signals()
    .client_request_timeout(app.limits.patience)
    .shutdown_timeout(app.limits.grace.as_secs());
    for socket in public_sockets {
        main = main.listen(socket)?;
    }
    let mut side = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(app.clone())
            .wrap(from_fn(debug::guard))
            .wrap(from_fn(middleware::observe))
            .configure(admin)
            .default_service(route().to(middleware::unknown_path))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1);
    for socket in admin_sockets {
        side = side.listen(socket)?;
    }
    Ok((main.run(), side.run()))
}

/// Closed unless origins are named; `*` opens it to all.
fn cors(origins: &[String]) -> Cors {
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let base = Cors::default().allowed_methods(methods).allow_any_header().max_age(600).expose_headers([
        "ETag",
        "Location",
        "Link",
        "Preference-Applied",
        "X-Request-Id",
        "Retry-After",
        "RateLimit",
        "RateLimit-Policy",
    ]);
    origins.iter().fold(base, |cors, origin| match origin.as_str() {
        "*" => cors.allow_any_origin(),
        origin => cors.allowed_origin(origin),
    })
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::header::{ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN};
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    mod rules;

    #[actix_web::test]
    async fn browsers_may_call_from_named_origins_alone() {
        for (allowed, origin, told) in [
            ("https://a.example", "https://a.example", Some("https://a.example")),
            ("https://a.example", "https://b.example", None),
            ("https://a.example", "http://a.example", None),
            ("*", "https://b.example", Some("https://b.example")),
        ] {
            let app = init_service(App::new().wrap(cors(&[allowed.to_owned()])).configure(public)).await;
            let plain = TestRequest::get().uri("/health").insert_header(("origin", origin));
            let preflight = TestRequest::with_uri("/api/v1/things")
                .method(Method::OPTIONS)
                .insert_header(("origin", origin))
                .insert_header(("access-control-request-method", "PATCH"))
                .insert_header(("access-control-request-headers", "x-api-key, if-match"));
            let plain = call_service(&app, plain.to_request()).await;
            let preflight = call_service(&app, preflight.to_request()).await;
            for response in [&plain, &preflight] {
                let header = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
                assert_eq!(header.and_then(|value| value.to_str().ok()), told, "{origin} where {allowed} may");
            }
            assert_eq!(plain.status(), 200, "it is the browser that keeps the answer from the page");
            let methods = preflight.headers().get(ACCESS_CONTROL_ALLOW_METHODS);
            assert_eq!(methods.is_some_and(|value| value.to_str().unwrap().contains("PATCH")), told.is_some());
        }
    }
}
