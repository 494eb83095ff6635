//! Create: one record, or an array of them, all or none.

use std::sync::Arc;

use mainstay_crds::schema::Collection;
use mainstay_crds::{Problem, Problems, json};
use serde_json::Value as Json;
use uuid::Uuid;

use super::access::{self, Action, Grant};
use super::draft::{self, Record};
use super::{Target, Tx, Written, conflict, covered, id_of, no_parameters, outcome, references, version_of, written};
use crate::service::{Code, Ctx, Error, Service};
use crate::store::{self, Abort, Conn, records as records_store};

/// An array creates at most this many records.
pub const MAX_RECORDS: usize = 1000;

/// What was created.
#[derive(Debug)]
pub enum Created {
    /// The body was one record.
    One(Written),
    /// The body was an array.
    Many(Vec<Written>),
}

/// `POST /api/v1/{collection}`.
///
/// Errors: 401, 403; 400 with every problem of every record; 409 for taken keys; 422 for references that
/// dangle and checks that break.
pub async fn create(service: &Service, ctx: &Ctx, name: &str, raw: &str, body: &[u8]) -> Result<Created, Error> {
    let target = service.target(name)?;
    let grant = access::require(ctx, &target.collection, Action::Create)?;
    no_parameters(raw)?;
    let body = json::parse(body, service.json_depth).map_err(malformed)?;
    let records = drafts(ctx, &target, &body)?;
    let many = body.is_array();
    let mut done = insert(service, ctx, target, grant, records, many).await?;
    match (many, done.pop()) {
        (false, Some(one)) => Ok(Created::One(one)),
        (_, last) => {
            done.extend(last);
            Ok(Created::Many(done))
        }
    }
}

/// A body that is not JSON, or not JSON that every system reads alike.
pub(super) fn malformed(problems: Vec<Problem>) -> Error {
    let message = problems.first().map_or_else(String::new, |problem| problem.message.clone());
    Error::with(Code::MalformedRequest, message, problems)
}

fn drafts(ctx: &Ctx, target: &Target, body: &Json) -> Result<Vec<Record>, Error> {
    let mut problems = Problems::new();
    let mut records = Vec::new();
    let mut one = |json: &Json, problems: &mut Problems| {
        if let Some(object) = draft::object(json, problems) {
            records.push(draft::create(ctx, &target.collection, object, None, problems));
        }
    };
    match body {
        Json::Array(items) if items.is_empty() || items.len() > MAX_RECORDS => {
            problems.add("out_of_range", format!("an array creates 1 to {MAX_RECORDS} records"));
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                problems.within(index, |problems| one(item, problems));
            }
        }
        body => one(body, &mut problems),
    }
    problems.finish(()).map_err(draft::refusal)?;
    Ok(records)
}

/// Inserts all records or none. Called by PUT too, for an id that is new.
pub(super) async fn insert(
    service: &Service,
    ctx: &Ctx,
    target: Target,
    grant: Grant,
    records: Vec<Record>,
    many: bool,
) -> Result<Vec<Written>, Error> {
    let path = |index: usize| if many { format!("/{index}") } else { String::new() };
    let broken: Vec<Problem> = records
        .iter()
        .enumerate()
        .flat_map(|(index, record)| draft::broken_checks(&target.collection, record, &path(index)))
        .collect();
    if !broken.is_empty() {
        return Err(draft::unprocessable(broken));
    }
    let paths: Vec<String> = (0..records.len()).map(path).collect();
    let guarded = references::guarded(ctx, &target);
    let job = Arc::new(Insert { ctx: ctx.clone(), target, grant, records, paths });
    if !guarded {
        match job.plain(service).await {
            Ok(Some(done)) => return Ok(vec![done]),
            Ok(None) => {}
            Err(store::Error::OutcomeUnknown) => return job.look_up(service).await,
            Err(error) => return Err(error.into()),
        }
    }
    let first = Arc::clone(&job);
    let outcome = match service.store.write(move |conn| first.run(conn, guarded)).await {
        // A foreign key tells one dangling reference at most; a look beforehand tells all of them.
        Err(Abort::Store(store::Error::ForeignKey { .. })) if !guarded => {
            let again = Arc::clone(&job);
            service.store.write(move |conn| again.run(conn, true)).await
        }
        outcome => outcome,
    };
    match outcome {
        Err(Abort::Store(store::Error::OutcomeUnknown)) => job.look_up(service).await,
        outcome => Ok(outcome?),
    }
}

