//! The parameters of an export: those of a list, less its pages, and the format.
//!
//! Called by the service. `format` wins over a field of that name, which is filtered by `format__eq`.

use mainstay_crds::Problem;
use mainstay_crds::Problems;
use mainstay_crds::filter::Filter;
use mainstay_crds::schema::SortKey;

use super::{Context, fields, filter, params, sort};

/// In which form records travel as a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line.
    #[default]
    Ndjson,
    /// RFC 4180, with a line of field names first.
    Csv,
}

/// What an export asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportQuery {
    /// How records are written.
    pub format: Format,
    /// The conjunction of all filter parameters.
    pub filter: Option<Filter>,
    /// Complete: the id is the last key.
    pub sort: Vec<SortKey>,
    /// The fields to write, in the collection's order; `None` is all that the caller may see.
    pub fields: Option<Vec<usize>>,
}

/// Parameters of a list that an export, which is whole, does not take.
const OF_PAGES: [&str; 5] = ["limit", "offset", "cursor", "include", "count"];

/// Reads the query string.
pub fn export(raw: &str, context: Context<'_>) -> Result<ExportQuery, Vec<Problem>> {
    let mut problems = Problems::new();
    let all = params::Params::read(raw, &mut problems);
    let format = all.one("format", &mut problems, format);
    let sort = all.list("sort", &mut problems, |names, problems| sort::parse(names, context, problems));
    let fields = all.list("fields", &mut problems, |names, problems| fields::parse(names, context, problems));
    for name in OF_PAGES.into_iter().filter(|name| all.has(name)) {
        params::at(name, &mut problems, |problems| {
            let message = format!("there is no parameter `{name}` here: an export answers every record that fits");
            problems.hint("unknown_parameter", message, "leave it out");
        });
    }
    let known = [&OF_PAGES[..], &["format", "sort", "fields"]].concat();
    let filter = filter::parse(&all, &known, context, &mut problems);
    let (format, sort) = (format.unwrap_or_default(), sort.unwrap_or_else(|| sort::by_id(false)));
    problems.finish(ExportQuery { format, filter, sort, fields })
}

fn format(text: &str, problems: &mut Problems) -> Option<Format> {
    match text {
        "ndjson" => Some(Format::Ndjson),
        "csv" => Some(Format::Csv),
        _ => {
            problems.add("invalid", "`format` is `ndjson` or `csv`");
            None
        }
    }
}
