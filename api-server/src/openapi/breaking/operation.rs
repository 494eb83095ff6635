//! One operation before and after: its body, its answers, who may call it, its parameters.
//!
//! Called for every operation that both documents have.

use serde_json::Value as Json;

use super::found::Found;
use super::schema::{Direction, Walk};
use super::{Change, members, resolve, texts};

/// Parameters whose words are fields or paths of fields.
const WORDS: [(&str, &str); 8] = [
    ("sort", "sort key"),
    ("fields", "field"),
    ("include", "reference to include"),
    ("sum", "field to add up"),
    ("avg", "field to take the mean of"),
    ("min", "field to take the least of"),
    ("max", "field to take the greatest of"),
    ("group", "field to group by"),
];

/// Compares what is sent and what is answered, and who may call.
pub(super) fn bodies(
    old: &Json,
    new: &Json,
    was: &Json,
    is: &Json,
    route: &str,
    collection: Option<&str>,
    found: &mut Found,
) {
    let mut walk = Walk::new(old, new, Direction::Body, collection, found);
    // Questions hold names of fields, whose changes are told where they are answered and taken.
    let asks_of_fields = route.ends_with("/search") || route.ends_with("/aggregate");
    for (media, content) in members(was.pointer("/requestBody/content")) {
        match is.get("requestBody").and_then(|body| body.get("content")?.get(media)) {
            Some(_) if asks_of_fields => {}
            Some(next) => walk.schemas(content.get("schema"), next.get("schema")),
            None => walk.tell("removed_media_type", format!("`{route}` takes {media} no longer"), "take it as before"),
        }
    }
    walk.direction = Direction::Answer;
    for (status, answer) in members(was.get("responses")).filter(|(status, _)| status.starts_with('2')) {
        // Another of the answers that clients know will come in its place.
        let Some(next) = is.get("responses").and_then(|all| all.get(status)) else { continue };
        let (answer, next) = (resolve(old, answer), resolve(new, next));
        for (media, content) in members(answer.get("content")) {
            match next.get("content").and_then(|all| all.get(media)) {
                Some(_) if asks_of_fields => {}
                Some(next) => walk.schemas(content.get("schema"), next.get("schema")),
                None => walk.tell("removed_answer", format!("`{route}` answers {media} no longer"), "answer as before"),
            }
        }
    }
    // A client that does not give a new parameter does not get what is answered to it.
    let asks = |operation: &Json| operation.get("parameters").and_then(Json::as_array).map_or(0, Vec::len);
    let asks_more = asks(is) > asks(was);
    for (status, _) in members(is.get("responses")) {
        if was.get("responses").and_then(|all| all.get(status)).is_some() {
            continue;
        }
        match status.as_bytes().first() {
            Some(b'2') if asks_more => {}
            Some(b'2') => walk.tell(
                "new_answer",
                format!("`{route}` may answer {status} where it answered with a record"),
                "let whoever may write a record read it, or tell its clients first",
            ),
            _ => walk.note("new_error", format!("`{route}` may fail with {status}"), "see that clients expect it"),
        }
    }
    if is_open(was) && !is_open(is) {
        let hint = "keep a rule with the role `anyone`, or hand out keys first";
        walk.tell("credential_needed", format!("`{route}` needs a credential now"), hint);
    }
}

/// Compares the parameters. Each side is the path's item and the operation.
pub(super) fn parameters(
    old: &Json,
    new: &Json,
    was: (&Json, &Json),
    is: (&Json, &Json),
    route: &str,
    collection: Option<&str>,
    found: &mut Found,
) {
    let (before, after) = (all(old, was), all(new, is));
    let same = |one: &Json, other: &Json| one["in"] == other["in"] && one["name"] == other["name"];
    for parameter in &before {
        let name = parameter["name"].as_str().unwrap_or_default();
        let next = after.iter().find(|other| same(parameter, other));
        if let Some((_, noun)) = WORDS.iter().find(|(word, _)| *word == name) {
            let next = next.map(|next| texts(next.pointer("/schema/items/enum"))).unwrap_or_default();
            for word in texts(parameter.pointer("/schema/items/enum")).difference(&next) {
                removed_word(word.trim_start_matches('-'), noun, route, collection, found);
            }
            continue;
        }
        let field = name.rsplit_once("__").map_or(name, |(field, _)| field);
        match next {
            // It goes with its field, whose change is told already.
            _ if found.breaks(collection, field) => {}
            Some(next) => {
                let mut walk = Walk::new(old, new, Direction::Body, collection, found).below(field);
                walk.schemas(parameter.get("schema"), next.get("schema"));
            }
            None => found.add(Change {
                collection: collection.map(str::to_owned),
                field: Some(field.to_owned()),
                code: "removed_parameter",
                message: format!("`{route}` takes the parameter `{name}` no longer"),
                hint: "keep what it asks for, or tell its clients first",
                breaks: true,
            }),
        }
    }
    for parameter in after.iter().filter(|parameter| parameter["required"] == true) {
        let known = before.iter().find(|other| same(parameter, other));
        if known.is_none_or(|known| known["required"] != true) {
            let name = parameter["name"].as_str().unwrap_or_default();
            let hint = "leave it optional, or tell its clients first";
            let mut walk = Walk::new(old, new, Direction::Body, collection, found);
            walk.tell("required_parameter", format!("`{route}` demands `{name}` now"), hint);
        }
    }
}

fn removed_word(field: &str, noun: &str, route: &str, collection: Option<&str>, found: &mut Found) {
    // A longer path goes with the field of the collection that it leads through.
    if found.breaks(collection, field) || field.contains('.') {
        return;
    }
    found.add(Change {
        collection: collection.map(str::to_owned),
        field: Some(field.to_owned()),
        code: match noun {
            "sort key" => "removed_sort_key",
            _ => "removed_parameter",
        },
        message: format!("`{field}` is a {noun} of `{route}` no longer"),
        hint: "keep the field as it was, or tell its clients first",
        breaks: true,
    });
}

/// The parameters of an operation, those of its path among them.
fn all<'a>(document: &'a Json, (item, operation): (&'a Json, &'a Json)) -> Vec<&'a Json> {
    let lists = [item.get("parameters"), operation.get("parameters")];
    let each = lists.into_iter().flatten().filter_map(Json::as_array).flatten();
    each.map(|parameter| resolve(document, parameter)).collect()
}

/// Whether it may be called without a credential.
fn is_open(operation: &Json) -> bool {
    let demands = operation.get("security").and_then(Json::as_array);
    demands.is_none_or(|demands| demands.iter().any(|demand| demand.as_object().is_some_and(serde_json::Map::is_empty)))
}
