//! Policies, which requests they count, and whose.
//!
//! Made from the settings; asked by the limiter for each request. Knows paths and methods as text, not the HTTP library.

use std::net::IpAddr;

use mainstay_crds::rate_limit::{By, Quota, RouteClass};
use uuid::Uuid;

use crate::service::Caller;

/// How the limit of a key is called.
pub const OWN: &str = "own";

/// One of the policies of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// In answers and figures.
    pub name: String,
    /// Whose requests are counted together.
    pub by: By,
    /// Which are counted; none is all.
    pub routes: Vec<RouteClass>,
    /// How many.
    pub quota: Quota,
}

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client<'a> {
    /// An address of IPv4, or the first half of one of IPv6: a customer has at least that much, and chooses the rest.
    Address(IpAddr),
    /// The holder of an admin key; of which is not told apart.
    Admin,
    /// A machine by its name, which all keys of one ApiKey share.
    Machine(&'a str),
    /// A person by the id of the record of `users`.
    Person(Uuid),
}

impl Policy {
    /// Whom it counts for this request, if it does.
    pub fn client<'a>(
        &self,
        class: RouteClass,
        address: Option<IpAddr>,
        caller: Option<&'a Caller>,
    ) -> Option<Client<'a>> {
        if !self.routes.is_empty() && !self.routes.contains(&class) {
            return None;
        }
        match self.by {
            By::Ip => by_address(address),
            By::Key => by_key(caller),
            By::Caller => by_key(caller).or_else(|| by_person(caller)).or_else(|| by_address(address)),
        }
    }
}

fn by_address<'a>(address: Option<IpAddr>) -> Option<Client<'a>> {
    let address = match address? {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    };
    Some(Client::Address(address))
}

fn by_key(caller: Option<&Caller>) -> Option<Client<'_>> {
    match caller? {
        Caller::Anonymous | Caller::User(_) => None,
        Caller::Admin => Some(Client::Admin),
        Caller::Machine(machine) => Some(Client::Machine(&machine.name)),
    }
}

fn by_person<'a>(caller: Option<&Caller>) -> Option<Client<'a>> {
    caller?.id().map(Client::Person)
}

/// What a request is about; `None` for paths that are never limited: probes, figures, the document and its page.
pub fn class(method: &str, path: &str) -> Option<RouteClass> {
    let rest = path.strip_prefix("/api/")?;
    let rest = rest.strip_prefix("v1/").unwrap_or(rest);
    Some(match rest.split_once('/') {
        None if rest == "batch" => RouteClass::Batch,
        Some((_, "search" | "aggregate")) => RouteClass::Search,
        Some((_, "export")) => RouteClass::Export,
        Some((_, "import")) => RouteClass::Import,
        _ if ["POST", "PUT", "PATCH", "DELETE"].contains(&method) => RouteClass::Write,
        _ => RouteClass::Read,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::service::Machine;

    #[test]
    fn requests_have_classes() {
        for (method, path, expected) in [
            ("GET", "/api/v1/things", Some(RouteClass::Read)),
            ("HEAD", "/api/v1/things/1", Some(RouteClass::Read)),
            ("OPTIONS", "/api/v1/things", Some(RouteClass::Read)),
            ("GET", "/api/v1/things/1/more", Some(RouteClass::Read)),
            ("POST", "/api/v1/things", Some(RouteClass::Write)),
            ("PATCH", "/api/v1/things", Some(RouteClass::Write)),
            ("PUT", "/api/v1/things/1", Some(RouteClass::Write)),
            ("DELETE", "/api/v1/things/search1", Some(RouteClass::Write)),
            ("POST", "/api/v1/batch", Some(RouteClass::Batch)),
            ("POST", "/api/v1/things/search", Some(RouteClass::Search)),
            ("GET", "/api/v1/things/aggregate", Some(RouteClass::Search)),
            ("GET", "/api/v1/things/export", Some(RouteClass::Export)),
            ("POST", "/api/v1/things/import", Some(RouteClass::Import)),
            ("GET", "/api/", Some(RouteClass::Read)),
            ("GET", "/api/v2/x", Some(RouteClass::Read)),
            ("GET", "/health", None),
            ("GET", "/health/ready", None),
            ("GET", "/openapi.json", None),
            ("GET", "/docs/", None),
            ("GET", "/.well-known/jwks.json", None),
            ("GET", "/metrics", None),
        ] {
            assert_eq!(class(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn whose_requests_are_counted_together() {
        let policy = |by| Policy {
            name: "p".to_owned(),
            by,
            routes: Vec::new(),
            quota: Quota::check(1, "1s", None, None).unwrap(),
        };
        let machine =
            Caller::Machine(Arc::new(Machine { name: "shop/reader".to_owned(), roles: Vec::new(), rate_limit: None }));
        let address: IpAddr = "2001:db8:1:2:3:4:5:6".parse().unwrap();
        let half = Some(Client::Address("2001:db8:1:2::".parse().unwrap()));
        for (by, caller, expected) in [
            (By::Ip, Some(&machine), half),
            (By::Ip, None, half),
            (By::Key, Some(&machine), Some(Client::Machine("shop/reader"))),
            (By::Key, Some(&Caller::Admin), Some(Client::Admin)),
            (By::Key, Some(&Caller::Anonymous), None),
            (By::Key, None, None),
            (By::Caller, Some(&machine), Some(Client::Machine("shop/reader"))),
            (By::Caller, Some(&Caller::Anonymous), half),
            (By::Caller, None, half),
        ] {
            assert_eq!(policy(by).client(RouteClass::Read, Some(address), caller), expected, "{by:?} {caller:?}");
        }
        let writes = Policy { routes: vec![RouteClass::Write], ..policy(By::Ip) };
        assert_eq!(writes.client(RouteClass::Read, Some(address), None), None);
        assert_eq!(writes.client(RouteClass::Write, Some(address), None), half);
        let four = "203.0.113.9".parse().unwrap();
        assert_eq!(policy(By::Ip).client(RouteClass::Read, Some(four), None), Some(Client::Address(four)));
    }
}
