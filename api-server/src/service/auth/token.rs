//! Access tokens: JWTs of RFC 9068 in compact form, made and read by the rules of RFC 8725.
//!
//! Called by [`super`] alone. Pure but for a signature's random numbers. Only this server's own tokens are read, so that a
//! header holds exactly three members and nothing has to be understood that could mislead: what names a key of its own, an
//! extension or another algorithm is refused before any cryptography.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mainstay_crds::json;
use serde_json::{Map, Value as Json, json as object};
use uuid::Uuid;

use crate::service::Error;
use crate::service::signing::{Keyring, SigningKey};

/// The longest token that is looked at.
pub const LONGEST: usize = 4096;
/// How far the clocks of two servers may be apart, in seconds.
pub const LEEWAY: i64 = 30;
/// The media type of RFC 9068, which keeps other JWTs that these keys may sign from being taken for access tokens.
const TYPE: &str = "at+jwt";
/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// What is said in a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is: the id of a record of `users`.
    pub subject: Uuid,
    /// The session that it belongs to.
    pub session: Uuid,
    /// From this second on it is refused.
    pub expires_at: i64,
    /// All of them.
    pub all: Map<String, Json>,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is none of ours, or was changed.
    Invalid,
    /// It was one of ours.
    Expired,
}

/// What a new token says.
pub struct Grant<'a> {
    /// Who issues it, and to whom: the server is both.
    pub issuer: &'a str,
    /// The person.
    pub subject: Uuid,
    /// The sign-in.
    pub session: Uuid,
    /// The person's own roles.
    pub roles: &'a [String],
    /// In seconds.
    pub life: i64,
    /// Microseconds since 1970.
    pub now: i64,
}

/// A signed token.
///
/// Errors: the system has no random numbers.
pub fn sign(key: &SigningKey, grant: &Grant<'_>) -> Result<String, Error> {
    let Grant { issuer, subject, session, roles, life, now } = grant;
    let now = now / SECOND;
    let header = object!({ "alg": key.alg(), "kid": key.kid(), "typ": TYPE });
    let claims = object!({
        "iss": issuer, "aud": issuer, "sub": subject, "sid": session, "jti": Uuid::now_v7(), "roles": roles,
        "iat": now, "nbf": now, "exp": now.saturating_add(*life),
    });
    let encode = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = key.sign(signed.as_bytes()).map_err(|_| Error::bug("there are no random numbers to sign with"))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Whether a credential has the form of a token, so that it is worth a look.
pub fn resembles(credential: &str) -> bool {
    credential.len() <= LONGEST && credential.starts_with("eyJ") && credential.matches('.').count() == 2
}

/// The claims of a token that one of the keys signed for `issuer`, and that is valid at `now`.
pub fn verify(keys: &Keyring, issuer: &str, token: &str, now: i64) -> Result<Claims, Refusal> {
    let claims = signed(keys, token).ok_or(Refusal::Invalid)?;
    let says = |name: &str| claims.get(name).and_then(Json::as_str);
    let id = |name: &str| says(name).filter(|text| text.len() == 36).and_then(|text| Uuid::parse_str(text).ok());
    let second = |name: &str| claims.get(name).and_then(Json::as_i64);
    let ours = says("iss") == Some(issuer) && says("aud") == Some(issuer);
    let (Some(subject), Some(session), true) = (id("sub"), id("sid"), ours) else { return Err(Refusal::Invalid) };
    let (Some(begin), Some(issued), Some(end)) = (second("nbf"), second("iat"), second("exp")) else {
        return Err(Refusal::Invalid);
    };
    let now = now / SECOND;
    if begin.max(issued) > now.saturating_add(LEEWAY) {
        return Err(Refusal::Invalid);
    }
    if end.saturating_add(LEEWAY) <= now {
        return Err(Refusal::Expired);
    }
    Ok(Claims { subject, session, expires_at: end.saturating_add(LEEWAY), all: claims })
}

/// The payload, if the signature is that of a known key with its own algorithm.
fn signed(keys: &Keyring, token: &str) -> Option<Map<String, Json>> {
    if token.len() > LONGEST {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let header = decoded(header)?;
    let says = |name: &str| header.get(name).and_then(Json::as_str);
    // No `crit`, `jwk`, `jku`, `x5u`, `x5c`, `b64` or `zip`, whatever it says.
    let (Some(kid), Some(alg), true, 3) = (says("kid"), says("alg"), says("typ") == Some(TYPE), header.len()) else {
        return None;
    };
    let key = keys.get(kid).filter(|key| key.alg() == alg)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if key.verifies(signed.as_bytes(), &signature) { decoded(payload) } else { None }
}

/// An object in base64url. Members that stand twice are refused, since two readers could take different ones.
fn decoded(part: &str) -> Option<Map<String, Json>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    match json::parse(&bytes, 4) {
        Ok(Json::Object(members)) => Some(members),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