fn refers_to_itself(collection: &Collection) -> bool {
    collection.fields.iter().any(|field| field.target() == Some(&collection.name))
}

/// Everything that the transaction needs, shared by its tries.
struct Insert {
    ctx: Ctx,
    target: Target,
    grant: Grant,
    records: Vec<Record>,
    /// Where each record stands in the body.
    paths: Vec<String>,
}

impl Insert {
    /// One record that nothing else has to be asked for: one statement. `None` when that does not suffice, or when the
    /// transaction is to find out why the record was refused.
    async fn plain(&self, service: &Service) -> Result<Option<Written>, store::Error> {
        let Insert { ctx, target, grant, records, .. } = self;
        let readable = access::grant(ctx, &target.collection, Action::Read);
        let ([record], Grant::Everything, false) = (&records[..], grant, matches!(readable, Grant::Rows(_))) else {
            return Ok(None);
        };
        match service.store.create(&target.collection, record).await {
            Ok(true) => {}
            Ok(false) | Err(store::Error::ForeignKey { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(outcome(ctx, target, record, true, readable == Grant::Everything)))
    }

    fn run(&self, conn: &mut Conn, check_references: bool) -> Tx<Vec<Written>> {
        let Insert { ctx, target, grant, records, paths } = self;
        if check_references {
            let records: Vec<_> = paths.iter().cloned().zip(records.iter().map(Vec::as_slice)).collect();
            references::check(conn, ctx, target, &records)?;
        }
        // Records of one array may refer to later ones.
        let deferred = records.len() > 1 && refers_to_itself(&target.collection);
        if deferred {
            conn.defer_references()?;
        }
        let mut taken = Problems::new();
        let mut refused = false;
        for (record, path) in records.iter().zip(paths) {
            if !records_store::insert(conn, &target.collection, record)? {
                refused = true;
                taken.extend(conflict::explain(conn, target, record, path, None)?.into_vec());
            }
        }
        if refused {
            return Err(conflict::refusal(taken));
        }
        if deferred {
            conn.settle_references()?;
        }
        let ids: Vec<Uuid> = records.iter().map(|record| id_of(record)).collect();
        let granted = covered(conn, target, grant, &ids)?;
        if !ids.iter().all(|id| granted.has(*id)) {
            return Err(access::forbidden_row(&target.collection).into());
        }
        let readable = covered(conn, target, &access::grant(ctx, &target.collection, Action::Read), &ids)?;
        let written = |record: &Record| outcome(ctx, target, record, true, readable.has(id_of(record)));
        Ok(records.iter().map(written).collect())
    }

    /// After a commit whose outcome is unknown: every record is there in its first version, or it stays unknown.
    async fn look_up(self: Arc<Self>, service: &Service) -> Result<Vec<Written>, Error> {
        let found = service.read(move |conn| {
            let mut done = Vec::new();
            for record in &self.records {
                let stored = records_store::select_record(conn, &self.target.collection, id_of(record), false)?;
                if stored.is_none_or(|stored| version_of(&stored) != version_of(record)) {
                    return Err(store::Error::OutcomeUnknown.into());
                }
                done.push(written(conn, &self.ctx, &self.target, record, true)?);
            }
            Ok(done)
        });
        found.await.map_err(|_| store::Error::OutcomeUnknown.into())
    }
}
