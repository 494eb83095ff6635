//! The grammar of `Forwarded` (RFC 7239, section 4), as far as it is needed: who called each proxy.
//!
//! Strict: a line with any mistake is no line at all. A client that opens a quote and hopes that the proxy's own element
//! ends up inside of it has broken the grammar by that.

/// The `for` of each element, in order; an element without one is `unknown`. `None` for a line that breaks the grammar.
pub fn nodes(line: &str) -> Option<Vec<&str>> {
    let mut nodes = Vec::new();
    let mut rest = blank(line);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(',') {
            rest = blank(after); // an empty element of a list (RFC 9110, section 5.6.1)
            continue;
        }
        let (node, after) = element(rest)?;
        nodes.push(node.unwrap_or("unknown"));
        rest = blank(after);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
    Some(nodes)
}

/// One element's `for`, and what follows the element.
fn element(mut rest: &str) -> Option<(Option<&str>, &str)> {
    let mut node = None;
    loop {
        let (name, after) = token(rest)?;
        let (value, after) = value(after.strip_prefix('=')?)?;
        if name.eq_ignore_ascii_case("for") && node.replace(value).is_some() {
            return None;
        }
        match blank(after).strip_prefix(';') {
            Some(more) => rest = blank(more),
            None => return Some((node, after)),
        }
    }
}

fn value(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.strip_prefix('"') else { return token(text) };
    let end = quoted.find(['"', '\\'])?;
    // No address holds a backslash, and no parameter needs one.
    quoted[end..].strip_prefix('"').map(|after| (&quoted[..end], after))
}

fn token(text: &str) -> Option<(&str, &str)> {
    let part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !part(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}
