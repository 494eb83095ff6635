//! The parameters of an import.
//!
//! Called by the service.

use mainstay_crds::{Problem, Problems};

use super::{Context, params, upsert};

/// How lines are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportQuery {
    /// Leave bad lines out and go on.
    pub skip: bool,
    /// Change nothing.
    pub dry_run: bool,
    /// All lines or none.
    pub atomic: bool,
    /// The position of the unique key by which a line finds the record that it changes; `None` when it only creates.
    pub key: Option<usize>,
}

const NAMES: [&str; 4] = ["on_error", "dry_run", "atomic", upsert::NAME];

/// Reads the query string.
pub fn import(raw: &str, context: Context<'_>) -> Result<ImportQuery, Vec<Problem>> {
    let mut problems = Problems::new();
    let params = params::Params::read(raw, &mut problems);
    let skip = params.one("on_error", &mut problems, |text, problems| match text {
        "skip" => Some(true),
        "stop" => Some(false),
        _ => {
            problems.add("invalid", "`on_error` is `stop` or `skip`");
            None
        }
    });
    let flag = |name: &str, problems: &mut Problems| {
        let flag = params.one(name, problems, |text, problems| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                problems.add("invalid", format!("`{name}` is `true` or `false`"));
                None
            }
        });
        flag.unwrap_or_default()
    };
    let (dry_run, atomic) = (flag("dry_run", &mut problems), flag("atomic", &mut problems));
    let key = params.one(upsert::NAME, &mut problems, |text, problems| upsert::key(text, context, problems));
    params.refuse_others(&NAMES, &mut problems);
    let skip = skip.unwrap_or_default();
    if skip && atomic {
        params::at("atomic", &mut problems, |problems| {
            let message = "`atomic=true` and `on_error=skip` exclude each other: lines that are left out are not all";
            problems.hint("conflicting_parameters", message, "leave out one of them");
        });
    }
    problems.finish(ImportQuery { skip, dry_run, atomic, key })
}
