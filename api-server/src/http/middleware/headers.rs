//! The headers of every answer: its id, what it depends on, what browsers and caches may do with it.
//!
//! Written by [`super::observe`], outermost, so that refusals and failures bear them too. What a handler has said stays.

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS,
};

use super::{REQUEST_ID, routed};

/// What every answer depends on.
const VARIES: &str = "Authorization, X-API-Key, Accept, Accept-Encoding";
/// The same where web pages of named origins may call.
const VARIES_BY_ORIGIN: &str = "Authorization, X-API-Key, Accept, Accept-Encoding, Origin";
/// An answer of the API is no page: nothing in it is run, and no page shows it in a frame.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";
/// A year, as browsers' own lists of such hosts want it.
const ONLY_TLS: &str = "max-age=31536000";

/// What the headers of an answer depend on, as its request says.
pub struct Common {
    secure: bool,
    api: bool,
    credential: bool,
}

impl Common {
    pub fn of(request: &ServiceRequest) -> Common {
        let named = |name: &str| request.headers().contains_key(name);
        Common {
            secure: request.app_config().secure(),
            api: routed(request).starts_with("/api/"),
            credential: named(AUTHORIZATION.as_str()) || named("x-api-key"),
        }
    }

    pub fn write(&self, status: StatusCode, headers: &mut HeaderMap, id: &str) {
        if let Ok(value) = HeaderValue::from_str(id) {
            headers.insert(REQUEST_ID, value);
        }
        let by_origin = headers
            .get_all(VARY)
            .any(|value| value.to_str().is_ok_and(|names| names.to_ascii_lowercase().contains("origin")));
        headers.insert(VARY, HeaderValue::from_static(if by_origin { VARIES_BY_ORIGIN } else { VARIES }));
        let mut unless_said = |name: HeaderName, value| {
            if !headers.contains_key(&name) {
                headers.insert(name, HeaderValue::from_static(value));
            }
        };
        unless_said(X_CONTENT_TYPE_OPTIONS, "nosniff");
        unless_said(CONTENT_SECURITY_POLICY, NO_PAGE);
        unless_said(REFERRER_POLICY, "no-referrer");
        if self.secure {
            unless_said(STRICT_TRANSPORT_SECURITY, ONLY_TLS);
        }
        if let Some(policy) = self.caching(status) {
            unless_said(CACHE_CONTROL, policy);
        }
    }

    /// Records may be kept by who asks for their tag each time; by shared caches only where everybody sees the same.
    /// Without a word caches keep some failures for as long as they like.
    fn caching(&self, status: StatusCode) -> Option<&'static str> {
        match (status.is_client_error() || status.is_server_error(), self.api, self.credential) {
            (true, ..) => Some("no-store"),
            (false, true, true) => Some("private, no-cache"),
            (false, true, false) => Some("no-cache"),
            (false, false, _) => None,
        }
    }
}

/// Bytes of all headers as they stand in a request of HTTP/1.1.
pub fn length(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
