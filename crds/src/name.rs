//! Names of collections and fields, and the nearest valid name for a hint.

use std::fmt;

/// A checked name of a collection or a field. The rules of each are in [`Name::field`] and [`Name::collection`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// A field's name: `[a-z][a-z0-9_]*`, at most 48 characters, no `__`, not ending in `_`. The error is the broken rule.
    pub fn field(name: &str) -> Result<Name, &'static str> {
        Name::with(name, '_', "a field name is a-z, 0-9 and _, starting with a letter").and_then(|name| {
            match name.0.contains("__") || name.0.ends_with('_') {
                true => Err("a field name holds no __ and does not end in _"),
                false => Ok(name),
            }
        })
    }

    /// A collection's name: `[a-z][a-z0-9-]*`, at most 48 characters, not ending in `-`. The error is the broken rule.
    pub fn collection(name: &str) -> Result<Name, &'static str> {
        Name::with(name, '-', "a collection name is a-z, 0-9 and -, starting with a letter").and_then(|name| match name
            .0
            .ends_with('-')
        {
            true => Err("a collection name does not end in -"),
            false => Ok(name),
        })
    }

    fn with(name: &str, separator: char, rule: &'static str) -> Result<Name, &'static str> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == separator;
        match name {
            _ if name.len() > 48 => Err("a name has at most 48 characters"),
            _ if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(allowed) => {
                Ok(Name(name.to_owned()))
            }
            _ => Err(rule),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// "did you mean `x`?" for the candidate nearest to `typed`, when one is near enough to be meant.
pub fn did_you_mean<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // No name is so long, and the distance of two texts takes the product of their lengths.
    if typed.is_empty() || typed.len() > 200 {
        return None;
    }
    let typed = typed.to_lowercase();
    let scored = candidates.into_iter().map(|name| (strsim::damerau_levenshtein(&typed, &name.to_lowercase()), name));
    let (distance, name) = scored.min_by_key(|(distance, _)| *distance)?;
    (distance <= (typed.chars().count() / 3).max(1)).then(|| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names() {
        let longest = "a".repeat(48);
        for name in ["a", "a1", "opens_at", "a_1_b", &longest] {
            assert_eq!(Name::field(name).as_ref().map(Name::as_str), Ok(name));
        }
        let longer = "a".repeat(49);
        for name in ["", "A", "1a", "_a", "a_", "a__b", "a-b", "a b", "é", "a\n", "a\"", &longer] {
            assert!(Name::field(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn collection_names() {
        let longest = "a".repeat(48);
        for name in ["a", "user-groups", "a--b", "a1", &longest] {
            assert_eq!(Name::collection(name).as_ref().map(Name::as_str), Ok(name));
        }
        let longer = "a".repeat(49);
        for name in ["", "A", "1a", "-a", "a-", "a_b", "a b", "é", "a/b", &longer] {
            assert!(Name::collection(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn hints_are_near() {
        let cases = [
            ("maxlength", Some("did you mean `maxLength`?")),
            ("maxLenght", Some("did you mean `maxLength`?")),
            ("maxLen", None),
            ("", None),
            ("quite-another", None),
        ];
        for (typed, hint) in cases {
            assert_eq!(did_you_mean(typed, ["minItems", "maxLength"]).as_deref(), hint, "{typed}");
        }
        assert_eq!(did_you_mean("a", []), None);
        assert_eq!(did_you_mean("", ["q"]), None, "one letter is near nothing");
    }
}
