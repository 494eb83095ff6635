//! The bodies of requests that make keys: what they ask for, or every problem at once.
//!
//! Called by [`super::manage`]. Pure: it looks at no other key, and judges no role by the rules of collections, which may
//! come later than the key.

use mainstay_crds::collection::check::roles;
use mainstay_crds::name::did_you_mean;
use mainstay_crds::rate_limit::{Algorithm, KeyRateLimit, Quota};
use mainstay_crds::{Problem, Problems, duration};
use serde_json::{Map, Value as Json};

/// What names of keys are made of.
pub const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9 _.:/@-]{0,99}$";
/// The longest list of roles.
pub const MAX_ROLES: usize = 32;
/// A time that ends, some decades long at most.
pub const LIFE: &str = "^([1-9][0-9]{0,8}s|[1-9][0-9]{0,6}m|[1-9][0-9]{0,4}h|[1-9][0-9]{0,3}d)$";
/// The same, or none at all.
pub const OVERLAP: &str = "^([0-9]{1,9}s|[0-9]{1,7}m|[0-9]{1,5}h|[0-9]{1,4}d)$";
/// How long the key before stays valid where a rotation does not say, in microseconds.
const DAY: i64 = 24 * 3600 * 1_000_000;

/// A key that is to be made.
#[derive(Debug, PartialEq)]
pub struct Draft {
    pub name: String,
    pub roles: Vec<String>,
    /// In microseconds.
    pub lives_for: Option<i64>,
    pub rate_limit: Option<KeyRateLimit>,
}

/// What a rotation asks for, in microseconds.
#[derive(Debug, PartialEq)]
pub struct Rotation {
    /// How long the key before stays valid.
    pub overlap: i64,
    /// How long the new one lives; as long as the one before, when absent.
    pub lives_for: Option<i64>,
}

/// Reads the body of a new key.
pub fn create(body: &Json) -> Result<Draft, Vec<Problem>> {
    let mut problems = Problems::new();
    let Some(body) = Body::read(body, &["name", "roles", "expires_after", "rate_limit"], &mut problems) else {
        return Err(problems.into_vec());
    };
    let name = body.required("name", &mut problems, name);
    let roles = body.optional("roles", &mut problems, names).unwrap_or_default();
    let lives_for = body.optional("expires_after", &mut problems, life);
    let rate_limit = body.optional("rate_limit", &mut problems, rate_limit);
    problems.finish(Draft { name: name.unwrap_or_default(), roles, lives_for, rate_limit })
}

/// Reads the body of a rotation.
pub fn rotation(body: &Json) -> Result<Rotation, Vec<Problem>> {
    let mut problems = Problems::new();
    let Some(body) = Body::read(body, &["overlap", "expires_after"], &mut problems) else {
        return Err(problems.into_vec());
    };
    let overlap = body.optional("overlap", &mut problems, overlap).unwrap_or(DAY);
    let lives_for = body.optional("expires_after", &mut problems, life);
    problems.finish(Rotation { overlap, lives_for })
}

/// An object with known members.
struct Body<'a>(&'a Map<String, Json>);

impl<'a> Body<'a> {
    fn read(json: &'a Json, known: &[&str], problems: &mut Problems) -> Option<Body<'a>> {
        let Some(members) = json.as_object() else {
            problems.add("wrong_type", format!("this is a JSON object with {}", known.join(", ")));
            return None;
        };
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            let hint = did_you_mean(name, known.iter().copied());
            problems.within(name, |p| p.push("unknown_key", format!("there is no member `{name}` here"), hint));
        }
        Some(Body(members))
    }

    fn optional<T>(
        &self,
        name: &str,
        problems: &mut Problems,
        read: impl FnOnce(&'a Json, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let json = self.0.get(name)?;
        problems.within(name, |problems| read(json, problems))
    }

    fn required<T>(
        &self,
        name: &str,
        problems: &mut Problems,
        read: impl FnOnce(&'a Json, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        if !self.0.contains_key(name) {
            problems.within(name, |problems| problems.add("required", format!("`{name}` is required")));
        }
        self.optional(name, problems, read)
    }
}

fn text<'a>(json: &'a Json, problems: &mut Problems) -> Option<&'a str> {
    if !json.is_string() {
        problems.add("wrong_type", "this is a string");
    }
    json.as_str()
}

