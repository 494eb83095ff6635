//! The HTTP transport: every route on one screen.
//!
//! Handlers translate and call one service function; rules live in `service`. The server is started by the command
//! line with sockets that it has bound.

use std::io;
use std::net::TcpListener;
use std::num::NonZero;
use std::sync::Arc;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::web::{Data, ServiceConfig, get, method, patch, post, put, resource, route};
use actix_web::{HttpResponse, HttpServer, Resource, Route};

use crate::app::{self, App};
use connections::{Connections, KEEP_ALIVE};
use error::Failure;
use middleware::compression;
use socket2::SockRef;
use tls::Certificate;

mod accept;
mod account;
mod auth;
mod batch;
mod body;
mod bulk;
mod caller;
pub mod clock;
mod conditions;
pub mod connections;
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
pub mod tls;
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
        .configure(callers)
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

/// Keys of machines, and people who sign in.
fn callers(config: &mut ServiceConfig) {
    config
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
        .service(path("/api/v1/auth/login", "POST").route(post().to(auth::login)))
        .service(path("/api/v1/auth/refresh", "POST").route(post().to(auth::refresh)))
        .service(path("/api/v1/auth/logout", "POST").route(post().to(auth::logout)))
        .service(path("/api/v1/auth/register", "POST").route(post().to(auth::register)))
        .service(path("/api/v1/auth/me", "GET, HEAD").route(get().to(auth::me)).route(head().to(auth::me)))
        .service(path("/api/v1/auth/password", "PUT").route(put().to(auth::change_password)))
        .service(path("/api/v1/auth/passwords/{id}", "PUT").route(put().to(auth::set_password)));
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

/// What was started.
pub struct Started {
    /// For clients.
    pub public: Server,
    /// For probes and Prometheus.
    pub admin: Server,
    /// Those of clients.
    pub connections: Arc<Connections>,
}

/// How many times the patience with a request a client may take nothing of its answer. Whoever writes an export to a disk
/// has a right to wait for it.
const STALLED: u32 = 6;

/// Starts serving, over TLS where there is a certificate. The caller stops it through the server's handle; signals are the
/// caller's too.
///
/// Errors: a socket that cannot be used.
pub fn start(app: Data<App>, listeners: Listeners, tls: Option<&Certificate>) -> io::Result<Started> {
    let Listeners { public: public_sockets, admin: admin_sockets } = listeners;
    let (state, connections) = (app.clone(), Arc::new(Connections::new(app.limits.patience)));
    let entered = Arc::clone(&connections);
    let workers = std::thread::available_parallelism().map_or(2, NonZero::get);
    let mut main = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(state.clone())
            .wrap(from_fn(compression::spare))
            .wrap(Compress::default())
            .wrap(from_fn(compression::mark))
            // Inside of what costs nothing to refuse, around all that reads a body or asks the database.
            .wrap(from_fn(limit::limit))
            .wrap(from_fn(middleware::guard))
            // Around the guard, so that a page can read why it was refused, and asks first without a credential.
            .wrap(Condition::new(!state.cors.origins.is_empty(), cors(&state.cors)))
            .wrap(from_fn(middleware::observe))
            .configure(public)
            .default_service(route().to(middleware::unknown_path))
    })
    .workers(workers)
    // Beyond it nothing is accepted: who comes waits in the system's queue until one of the others has ended.
    .max_connections(app.limits.connections.div_ceil(workers))
    .on_connect(move |io, data| entered.enter(io, data))
    .keep_alive(KEEP_ALIVE)
    .disable_signals()
    .client_request_timeout(app.limits.patience)
    .tls_handshake_timeout(app.limits.patience)
    .shutdown_timeout(app.limits.grace.as_secs() + 1);
    let tls = tls.map(Certificate::config).transpose().map_err(io::Error::other)?;
    for socket in public_sockets {
        // What is accepted has it from the socket that listens.
        SockRef::from(&socket).set_tcp_user_timeout(Some(app.limits.patience * STALLED))?;
        main = match &tls {
            Some(tls) => main.listen_rustls_0_23(socket, tls.clone())?,
            None => main.listen(socket)?,
        };
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
    Ok(Started { public: main.run(), admin: side.run(), connections })
}

/// Closed unless origins are named; `*` opens it to all.
fn cors(settings: &app::Cors) -> Cors {
    let app::Cors { origins, methods, headers, credentials, max_age } = settings;
    let base = Cors::default()
        .allowed_methods(methods.iter().map(String::as_str))
        .max_age(usize::try_from(max_age.as_secs()).ok())
        .expose_headers(EXPOSED);
    let base = match headers.as_slice() {
        [] => base.allow_any_header(),
        named => base.allowed_headers(named),
    };
    let base = if *credentials { base.supports_credentials() } else { base };
    origins.iter().fold(base, |cors, origin| match origin.as_str() {
        "*" => cors.allow_any_origin(),
        origin => cors.allowed_origin(origin),
    })
}

/// What a page may read of an answer beside the few headers that it always may.
const EXPOSED: [&str; 10] = [
    "Content-Disposition",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::App;
    use actix_web::http::header::{ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN};
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    mod rules;

    fn settings(origin: &str) -> app::Cors {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        app::Cors {
            origins: texts(&[origin]),
            methods: texts(&["GET", "PATCH"]),
            headers: Vec::new(),
            credentials: false,
            max_age: Duration::from_secs(600),
        }
    }

    #[actix_web::test]
    async fn browsers_may_call_from_named_origins_alone() {
        for (allowed, origin, told) in [
            ("https://a.example", "https://a.example", Some("https://a.example")),
            ("https://a.example", "https://b.example", None),
            ("https://a.example", "http://a.example", None),
            ("*", "https://b.example", Some("https://b.example")),
        ] {
            let app = init_service(App::new().wrap(cors(&settings(allowed))).configure(public)).await;
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

    #[actix_web::test]
    async fn methods_headers_and_credentials_are_as_the_settings_say() {
        let open = settings("https://a.example");
        let narrow = app::Cors { headers: vec!["x-api-key".to_owned()], credentials: true, ..open.clone() };
        for (settings, method, header, allowed, credentials) in [
            (&open, "PATCH", "x-other", true, None),
            (&open, "DELETE", "x-other", false, None),
            (&narrow, "GET", "x-api-key", true, Some("true")),
            (&narrow, "GET", "x-other", false, None),
        ] {
            let app = init_service(App::new().wrap(cors(settings)).configure(public)).await;
            let preflight = TestRequest::with_uri("/api/v1/things").method(Method::OPTIONS);
            let preflight = preflight
                .insert_header(("origin", "https://a.example"))
                .insert_header(("access-control-request-method", method))
                .insert_header(("access-control-request-headers", header));
            let answer = call_service(&app, preflight.to_request()).await;
            let told = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(answer.status().is_success(), allowed, "{method} {header}");
            if allowed {
                assert_eq!(told("access-control-max-age"), Some("600"));
                assert_eq!(told("access-control-allow-credentials"), credentials);
            }
        }
    }
}
