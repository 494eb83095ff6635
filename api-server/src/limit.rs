//! How many requests clients may make: the one decision, in this process or in a Redis that servers share.
//!
//! Asked by the HTTP middleware for each request of the API. All policies that fit a request have to allow it, and one that
//! is refused takes from none of them. Knows neither headers nor statuses.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use mainstay_crds::rate_limit::{Quota, RouteClass};

use crate::service::Caller;
use policy::{Client, OWN};
use shared::Shared;
use table::Table;

mod count;
pub mod policy;
pub mod shared;
mod table;
#[cfg(test)]
mod tests;

pub use count::Room;
pub use policy::Policy;

/// Every count of this server.
pub struct Limiter {
    policies: Vec<(Policy, Table)>,
    /// Of keys with a limit of their own.
    own: Table,
    /// What servers share, when they do.
    pub shared: Option<Shared>,
    /// Of the clock that never steps back.
    start: Instant,
}

/// One policy that counts a request.
pub struct Charge<'a> {
    /// Its name.
    pub policy: &'a str,
    /// How many requests it allows.
    pub quota: Quota,
    client: Client<'a>,
    table: &'a Table,
}

/// What was decided of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is allowed.
    pub allowed: bool,
    /// What each policy leaves, in the order of the charges.
    pub rooms: Vec<Room>,
}

impl Limiter {
    /// A limiter with these policies, which counts in this process until [`Shared::keep`] has reached its Redis.
    pub fn new(policies: Vec<Policy>, shared: Option<Shared>) -> Limiter {
        let policies = policies.into_iter().map(|policy| (policy, Table::default())).collect();
        Limiter { policies, own: Table::default(), shared, start: Instant::now() }
    }

    /// The policies that count a request. A key's own limit stands in the place of those by caller and by key.
    pub fn charges<'a>(
        &'a self,
        class: RouteClass,
        address: Option<IpAddr>,
        caller: Option<&'a Caller>,
    ) -> Vec<Charge<'a>> {
        let own = match caller {
            Some(Caller::Machine(machine)) => machine.rate_limit.map(|quota| (quota, Client::Machine(&machine.name))),
            _ => None,
        };
        let of_settings = self.policies.iter().filter_map(|(policy, table)| {
            let client = policy.client(class, address, caller)?;
            let replaced = own.is_some() && !matches!(client, Client::Address(_));
            (!replaced).then_some(Charge { policy: &policy.name, quota: policy.quota, client, table })
        });
        let own = own.map(|(quota, client)| Charge { policy: OWN, quota, client, table: &self.own });
        of_settings.chain(own).collect()
    }

    /// Decides, and counts what is allowed. A Redis that does not answer in time is left alone for a while, and this
    /// process goes by its own counts.
    pub async fn decide(&self, charges: &[Charge<'_>]) -> Verdict {
        if let Some(shared) = &self.shared
            && let Some(verdict) = shared.decide(charges).await
        {
            return verdict;
        }
        self.decide_here(charges, self.now())
    }

    /// Forgets clients that have not come for so long that nothing is counted of them.
    pub fn sweep(&self) {
        let tables = self.policies.iter().map(|(_, table)| table).chain([&self.own]);
        tables.for_each(|table| table.sweep(self.now()));
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Under the locks of all places at once, so that a request is counted by all policies or by none.
    fn decide_here(&self, charges: &[Charge<'_>], now: u64) -> Verdict {
        let mut places: Vec<_> =
            charges.iter().map(|charge| charge.table.place(charge.client, &charge.quota, now)).collect();
        let room = |place: &table::Place<'_>, charge: &Charge<'_>| place.count.room(&charge.quota, now);
        let allowed = places.iter().zip(charges).all(|(place, charge)| room(place, charge).remaining > 0);
        if allowed {
            places.iter_mut().zip(charges).for_each(|(place, charge)| place.count.take(&charge.quota));
        }
        let rooms = places.iter().zip(charges).map(|(place, charge)| room(place, charge)).collect();
        if allowed {
            places.into_iter().zip(charges).for_each(|(place, charge)| place.keep(&charge.quota, now));
        }
        Verdict { allowed, rooms }
    }
}

impl Verdict {
    /// The policy that refuses for longest, and how long.
    pub fn refusal<'a>(&self, charges: &'a [Charge<'a>]) -> Option<(&'a Charge<'a>, Duration)> {
        let refusing = charges.iter().zip(&self.rooms).filter(|(_, room)| !self.allowed && room.remaining == 0);
        refusing.max_by_key(|(_, room)| room.reset).map(|(charge, room)| (charge, Duration::from_millis(room.reset)))
    }
}
