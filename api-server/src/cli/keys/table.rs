//! A list of keys for people: a line each, in columns.
//!
//! Called by `mainstay keys list`. Pure.

use std::fmt::Write as _;

use serde_json::Value as Json;

const HEAD: [&str; 7] = ["ID", "PREFIX", "NAME", "ROLES", "STATUS", "EXPIRES", "LAST USED"];

/// The table; nothing but its head when there is no key.
pub fn text(keys: &Json) -> String {
    let rows: Vec<[String; HEAD.len()]> = keys.as_array().into_iter().flatten().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEAD[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    let head = HEAD.map(str::to_owned);
    for row in [&head].into_iter().chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // A write to a String cannot fail; the result is of the trait.
            if write!(line, "{cell:width$}  ").is_err() {}
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(key: &Json) -> [String; HEAD.len()] {
    let text = |name: &str| key[name].as_str().unwrap_or("-").to_owned();
    // To the second: a table is for eyes.
    let time = |name: &str| key[name].as_str().map_or_else(|| "-".to_owned(), |time| short(time).to_owned());
    let roles: Vec<&str> = key["roles"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let roles = if roles.is_empty() { "-".to_owned() } else { roles.join(",") };
    [text("id"), text("prefix"), text("name"), roles, text("status"), time("expires_at"), time("last_used_at")]
}

/// `2026-11-21T18:39:53.000000Z` without its fraction.
fn short(time: &str) -> &str {
    time.split('.').next().unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let keys = json!([
            { "id": "1", "prefix": "ms_a", "name": "a long name", "roles": ["x", "y"], "status": "active",
              "expires_at": "2026-11-21T18:39:53.000000Z" },
            { "id": "2", "prefix": "ms_b", "name": "b", "roles": [], "status": "revoked" },
        ]);
        assert_eq!(
            text(&keys),
            "ID  PREFIX  NAME         ROLES  STATUS   EXPIRES              LAST USED\n\
             1   ms_a    a long name  x,y    active   2026-11-21T18:39:53  -\n\
             2   ms_b    b            -      revoked  -                    -\n"
        );
        assert_eq!(text(&json!([])), "ID  PREFIX  NAME  ROLES  STATUS  EXPIRES  LAST USED\n");
    }
}
