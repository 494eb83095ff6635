//! Import: records from lines, made or with `on_conflict` changed, a batch at a time, each batch all or nothing.
//!
//! Called by the transports with a stream of bytes. Memory holds one batch; nothing is read while it is written, so that the
//! sender waits. Lines that an export wrote are taken: `version` and the times are the server's own and are read past.

use futures_util::{Stream, StreamExt};
use mainstay_crds::schema::{CREATED_AT, Collection, Field, UPDATED_AT, VERSION};
use mainstay_crds::{Problem, Problems, json};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::create::Grants;
use super::read::context;
use super::{Target, access, csv, draft, upsert};
use crate::query;
use crate::query::export::Format;
use crate::query::import::ImportQuery;
use crate::service::{Code, Ctx, Error, Service};
use lines::{Line, Lines};
use write::{Batch, Entry, Job, Outcome};

mod lines;
mod write;

/// A batch has at most this many lines.
pub const BATCH_LINES: usize = 1000;
/// A batch ends early with this many bytes.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// `atomic=true` takes at most this many lines.
pub const ATOMIC_LINES: usize = 10_000;
/// `atomic=true` takes at most this many bytes.
const ATOMIC_BYTES: usize = 64 * 1024 * 1024;
/// At most this many failures are listed.
const MAX_FAILED: usize = 1000;
/// After so many lines others get a turn: lines are judged on a thread that serves requests.
const TURN: usize = 64;

/// What came of an import.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// How many records were made or changed, or would have been.
    pub imported: u64,
    /// How many of them were there before; told of upserts alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated: Option<u64>,
    /// What is wrong with lines: the first thousand problems.
    pub failed: Vec<Failed>,
    /// The last line that is settled: all up to it are imported or left out.
    pub last_line: u64,
}

/// One problem of one line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failed {
    /// From 1; the first of a record that spans several.
    pub line: u64,
    /// What is wrong, and where in the record.
    #[serde(flatten)]
    pub problem: Problem,
}

/// What a transport has read of the request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The collection.
    pub collection: &'a str,
    /// The query string.
    pub raw: &'a str,
    /// How records are written.
    pub format: Format,
    /// The most bytes of a line.
    pub line: usize,
}

/// `POST /api/v1/{collection}/import`.
///
/// Errors: 401, 403; 400 for parameters, and for more lines than `atomic=true` takes; those of the body; 503 and 504 of the
/// database, which say how far the import came. What is wrong with a line is no error but part of the report.
pub async fn import<S, B>(service: &Service, ctx: &Ctx, asked: Asked<'_>, mut body: S) -> Result<Report, Error>
where
    S: Stream<Item = Result<B, Error>> + Unpin,
    B: AsRef<[u8]>,
{
    let target = service.target(asked.collection)?;
    let may = Grants::of(ctx, &target, asked.raw)?;
    let visible = |collection: &Collection, field: usize| access::may_read(ctx, &collection.fields[field]);
    let options = query::import::import(asked.raw, context(service, &target, &visible)).map_err(Error::invalid)?;
    let ImportQuery { key, dry_run, .. } = options;
    let batch = Batch::new(Job { ctx: ctx.clone(), target: target.clone(), may, key, dry_run, entries: Vec::new() });
    let mut import = Import::new(service, ctx, target, options, asked.format, batch);
    let mut lines = Lines::new(asked.line, asked.format == Format::Csv);
    while let Some(chunk) = body.next().await {
        if import.ended {
            // Read to the end, for most clients read the answer only then; what breaks now changes nothing.
            continue;
        }
        let chunk = chunk.map_err(|error| import.so_far(error))?;
        let mut bytes = chunk.as_ref();
        while let Some(line) = lines.next(&mut bytes) {
            import.take(line).await?;
        }
    }
    if let Some(line) = lines.finish().filter(|_| !import.ended) {
        import.take(line).await?;
    }
    import.flush().await?;
    Ok(import.report)
}

/// An import under way.
struct Import<'a> {
    service: &'a Service,
    ctx: &'a Ctx,
    target: Target,
    options: ImportQuery,
    format: Format,
    /// The names of the first line of CSV, with their fields.
    columns: Option<Vec<(String, Option<Field>)>>,
    batch: Batch,
    lines: usize,
    bytes: usize,
    /// The last line that was judged.
    line: u64,
    /// A line of this batch is bad.
    is_broken: bool,
    ended: bool,
    report: Report,
}

impl<'a> Import<'a> {
    fn new(
        service: &'a Service,
        ctx: &'a Ctx,
        target: Target,
        options: ImportQuery,
        format: Format,
        batch: Batch,
    ) -> Self {
        let (columns, updated) = (None, options.key.map(|_| 0));
        let report = Report { updated, ..Report::default() };
        let (lines, bytes, line, is_broken, ended) = (0, 0, 0, false, false);
        Import { service, ctx, target, options, format, columns, batch, lines, bytes, line, is_broken, ended, report }
    }

