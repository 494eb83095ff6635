//! Full text that comes, changes or goes: a column of words for each way in which words are made, filled by the server.
//!
//! Called by `steps`, last. Other fields or another language are another column beside the former one, so that old and new
//! servers each keep and search their own until the contract. Then no old server writes any more, and what they wrote
//! without the new words is given its own; the former column goes.

use super::super::ddl::search::{create, remove};
use super::super::{Collection, Search};
use super::steps::{sql, step};
use super::{Pair, describe};
use crate::plan::{Phase, Step, StepSql};
use crate::sql::Dialect;

/// The steps of one collection.
pub(super) fn steps(pair: &Pair, steps: &mut Vec<Step>) {
    let collection = &*pair.new.collection;
    let stays = |search: &&Search| pair.new.kept.contains(&search.column);
    if let Some(search) = &collection.search {
        let is_new = !stays(&search);
        if is_new {
            steps.push(added(collection, search, pair.old.is_some()));
        }
        // What fills fields of records past the server gives them other words.
        let fills = |step: &Step| step.phase == Phase::Backfill && step.collection == collection.name.as_str();
        if pair.old.is_some() && (is_new || steps.iter().any(fills)) {
            steps.push(filled(collection, Phase::Backfill, format!("index the words of {}", collection.name)));
            let late = format!("index the words of {} that older servers wrote", collection.name);
            steps.push(filled(collection, Phase::Contract, late));
        }
    }
    let former = pair.old.as_ref().and_then(|old| Some((old, old.search.as_ref().filter(|search| !stays(search))?)));
    steps.extend(former.map(|(old, search)| dropped(old, search)));
}

fn added(collection: &Collection, search: &Search, live: bool) -> Step {
    let [postgres, sqlite] = [Dialect::Postgres, Dialect::Sqlite].map(|dialect| {
        let up = create(&collection.table, &search.column, dialect, live);
        sql(up, remove(&collection.table, &search.column, dialect))
    });
    let effect = format!("add {}", describe::search(search, collection));
    Step { transactional: !live, ..step(effect, collection.name.as_str(), postgres, sqlite) }
}

fn filled(collection: &Collection, phase: Phase, effect: String) -> Step {
    let none = StepSql::default;
    let filled = step(effect, collection.name.as_str(), none(), none());
    Step { phase, transactional: false, indexes_words: true, ..filled }
}

/// Only a server could fill it again.
fn dropped(old: &Collection, search: &Search) -> Step {
    let [postgres, sqlite] = [Dialect::Postgres, Dialect::Sqlite]
        .map(|dialect| sql(remove(&old.table, &search.column, dialect), Vec::new()));
    // That of a collection which has returned is known by its column alone.
    let effect = match search.fields.is_empty() {
        true => format!("drop former search of {}", old.name),
        false => format!("drop {}", describe::search(search, old)),
    };
    Step { phase: Phase::Contract, reversible: false, ..step(effect, old.name.as_str(), postgres, sqlite) }
}
