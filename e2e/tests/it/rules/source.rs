//! Rust text as the rules read it: without comments and literals, with its lines where they were.

/// The text with comments and the insides of literals as spaces; same lines, same columns for ASCII.
pub fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let blank = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !after_word => prefixed(rest),
            '\'' => character(rest),
            _ => 0,
        };
        let (taken, keep) = if blank == 0 { rest.split_at(c.len_utf8()) } else { rest.split_at(blank) };
        rest = keep;
        match blank {
            0 => out.push_str(taken),
            _ => out.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
        }
    }
    out
}

/// Length of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let here = &text[at..];
        let step = match () {
            () if here.starts_with("/*") => {
                depth += 1;
                2
            }
            () if here.starts_with("*/") => {
                depth -= 1;
                2
            }
            () => here.chars().next().map_or(1, char::len_utf8),
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Length of a string that starts at its quote.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`; 0 when it is a word that begins so.
fn prefixed(text: &str) -> usize {
    let prefix = text.len() - text.trim_start_matches(['r', 'b', 'c']).len();
    let hashes = text[prefix..].len() - text[prefix..].trim_start_matches('#').len();
    let raw = text[..prefix].contains('r');
    let start = prefix + hashes;
    match text[start..].starts_with('"') && prefix <= 2 && (raw || hashes == 0) {
        false => 0,
        true if !raw => prefix + string(&text[prefix..]),
        true => {
            let end = format!("\"{}", "#".repeat(hashes));
            text[start + 1..].find(&end).map_or(text.len(), |at| start + 1 + at + end.len())
        }
    }
}

/// Length of a character literal; 0 for a lifetime.
fn character(text: &str) -> usize {
    let inside: Vec<char> = text.chars().skip(1).take(2).collect();
    match inside.as_slice() {
        ['\\', _] => text[3..].find('\'').map_or(0, |at| at + 4),
        [c, '\''] => 2 + c.len_utf8(),
        _ => 0,
    }
}

/// One function: its name, its lines from `fn` to the closing brace, the lines between its braces.
#[derive(Debug, PartialEq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
    pub body: usize,
}

/// Every function with a body in code that [`code`] has made, outside `mod tests`.
pub fn functions(code: &str) -> Vec<Function> {
    let code = code.find("mod tests {").map_or(code, |at| &code[..at]);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = &code[..at];
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() || before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let Some((open, close)) = braces(code, at) else { continue };
        let line = |at: usize| code[..at].matches('\n').count() + 1;
        found.push(Function {
            name,
            line: line(at),
            lines: line(close) - line(at) + 1,
            body: (line(close) - line(open)).saturating_sub(1),
        });
    }
    found
}

/// Where the body of the function at `at` opens and closes; `None` for a declaration.
fn braces(code: &str, at: usize) -> Option<(usize, usize)> {
    let mut nesting = 0;
    let end = code[at..].char_indices().find(|(_, c)| {
        match c {
            '(' | '[' => nesting += 1,
            ')' | ']' => nesting -= 1,
            _ => {}
        }
        nesting == 0 && matches!(c, '{' | ';')
    });
    let open = at + end.filter(|(_, c)| *c == '{')?.0;
    let mut depth = 0;
    for (position, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((open, open + position));
        }
    }
    None
}

#[test]
fn comments_and_literals_are_blank() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("x \" y", z)"#, "f(        , z)"),
        (r###"f(r#"x " y"#, z)"###, "f(          , z)"),
        ("f(b\"x\", 'c', '\\'', '\\u{1F}')", "f(    ,    ,     ,         )"),
        ("fn f<'a>(x: &'a str, r: u8) {}", "fn f<'a>(x: &'a str, r: u8) {}"),
        ("for x in crates {}", "for x in crates {}"),
        ("\"ü\"x", "   x"),
    ];
    for (text, expected) in cases {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn functions_are_measured() {
    let text = "fn a();\npub async fn b(\n    x: [u8; 2],\n) -> u8 {\n    if x {\n    }\n    1\n}\nconst fn c() {}\ntype F = fn (u8);\nmod tests {\n    fn d() {}\n}\n";
    let function = |name: &str, line, lines, body| Function { name: name.into(), line, lines, body };
    assert_eq!(functions(text), [function("b", 2, 7, 3), function("c", 9, 1, 0)]);
}
