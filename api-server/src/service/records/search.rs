//! Search: a list whose filter is a tree.
//!
//! Called by the transports. Its page is that of a list; only the question is read elsewhere. Related records count only
//! when the caller may read them.

use mainstay_crds::filter::Filter;
use mainstay_crds::json;

use super::access::{self, Action};
use super::create::malformed;
use super::read::{Listed, Page, context};
use super::{Target, no_parameters};
use crate::query;
use crate::service::{Ctx, Error, Service};

/// `POST /api/v1/{collection}/search`.
///
/// Errors: 401, 403; 400 with every problem of the body.
pub async fn search(service: &Service, ctx: &Ctx, name: &str, raw: &str, body: &[u8]) -> Result<Listed, Error> {
    let target = service.target(name)?;
    let readable = access::require(ctx, &target.collection, Action::Read)?.into_filter();
    no_parameters(raw)?;
    let body = json::parse(body, service.json_depth).map_err(malformed)?;
    let asked = query::search(&body, context(service, &target, &|c, f| access::may_read(ctx, &c.fields[f])));
    let mut asked = asked.map_err(Error::invalid)?;
    asked.filter = asked.filter.map(|filter| bound(ctx, &target, filter));
    Page::new(ctx, target, readable, asked).read(service).await
}

/// The filter of a request with every `$now` replaced, and held to what the caller may read of related records.
pub(super) fn bound(ctx: &Ctx, target: &Target, filter: Filter) -> Filter {
    // One that names what the caller lacks finds nothing; requests name no such thing.
    let filter = filter.bind(&ctx.scope()).unwrap_or(Filter::Or(Vec::new()));
    filter.guard(&|name| {
        let collection = target.schema.get(name.as_str())?;
        access::grant(ctx, collection, Action::Read).into_filter()
    })
}

impl Service {
    /// Whether the caller may read at all: asked before a body is read.
    pub fn may_read(&self, ctx: &Ctx, name: &str) -> Result<(), Error> {
        access::require(ctx, &self.target(name)?.collection, Action::Read).map(drop)
    }
}
