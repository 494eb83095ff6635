//! Access rules as callers meet them: whole requests through every route, on both databases.
//!
//! Callers are made by the tests, with an id, roles and claims of their choice; the clock stands still, so that two answers
//! to one question may be compared to the byte.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::Data;
use actix_web::{App, Error, HttpMessage};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use mainstay_crds::collection::Document;
use mainstay_crds::schema::Schema;
use mainstay_crds::sql::Dialect;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::app;
use crate::http::caller::Known;
use crate::http::limit::limit;
use crate::http::{middleware, public};
use crate::query::page;
use crate::service::keys::hash;
use crate::service::{Caller, Ctx, Machine, Service, User};
use crate::store::Store;
use crate::store::tests::both_with;

mod agreement;
mod matrix;
mod oracles;

/// 2024-01-31T12:00:00Z, the time of every request.
const NOW: i64 = 1_706_702_400_000_000;
const ADMIN_KEY: &str = "an-admin-key-of-these-tests";

/// A server over one database.
struct World {
    state: Data<app::App>,
    dialect: Dialect,
    app: Box<dyn Fn(TestRequest, Option<Ctx>) -> LocalBoxFuture<'static, Answer>>,
}

/// Who sends a request.
#[derive(Clone, Debug)]
enum Sender {
    /// With this credential, or none, as it comes over the wire.
    Wire(Option<&'static str>),
    /// As a caller whom the test makes.
    As(Caller),
}

/// A request.
#[derive(Clone, Debug)]
struct Call {
    method: Method,
    uri: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// A request without a body.
fn call(method: &str, uri: impl Into<String>) -> Call {
    let headers = vec![("x-request-id", "test".to_owned())];
    Call { method: method.parse().unwrap(), uri: uri.into(), headers, body: String::new() }
}

impl Call {
    fn body(self, body: &Json) -> Call {
        self.text("application/json", body.to_string())
    }

    fn text(self, media: &str, body: String) -> Call {
        Call { body, ..self.header("content-type", media) }
    }

    fn header(mut self, name: &'static str, value: &str) -> Call {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The answer without one header.
    fn without(mut self, name: &str) -> Answer {
        self.headers.retain(|(known, _)| known != name);
        self
    }
}

/// Hands the caller that a test made to the handler, in the place of the one whom the headers name.
async fn stand_in<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let made = request.extensions_mut().remove::<Ctx>();
    if let Some(ctx) = made {
        request.extensions_mut().insert::<Known>(Ok(ctx));
    }
    next.call(request).await
}

impl World {
    /// One on each database.
    async fn both(documents: &[Document]) -> [World; 2] {
        let ([one, other], schema) = both_with(documents).await;
        [World::over(one, &schema).await, World::over(other, &schema).await]
    }

    async fn over(store: Store, schema: &Schema) -> World {
        let (dialect, limits) = (store.dialect(), page::Limits { default: 20, max: 200 });
        let state = Data::new(app::App::for_tests(Service::new(store, schema.clone(), limits, 32)));
        state.keys.set_admin(vec![hash(ADMIN_KEY)]);
        state.readiness.serve();
        let app = App::new().app_data(state.clone()).wrap(from_fn(stand_in)).wrap(from_fn(limit));
        let app = app.wrap(from_fn(middleware::observe)).configure(public);
        let app = Rc::new(init_service(app).await);
        let answer = move |request: TestRequest, made: Option<Ctx>| {
            let (app, request) = (Rc::clone(&app), request.to_request());
            if let Some(ctx) = made {
                request.extensions_mut().insert(ctx);
            }
            async move {
                let response = call_service(&*app, request).await;
                let (status, headers) = (response.status().as_u16(), response.headers().iter());
                let mut headers: Vec<(String, String)> =
                    headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
                headers.sort();
                let body = String::from_utf8(read_body(response).await.to_vec()).unwrap();
                Answer { status, headers, body }
            }
            .boxed_local()
        };
        World { state, dialect, app: Box::new(answer) }
    }

    async fn send(&self, sender: &Sender, call: &Call) -> Answer {
        let mut request = TestRequest::with_uri(&call.uri).method(call.method.clone());
        for (name, value) in &call.headers {
            request = request.insert_header((*name, value.as_str()));
        }
        if let Sender::Wire(Some(key)) = sender {
            request = request.insert_header(("x-api-key", *key));
        }
        if !call.body.is_empty() {
            request = request.set_payload(call.body.clone());
        }
        let made = match sender {
            Sender::As(caller) => Some(Ctx { caller: caller.clone(), now: NOW, once: None }),
            Sender::Wire(_) => None,
        };
        (self.app)(request, made).await
    }

    /// Sends as admin what has to succeed.
    async fn admin(&self, call: Call) -> Answer {
        let answer = self.send(&Sender::As(Caller::Admin), &call).await;
        assert!(answer.status < 300, "{call:?} on {:?}: {answer:?}", self.dialect);
        answer
    }

    /// Makes a record.
    async fn make(&self, collection: &str, record: Json) {
        self.admin(call("POST", format!("/api/v1/{collection}")).body(&record)).await;
    }
}

fn machine(roles: &[&str]) -> Sender {
    let roles = roles.iter().copied().chain(["machine"]).map(str::to_owned).collect();
    Sender::As(Caller::Machine(Arc::new(Machine { name: "tests/key".to_owned(), roles, rate_limit: None })))
}

fn user(id: Uuid, roles: &[&str], claims: Json) -> Sender {
    let roles = roles.iter().copied().chain(["user"]).map(str::to_owned).collect();
    let claims: Map<String, Json> = serde_json::from_value(claims).unwrap();
    Sender::As(Caller::User(Arc::new(User { id, roles, claims })))
}

/// A document with a Collection's spec.
fn document(name: &str, spec: Json) -> Document {
    crate::store::tests::document(name, spec)
}

fn id(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}