    async fn take(&mut self, line: Line) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        self.line = line.number;
        self.lines += 1;
        self.bytes += line.text.as_ref().map_or(0, Vec::len);
        match self.read(line.text) {
            Ok(Some(entry)) => self.batch.push(line.number, entry),
            Ok(None) => {}
            Err(problems) => self.fail(problems.into_iter().map(|problem| Failed { line: line.number, problem })),
        }
        if self.lines.is_multiple_of(TURN) {
            tokio::task::yield_now().await;
        }
        let (lines, bytes) = match self.options.atomic {
            true => (ATOMIC_LINES, ATOMIC_BYTES),
            false => (BATCH_LINES, BATCH_BYTES),
        };
        match self.options.atomic {
            true if self.lines > lines => Err(Error::new(
                Code::ValidationError,
                format!("`atomic=true` takes at most {lines} lines; leave it out, or send less. Nothing was imported"),
            )),
            true if self.bytes > bytes => Err(Error::new(
                Code::PayloadTooLarge,
                format!("`atomic=true` takes at most {bytes} bytes; leave it out, or send less. Nothing was imported"),
            )),
            false if self.lines >= lines || self.bytes >= bytes => self.flush().await,
            _ => Ok(()),
        }
    }

    /// What a line asks for; nothing for one that is empty, or every problem of it.
    fn read(&mut self, text: Option<Vec<u8>>) -> Result<Option<Entry>, Vec<Problem>> {
        let mut problems = Problems::new();
        let Some(text) = text else {
            problems.add("line_too_long", "the line is longer than a body may be");
            return Err(problems.into_vec());
        };
        // In CSV of one column an empty line is a null.
        if text.iter().all(u8::is_ascii_whitespace) && self.columns.as_ref().is_none_or(|all| all.len() > 1) {
            return Ok(None);
        }
        let object = match self.format {
            Format::Ndjson => {
                let value = json::parse(&text, self.service.json_depth)?;
                draft::object(&value, &mut problems).cloned()
            }
            Format::Csv => match &self.columns {
                Some(columns) => csv_record(columns, &text, self.service.json_depth, &mut problems),
                None => {
                    self.columns = Some(self.head(&text, &mut problems));
                    // Without names no line can be read.
                    self.ended = !problems.is_empty();
                    return problems.finish(None);
                }
            },
        };
        let Some(mut object) = object else { return Err(problems.into_vec()) };
        for position in [VERSION, CREATED_AT, UPDATED_AT] {
            object.remove(self.target.collection.fields[position].name.as_str());
        }
        if let Some(key) = self.options.key {
            upsert::preview(self.ctx, &self.target, key, &object, &mut problems);
            return problems.finish(Some(Entry::Upsert(object)));
        }
        let record = draft::create(self.ctx, &self.target.collection, &object, None, &mut problems);
        if problems.is_empty() {
            problems.extend(draft::broken_checks(&self.target.collection, &record, ""));
        }
        problems.finish(Some(Entry::New(record)))
    }

    /// The names of the first line, each of them once.
    fn head(&self, text: &[u8], problems: &mut Problems) -> Vec<(String, Option<Field>)> {
        let names = csv::read(text).unwrap_or_else(|rule| {
            problems.add("malformed", format!("the first line of CSV holds the names of fields: {rule}"));
            Vec::new()
        });
        let mut columns: Vec<(String, Option<Field>)> = Vec::new();
        for name in names.into_iter().map(Option::unwrap_or_default) {
            if columns.iter().any(|(known, _)| *known == name) {
                problems.within(&name, |problems| problems.add("given_twice", "the column is there twice"));
            }
            let position = self.target.collection.position(&name);
            if position.is_none() {
                let names = self.target.collection.fields.iter().map(|field| field.name.as_str());
                let hint = mainstay_crds::name::did_you_mean(&name, names);
                let message = format!("{} has no field `{name}`", self.target.collection.name);
                problems.within(&name, |problems| problems.push("unknown_field", message, hint));
            }
            let field = position.and_then(|position| self.target.collection.fields.get(position)).cloned();
            columns.push((name, field));
        }
        columns
    }

    fn fail(&mut self, failed: impl IntoIterator<Item = Failed>) {
        let room = MAX_FAILED.saturating_sub(self.report.failed.len());
        self.report.failed.extend(failed.into_iter().take(room));
        self.is_broken = true;
    }

    /// Writes the batch, unless a line of it is bad and none may be left out.
    async fn flush(&mut self) -> Result<(), Error> {
        (self.lines, self.bytes) = (0, 0);
        while !self.ended {
            if std::mem::take(&mut self.is_broken) && !self.options.skip {
                self.ended = true;
                self.batch.clear();
                return Ok(());
            }
            let room = MAX_FAILED.saturating_sub(self.report.failed.len());
            match self.batch.write(self.service, room).await.map_err(|error| self.so_far(error))? {
                Outcome::Written(written) => {
                    self.report.imported += written.records;
                    self.report.updated = self.report.updated.map(|updated| updated + written.updated);
                    self.report.last_line = self.line;
                    return Ok(());
                }
                Outcome::Refused(failed) => {
                    self.batch.leave_out(&failed);
                    self.fail(failed);
                }
            }
        }
        Ok(())
    }

    /// A failure in the middle says how far the import came.
    fn so_far(&self, error: Error) -> Error {
        let Report { imported, last_line, .. } = self.report;
        match (imported, self.options.dry_run) {
            (0, _) | (_, true) => error,
            _ => {
                let message = format!(
                    "{}. {imported} records, all that is good up to line {last_line}, are imported: go on behind it",
                    error.message
                );
                Error { message, ..error }
            }
        }
    }
}

fn csv_record(
    columns: &[(String, Option<Field>)],
    text: &[u8],
    depth: usize,
    problems: &mut Problems,
) -> Option<Map<String, Json>> {
    match csv::read(text) {
        Ok(fields) if fields.len() == columns.len() => Some(csv::record(columns, fields, depth)),
        Ok(fields) => {
            let message = format!("the line has {} fields, the first line names {}", fields.len(), columns.len());
            problems.add("malformed", message);
            None
        }
        Err(rule) => {
            problems.add("malformed", format!("not CSV: {rule}"));
            None
        }
    }
}