fn name(json: &Json, problems: &mut Problems) -> Option<String> {
    let text = text(json, problems)?;
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let allowed = |c: char| c.is_ascii_alphanumeric() || " _.:/@-".contains(c);
    if !begins || text.len() > 100 || !text.chars().all(allowed) {
        let rule = "1 to 100 letters, digits, spaces and _ . : / @ -, beginning with a letter or a digit";
        problems.add("bad_name", format!("a name of a key is made of {rule}"));
    }
    Some(text.to_owned())
}

fn names(json: &Json, problems: &mut Problems) -> Option<Vec<String>> {
    let given: Option<Vec<String>> =
        json.as_array().and_then(|all| all.iter().map(|role| role.as_str().map(str::to_owned)).collect());
    let Some(given) = given else {
        problems.hint("wrong_type", "`roles` is an array of strings", "write [\"editor\"], or leave it out");
        return None;
    };
    if given.len() > MAX_ROLES {
        problems.add("too_many", format!("a key has at most {MAX_ROLES} roles"));
        return None;
    }
    roles(&given, problems);
    Some(given)
}

fn life(json: &Json, problems: &mut Problems) -> Option<i64> {
    let above_zero = |text: &str| !text.starts_with('0');
    span(json, above_zero, "a time above zero: a whole number and s, m, h or d, such as 90d", problems)
}

fn overlap(json: &Json, problems: &mut Problems) -> Option<i64> {
    span(json, |_| true, "a time: a whole number and s, m, h or d, such as 24h, or 0s for none", problems)
}

/// A time in microseconds, with as many digits as [`LIFE`] and [`OVERLAP`] allow.
fn span(json: &Json, fits: impl Fn(&str) -> bool, rule: &str, problems: &mut Problems) -> Option<i64> {
    let text = text(json, problems)?;
    let units = [("s", 9), ("m", 7), ("h", 5), ("d", 4)];
    let digits = |unit: &str| text.strip_suffix(unit).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let short = units.iter().any(|(unit, most)| digits(unit).is_some_and(|digits| digits.len() <= *most));
    let read = duration::parse(text).filter(|_| short && fits(text));
    let micros = read.and_then(|span| i64::try_from(span.as_micros()).ok());
    if micros.is_none() {
        problems.add("invalid", format!("this is {rule}"));
    }
    micros
}

fn rate_limit(json: &Json, problems: &mut Problems) -> Option<KeyRateLimit> {
    let body = Body::read(json, &["limit", "window", "algorithm", "burst"], problems)?;
    let before = problems.len();
    let limit = body.required("limit", problems, number);
    let window = body.required("window", problems, |json, problems| text(json, problems).map(str::to_owned));
    let algorithm = body.optional("algorithm", problems, |json, problems| {
        let read = serde_json::from_value::<Algorithm>(json.clone()).ok();
        if read.is_none() {
            problems.add("invalid", "this is tokenBucket, fixedWindow or slidingWindow");
        }
        read
    });
    let burst = body.optional("burst", problems, number);
    let (Some(limit), Some(window), true) = (limit, window, problems.len() == before) else { return None };
    if let Err(wrong) = Quota::check(limit, &window, algorithm, burst) {
        for (member, rule) in wrong {
            problems.within(member, |problems| problems.add("invalid", rule));
        }
    }
    Some(KeyRateLimit { limit, window, algorithm, burst })
}

/// Of a number that is none of ours in any case, 0 stands in.
fn number(json: &Json, problems: &mut Problems) -> Option<u32> {
    let whole = json.as_u64().or_else(|| json.as_f64().filter(|n| n.fract() == 0.0 && *n >= 0.0).map(|n| n as u64));
    if whole.is_none() {
        problems.add("wrong_type", "this is a whole number");
    }
    whole.map(|number| u32::try_from(number).unwrap_or(0))
}

#[cfg(test)]
mod tests;
