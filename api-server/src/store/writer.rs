//! Plain creates of one record: the seam where creates in flight will share a commit.
//!
//! Called by the services in place of [`Store::write`] where nothing else belongs to the transaction. Today each
//! create commits alone.

use std::sync::Arc;

use mainstay_crds::Value;
use mainstay_crds::schema::Collection;

use super::Store;
use super::error::Error;
use super::records::insert_sql;

impl Store {
    /// Inserts a record durably; false when its id or a unique key is taken.
    pub async fn create(&self, collection: &Arc<Collection>, record: &[Value<'static>]) -> Result<bool, Error> {
        Ok(self.write_one(insert_sql(collection, record, self.dialect())).await? == 1)
    }
}
