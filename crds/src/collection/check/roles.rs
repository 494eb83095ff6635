//! Names of roles: their form, and those that nobody can have.
//!
//! Called by the check for rules and for the readers and writers of fields. Which roles keys and people are given is not known
//! here: every name may be one, but for other words for those that callers have by themselves.

use crate::problem::Problems;

/// The roles that callers have without being given them, and the one that may do everything.
const BUILT_IN: [&str; 4] = ["anyone", "user", "machine", "admin"];
/// Other words for them.
const MISTAKEN: [(&str, &str); 4] =
    [("everyone", "anyone"), ("anonymous", "anyone"), ("authenticated", "user"), ("administrator", "admin")];

/// Records every name that is no role, or stands twice.
pub fn judge(roles: &[String], problems: &mut Problems) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:/-".contains(c);
    for (position, role) in roles.iter().enumerate() {
        problems.within(position, |problems| {
            if role.is_empty() || role.len() > 64 || !role.chars().all(allowed) {
                let rule = "letters, digits and _ . : / -, at most 64";
                problems.add("bad_name", format!("`{role}` is not a role: {rule}"));
            } else if let Some(meant) = meant(role) {
                let hint = format!("did you mean `{meant}`?");
                problems.hint("unknown_role", format!("nobody has the role `{role}`"), hint);
            } else if roles.iter().take(position).any(|other| other == role) {
                problems.hint("duplicate", format!("the role `{role}` is named twice"), "remove one");
            }
        });
    }
}

/// The built-in role that another word stands for.
fn meant(role: &str) -> Option<&'static str> {
    if BUILT_IN.contains(&role) {
        return None;
    }
    let own = BUILT_IN.into_iter().find(|known| known.eq_ignore_ascii_case(role));
    own.or_else(|| MISTAKEN.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(role)).map(|(_, known)| known))
}
