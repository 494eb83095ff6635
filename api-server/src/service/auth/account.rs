//! What people do with their own account: see it, register, change the password; and what an admin does for them.
//!
//! Called by `http/auth.rs` through [`super`]. A changed password ends every other session of its person.

use mainstay_crds::Problems;
use serde::Serialize;
use serde_json::Value as Json;
use uuid::Uuid;

use super::password::{self, Verdict};
use super::person::{self, Person};
use super::session::{Opening, tokens, wait};
use super::{Auth, Origin, Tokens, body};
use crate::service::records::enrol::Enrolment;
use crate::service::{Caller, Code, Ctx, Error, Service, User};
use crate::store::Abort;
use crate::store::auth::{Owner, password as passwords, session as sessions};

/// Whom the server takes a caller for.
#[derive(Debug, Serialize)]
pub struct Me {
    /// `user`, `machine` or `admin`.
    pub kind: &'static str,
    /// Of the record of `users`.
    pub id: Option<Uuid>,
    /// Of a person.
    pub email: Option<String>,
    /// Of a person, or of a key.
    pub name: Option<String>,
    /// All that rules may name.
    pub roles: Vec<String>,
}

/// `GET /api/v1/auth/me`.
///
/// Errors: 401 without a credential; those of the store.
pub async fn me(service: &Service, ctx: &Ctx) -> Result<Me, Error> {
    let me = |kind, name, roles| Me { kind, id: None, email: None, name, roles };
    match &ctx.caller {
        Caller::Anonymous => Err(sign_in()),
        Caller::Admin => Ok(me("admin", None, vec!["admin".to_owned()])),
        Caller::Machine(machine) => Ok(me("machine", Some(machine.name.clone()), machine.roles.clone())),
        Caller::User(user) => {
            let Person { owner, email, name, roles, .. } = find(service, user.id).await?.ok_or_else(sign_in)?;
            let roles = roles.into_iter().chain(["user".to_owned()]).collect();
            Ok(Me { kind: "user", id: Some(owner.id), email: Some(email), name, roles })
        }
    }
}

fn sign_in() -> Error {
    Error::new(Code::Unauthenticated, "this needs a credential: sign in, or send a key")
}

async fn find(service: &Service, id: Uuid) -> Result<Option<Person>, Error> {
    let schema = service.schema();
    service.read(move |conn| Ok(person::by_id(conn, person::users(&schema)?, id)?)).await
}

/// `POST /api/v1/auth/register`: a record of `users` with a password, and its first session, all or nothing.
///
/// Errors: 400 with every problem; 403 while it is off, or for fields that people do not give themselves; 409 for an
/// address that is taken; 429; 503.
pub async fn register(auth: &Auth, service: &Service, origin: Origin, body: &[u8]) -> Result<(Uuid, Tokens), Error> {
    if !auth.options.registration {
        let message = "registration is off: an admin makes users, or switches it on with `auth.registration.enabled`";
        return Err(Error::new(Code::Forbidden, message));
    }
    let mut members = body::object(service, body)?;
    let mut problems = Problems::new();
    let given = members.remove("password");
    let password = problems.within("password", |problems| body::text(given, usize::MAX, problems));
    let email = members.get("email").and_then(Json::as_str).unwrap_or_default().to_owned();
    if !password.is_empty() {
        problems.within("password", |p| password::judge(&password, &email, auth.options.min_length, p));
    }
    if members.contains_key("id") {
        problems.within("id", |problems| problems.add("read_only", "the server sets this field"));
    }
    let enrolment = Enrolment::new(service, origin.now, &members, problems)?;
    auth.key()?;
    // Whoever registers may be trying out which accounts there are.
    let attempt = auth.backoff.begin(&format!("register {email}"), origin.address, origin.now).map_err(wait)?;
    let hash = auth.hasher.hash(password).await.inspect_err(|_| auth.backoff.undo(attempt))?;
    let (opening, now) = (Opening::new(auth, origin.now)?, origin.now);
    let schema = service.schema();
    let made = service.store.write(move |conn| {
        let owner = Owner { id: enrolment.id(), created_at: now };
        enrolment.run(conn)?;
        passwords::set(conn, owner, &hash, now)?;
        opening.run(conn, owner, now)?;
        let person = person::by_id(conn, person::users(&schema)?, owner.id)?;
        person.ok_or_else(|| Abort::from(Error::bug("a person who registered is not there")))
    });
    // An address that is taken counts as a wrong guess, and nothing else does.
    let person = made.await.map_err(Error::from);
    if person.as_ref().err().is_none_or(|error| error.code != Code::Conflict) {
        auth.backoff.undo(attempt);
    }
    let person = person?;
    let tokens = tokens(auth, &person, opening.id, &opening.secret, now)?;
    Ok((person.owner.id, tokens))
}

