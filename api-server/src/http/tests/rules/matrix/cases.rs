//! One case for each way to read or write: what it sends, and which records it got hold of.

use super::*;

/// Routes that ask for no caller.
pub const PUBLIC: &[&str] = &["get /health", "get /health/ready", "get /openapi.json", "get /.well-known/jwks.json"];

/// Routes that are about no collection's records, with a body and the statuses for a wrong credential, nobody, a machine, a person
/// and admin. No person of these tests has a password, and no server a key for tokens.
pub const APART: &[(&str, &str, [u16; 5])] = &[
    ("get /api/v1/keys", "", [401, 401, 403, 403, 200]),
    ("post /api/v1/keys", r#"{"name":"k"}"#, [401, 401, 403, 403, 201]),
    ("get /api/v1/keys/{id}", "", [401, 401, 403, 403, 404]),
    ("delete /api/v1/keys/{id}", "", [401, 401, 403, 403, 404]),
    ("post /api/v1/keys/{id}/rotate", "{}", [401, 401, 403, 403, 404]),
    ("post /api/v1/auth/login", r#"{"email":"a@example.com","password":"a horse, a staple"}"#, [403; 5]),
    ("post /api/v1/auth/refresh", r#"{"refresh_token":"r"}"#, [403; 5]),
    ("post /api/v1/auth/logout", r#"{"refresh_token":"r"}"#, [204; 5]),
    ("post /api/v1/auth/register", r#"{"email":"a@example.com","password":"a horse, a staple"}"#, [403; 5]),
    ("get /api/v1/auth/me", "", [401, 401, 200, 200, 200]),
    (
        "put /api/v1/auth/password",
        r#"{"current":"a horse, a staple","new":"another horse"}"#,
        [401, 401, 403, 403, 403],
    ),
    ("put /api/v1/auth/passwords/{id}", r#"{"password":"a horse, a staple"}"#, [401, 401, 403, 403, 404]),
];

/// The status of a route that is apart, for this caller, and the request.
pub fn apart(operation: &str, caller: &str) -> Option<(Call, u16)> {
    let (_, body, [wrong, nobody, machine, person, admin]) = APART.iter().find(|(known, ..)| *known == operation)?;
    let (method, path) = operation.split_once(' ')?;
    let call = call(&method.to_uppercase(), path.replace("{id}", &id(0xffff)));
    let call = if body.is_empty() { call } else { call.text("application/json", (*body).to_owned()) };
    let status = match caller {
        "wrong" => wrong,
        "anonymous" => nobody,
        "machine" | "staff" => machine,
        "admin" => admin,
        // Nobody's record.
        "stranger" if path == "/api/v1/auth/me" || path == "/api/v1/auth/password" => wrong,
        _ => person,
    };
    Some((call, *status))
}

/// What the sender gets of a collection by this operation; `None` for an operation without a case.
pub async fn seen(world: &World, operation: &str, shape: &str, sender: &Sender) -> Option<Seen> {
    let path = format!("/api/v1/{shape}");
    let case = Case { world, sender, shape, path: &path };
    Some(match operation.strip_prefix("batch ") {
        Some(verb) => case.in_a_batch(verb).await?,
        None => match operation.split_once(" /{collection}").unwrap_or_default() {
            ("get", "") => case.names(call("GET", format!("{path}?limit=200&count=exact"))).await,
            ("get", "?include") => case.included().await,
            ("get", "/aggregate") => case.names(call("GET", format!("{path}/aggregate?count=true&group=name"))).await,
            ("get", "/export") => case.names(call("GET", format!("{path}/export?format=ndjson"))).await,
            ("get", "/{id}") => case.each(404, |row| call("GET", row.uri(&path))).await,
            ("get", "/{id}/history") => case.each(404, |row| call("GET", format!("{}/history", row.uri(&path)))).await,
            ("post", "/search") => case.names(call("POST", format!("{path}/search")).body(&json!({}))).await,
            ("post", "") => case.makes(|row| call("POST", path.clone()).body(&row.copy())).await,
            ("post", "/import") => {
                let line = |row: &Row| format!("{}\n", row.copy());
                let import = call("POST", format!("{path}/import"));
                case.makes(|row| import.clone().text("application/x-ndjson", line(row))).await
            }
            // The key, and below the id, of what is hidden is taken.
            ("post", "?on_conflict") => {
                case.each(409, |row| call("POST", format!("{path}?on_conflict=code")).body(&row.keyed())).await
            }
            ("put", "/{id}") => case.each(409, |row| call("PUT", row.uri(&path)).body(&row.whole())).await,
            ("patch", "/{id}") => {
                case.each(404, |row| call("PATCH", row.uri(&path)).body(&json!({ "note": "patched" }))).await
            }
            ("delete", "/{id}") => case.deletes(|row| call("DELETE", format!("{path}/{}", row.copied()))).await,
            ("patch", "") => case.patches_all().await,
            ("delete", "") => case.deletes_all().await,
            _ => return None,
        },
    })
}

/// What an operation can show of what is granted: an include leads from organisations, and is no refusal.
pub fn narrowed(operation: &str, caller: &str, granted: Seen) -> Seen {
    match granted {
        Seen::Rows(names) if operation == "get /{collection}?include" => {
            Seen::Rows(names.into_iter().filter(|name| name != "grey").collect())
        }
        Seen::Refused(_) if operation == "get /{collection}?include" && caller != "wrong" => Seen::Rows(Names::new()),
        granted => granted,
    }
}

impl Row {
    fn uri(&self, path: &str) -> String {
        format!("{path}/{}", id(self.number))
    }

    /// As it was made.
    fn whole(&self) -> Json {
        let mut record = self.record();
        record["code"] = json!(format!("key-{}", self.name));
        record
    }

    /// What an upsert needs.
    fn keyed(&self) -> Json {
        json!({ "name": self.name, "code": format!("key-{}", self.name) })
    }

    /// Another record that the same rules are about.
    fn copy(&self) -> Json {
        let mut record = self.record();
        record["id"] = json!(self.copied());
        record["code"] = json!(format!("copy-{}", self.name));
        record
    }

    fn copied(&self) -> String {
        id(self.number + 0x100)
    }
}

struct Case<'a> {
    world: &'a World,
    sender: &'a Sender,
    shape: &'a str,
    path: &'a str,
}

fn refused(answer: &Answer) -> Option<Seen> {
    [401, 403].contains(&answer.status).then_some(Seen::Refused(answer.status))
}

impl Case<'_> {
    /// The names in the answer to a read.
    async fn names(&self, call: Call) -> Seen {
        let answer = self.world.send(self.sender, &call).await;
        if let Some(refused) = refused(&answer) {
            return refused;
        }
        assert_eq!(answer.status, 200, "{call:?}: {answer:?}");
        let name = |one: &Json| one["name"].as_str().unwrap().to_owned();
        if call.uri.contains("/export") {
            return Seen::Rows(answer.body.lines().map(|line| name(&serde_json::from_str(line).unwrap())).collect());
        }
        let body = answer.json();
        let names: Names = body["data"].as_array().unwrap().iter().map(name).collect();
        if let Some(total) = body["meta"]["total"].as_u64() {
            assert_eq!(total, names.len() as u64, "hidden records are not counted");
        }
        Seen::Rows(names)
    }

    /// The records that a request about each of them gets hold of; `hidden` is the status of the others.
    async fn each(&self, hidden: u16, request: impl Fn(&Row) -> Call) -> Seen {
        let (mut names, mut statuses) = (Names::new(), BTreeSet::new());
        for row in &ROWS {
            let call = request(row);
            let answer = self.world.send(self.sender, &call).await;
            // An import tells of a line what another request would answer.
            let is_refused = call.uri.ends_with("/import") && answer.body.contains("\"imported\":0");
            match if is_refused { hidden } else { answer.status } {
                200..=299 => _ = names.insert(row.name.to_owned()),
                status => {
                    assert!([401, 403, hidden].contains(&status), "{call:?}: {answer:?}");
                    statuses.insert(status);
                }
            }
        }
        let about_rows = BTreeSet::from([hidden]);
        if statuses.is_subset(&about_rows) && (hidden != 403 || self.may_read().await) {
            return Seen::Rows(names);
        }
        assert!(names.is_empty() && statuses.len() == 1, "{names:?}, and else {statuses:?}");
        Seen::Refused(statuses.into_iter().next().unwrap())
    }

    /// Whether the caller is granted anything: then a 403 is about the record.
    async fn may_read(&self) -> bool {
        self.world.send(self.sender, &call("GET", self.path)).await.status == 200
    }

    async fn in_a_batch(&self, verb: &str) -> Option<Seen> {
        let batch = |row: &Row, members: Json| {
            let mut operation = json!({ "op": verb, "collection": self.shape });
            operation.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            if verb == "update" || verb == "replace" {
                operation["id"] = json!(id(row.number));
            }
            call("POST", "/api/v1/batch").body(&json!({ "operations": [operation] }))
        };
        Some(match verb {
            "create" => self.makes(|row| batch(row, json!({ "data": row.copy() }))).await,
            "update" => self.each(404, |row| batch(row, json!({ "data": { "note": "batch" } }))).await,
            "replace" => self.each(409, |row| batch(row, json!({ "data": row.whole() }))).await,
            "upsert" => self.each(409, |row| batch(row, json!({ "on_conflict": "code", "data": row.keyed() }))).await,
            "delete" => self.deletes(|row| batch(row, json!({ "id": row.copied() }))).await,
            _ => return None,
        })
    }

    async fn makes(&self, request: impl Fn(&Row) -> Call) -> Seen {
        let seen = self.each(403, request).await;
        if let Seen::Rows(names) = &seen {
            assert_eq!(self.copies().await, *names, "what was refused was not made");
        }
        self.sweep().await;
        seen
    }

    async fn deletes(&self, request: impl Fn(&Row) -> Call) -> Seen {
        self.copy().await;
        let seen = self.each(404, request).await;
        if let Seen::Rows(names) = &seen {
            assert_eq!(self.gone().await, *names, "what was refused is there");
        }
        self.sweep().await;
        seen
    }

    async fn patches_all(&self) -> Seen {
        let all = call("PATCH", format!("{}?max_affected=100", self.path));
        self.world.admin(all.clone().body(&json!({ "note": "before" }))).await;
        let answer = self.world.send(self.sender, &all.body(&json!({ "note": "after" }))).await;
        let found = self.found("note=after").await;
        affected(&answer, found)
    }

    async fn deletes_all(&self) -> Seen {
        self.copy().await;
        let all = call("DELETE", format!("{}?code__startswith=copy&max_affected=100", self.path));
        let answer = self.world.send(self.sender, &all).await;
        let seen = affected(&answer, self.gone().await);
        self.sweep().await;
        seen
    }

    /// From the organisations, which everybody may read.
    async fn included(&self) -> Seen {
        let uri = format!("/api/v1/orgs?include={}", self.shape);
        let answer = self.world.send(self.sender, &call("GET", uri)).await;
        if let Some(refused) = refused(&answer) {
            return refused;
        }
        let body = answer.json();
        let records = body["included"][self.shape].as_object().into_iter().flat_map(|records| records.values());
        Seen::Rows(records.map(|record| record["name"].as_str().unwrap().to_owned()).collect())
    }

    /// The names of what is there.
    async fn found(&self, filter: &str) -> Names {
        let list = call("GET", format!("{}?{filter}", self.path));
        let admin = Case { sender: &Sender::As(Caller::Admin), ..*self };
        match admin.names(list).await {
            Seen::Rows(names) => names,
            refused => panic!("{refused:?}"),
        }
    }

    async fn copy(&self) {
        for row in &ROWS {
            self.world.make(self.shape, row.copy()).await;
        }
    }

    async fn copies(&self) -> Names {
        self.found("code__startswith=copy").await
    }

    async fn gone(&self) -> Names {
        let left = self.copies().await;
        ROWS.iter().map(|row| row.name.to_owned()).filter(|name| !left.contains(name)).collect()
    }

    async fn sweep(&self) {
        self.world.admin(call("DELETE", format!("{}?code__startswith=copy&max_affected=100", self.path))).await;
    }
}

/// What a bulk change did, which is what it says.
fn affected(answer: &Answer, names: Names) -> Seen {
    if let Some(refused) = refused(answer) {
        assert!(names.is_empty(), "{answer:?}, and yet {names:?}");
        return refused;
    }
    assert_eq!(answer.json()["data"]["affected"], json!(names.len()), "{answer:?}");
    Seen::Rows(names)
}
