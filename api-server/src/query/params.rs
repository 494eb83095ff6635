//! The query string as named texts, percent-decoded.
//!
//! Called by [`super`]. It knows the form (`application/x-www-form-urlencoded`), not the meaning.

use mainstay_crds::Problems;
use mainstay_crds::name::did_you_mean;

/// Decoded parameters in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Splits and decodes; what is not UTF-8 after decoding or is percent-encoded wrongly is a problem.
    pub fn read(raw: &str, problems: &mut Problems) -> Params {
        let mut pairs = Vec::new();
        for part in raw.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(value)) => pairs.push((name, value)),
                (name, _) => at(&name.unwrap_or_else(|| name_as_sent(part)), problems, |problems| {
                    problems.add("malformed", "a query parameter is percent-encoded UTF-8");
                }),
            }
        }
        Params { pairs }
    }

    /// Every pair.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether a parameter was given.
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(given, _)| given == name)
    }

    /// Reads a parameter that may be given once; `None` when absent, or when `read` found a problem.
    pub fn one<T>(
        &self,
        name: &str,
        problems: &mut Problems,
        read: impl FnOnce(&str, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let mut given = self.pairs.iter().filter(|(given, _)| given == name);
        let (_, value) = given.next()?;
        let again = given.next().is_some();
        at(name, problems, |problems| {
            if again {
                problems.add("given_twice", format!("`{name}` may be given once"));
            }
            read(value, problems)
        })
    }

    /// As [`Params::one`], for names divided by commas.
    pub fn list<T>(
        &self,
        name: &str,
        problems: &mut Problems,
        read: impl FnOnce(&[&str], &mut Problems) -> Option<T>,
    ) -> Option<T> {
        self.one(name, problems, |text, problems| read(&text.split(',').collect::<Vec<_>>(), problems))
    }

    /// A problem for each parameter that is not among `known`.
    pub fn refuse_others(&self, known: &[&str], problems: &mut Problems) {
        for (name, _) in self.pairs().filter(|(name, _)| !known.contains(name)) {
            at(name, problems, |problems| {
                let hint = did_you_mean(name, known.iter().copied());
                problems.push("unknown_parameter", format!("there is no parameter `{name}` here"), hint);
            });
        }
    }
}

/// Runs `f` at the path of a parameter: `?name`, which no JSON Pointer can be taken for.
pub fn at<T>(name: &str, problems: &mut Problems, f: impl FnOnce(&mut Problems) -> T) -> T {
    let mut inner = Problems::at(format!("?{name}"));
    let result = f(&mut inner);
    problems.extend(inner.into_vec());
    result
}

fn name_as_sent(part: &str) -> String {
    part.split('=').next().unwrap_or_default().chars().take(80).collect()
}

/// Decodes one name or value; `None` for what is not percent-encoded UTF-8.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_form_encodes_and_refuses_the_rest() {
        let mut problems = Problems::new();
        let params = Params::read("a=1+2&b=%C3%A9&&c", &mut problems);
        assert!(problems.is_empty());
        assert_eq!(params.pairs().collect::<Vec<_>>(), [("a", "1 2"), ("b", "é"), ("c", "")]);
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "%ff=1", "a=%ed%a0%80"] {
            let mut problems = Problems::new();
            Params::read(bad, &mut problems);
            assert_eq!(problems.into_vec()[0].code, "malformed", "{bad}");
        }
    }

    #[test]
    fn a_parameter_given_twice_is_a_problem() {
        let mut problems = Problems::new();
        let params = Params::read("limit=1&limit=2", &mut problems);
        params.one("limit", &mut problems, |text, _| Some(text.to_owned()));
        let problems = problems.into_vec();
        assert_eq!((problems[0].path.as_str(), problems[0].code), ("?limit", "given_twice"));
    }
}