/// Whether the caller has a password: asked before a body is read.
pub fn may_change(ctx: &Ctx) -> Result<(), Error> {
    person_who_calls(ctx).map(drop)
}

/// `PUT /api/v1/auth/password`: people change their own, by the one before.
///
/// Errors: 400; 401 without a token; 403 for a wrong password, and for those who are no people; 429; 503.
pub async fn change_password(
    auth: &Auth,
    service: &Service,
    ctx: &Ctx,
    origin: Origin,
    body: &[u8],
) -> Result<(), Error> {
    let user = person_who_calls(ctx)?;
    let [current, new] = body::texts(service, body, [("current", body::PASSWORD), ("new", usize::MAX)])?;
    let person = find(service, user.id).await?.ok_or_else(sign_in)?;
    judge(&new, "new", &person, auth)?;
    let attempt = auth.backoff.begin(&person.email, origin.address, ctx.now).map_err(wait)?;
    let owner = person.owner;
    let known = service.read(move |conn| Ok(passwords::find(conn, owner, false)?)).await;
    let known = known.inspect_err(|_| auth.backoff.undo(attempt))?;
    let verdict = auth.hasher.verify(current, known.clone()).await;
    if verdict.inspect_err(|_| auth.backoff.undo(attempt))? == Verdict::Wrong {
        return Err(wrong_password());
    }
    auth.backoff.right(attempt, ctx.now);
    let proof = Proof { hash: known, session: session_of(user).ok_or_else(sign_in)? };
    replace(auth, service, owner, new, ctx.now, Some(proof)).await
}

fn wrong_password() -> Error {
    Error::new(Code::Forbidden, "the current password is wrong")
}

fn person_who_calls(ctx: &Ctx) -> Result<&User, Error> {
    match &ctx.caller {
        Caller::Anonymous => Err(sign_in()),
        Caller::User(user) => Ok(user),
        Caller::Machine(_) | Caller::Admin => {
            let message = "this is for people who are signed in; an admin sets PUT /api/v1/auth/passwords/{id}";
            Err(Error::new(Code::Forbidden, message))
        }
    }
}

/// `PUT /api/v1/auth/passwords/{id}`: an admin sets anybody's.
///
/// Errors: 400; 401, 403 for others than admin; 404 for nobody; 503.
pub async fn set_password(auth: &Auth, service: &Service, ctx: &Ctx, id: &str, body: &[u8]) -> Result<(), Error> {
    may_set(ctx)?;
    let nobody = || Error::no_record(person::USERS);
    let id = Uuid::parse_str(id).ok().filter(|_| id.len() == 36).ok_or_else(nobody)?;
    let [new] = body::texts(service, body, [("password", usize::MAX)])?;
    let person = find(service, id).await?.ok_or_else(nobody)?;
    judge(&new, "password", &person, auth)?;
    replace(auth, service, person.owner, new, ctx.now, None).await
}

/// Whether the caller may set anybody's password: asked before a body is read.
pub fn may_set(ctx: &Ctx) -> Result<(), Error> {
    match &ctx.caller {
        caller if caller.is_admin() => Ok(()),
        Caller::Anonymous => Err(sign_in()),
        _ => Err(Error::new(Code::Forbidden, "only admin may set the passwords of others")),
    }
}

fn judge(new: &str, member: &str, person: &Person, auth: &Auth) -> Result<(), Error> {
    let mut problems = Problems::new();
    problems.within(member, |p| password::judge(new, &person.email, auth.options.min_length, p));
    problems.finish(()).map_err(Error::invalid)
}

/// What a person's change of their own password rests on.
struct Proof {
    /// What the current password was compared with.
    hash: Option<String>,
    /// Who asked.
    session: Uuid,
}

/// Sets a password, and ends every session but that of whoever proved to know the one before.
async fn replace(
    auth: &Auth,
    service: &Service,
    owner: Owner,
    new: String,
    now: i64,
    by: Option<Proof>,
) -> Result<(), Error> {
    let hash = auth.hasher.hash(new).await?;
    let but = by.as_ref().map(|proof| proof.session);
    let done = service.store.write(move |conn| {
        // Both may have gone since they were looked at: an admin who takes an account back has the last word.
        if let Some(proof) = &by {
            if passwords::find(conn, owner, true)? != proof.hash {
                return Err(Abort::Domain(wrong_password()));
            }
            if sessions::find(conn, proof.session, true)?.is_none() {
                return Err(Abort::Domain(sign_in()));
            }
        }
        passwords::set(conn, owner, &hash, now)?;
        Ok(sessions::end_all(conn, owner, but)?)
    });
    done.await?;
    auth.known.forget(|session, user| user.id == owner.id && Some(session) != but);
    Ok(())
}

/// The session that a token belongs to.
fn session_of(user: &User) -> Option<Uuid> {
    user.claims.get("sid").and_then(Json::as_str).and_then(|text| Uuid::parse_str(text).ok())
}
