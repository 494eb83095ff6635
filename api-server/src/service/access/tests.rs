//! Rules against callers.

use std::sync::Arc;

use mainstay_crds::collection::{Document, check};
use mainstay_crds::filter::{Op, Operand};
use mainstay_crds::schema::Schema;
use mainstay_crds::{Value, filter};
use serde_json::{Value as Json, json};

use super::super::Machine;
use super::*;

fn schema(access: Json) -> Schema {
    let fields = json!([
        { "name": "open", "type": "boolean" },
        { "name": "owner", "type": "ref", "collection": "users" },
        { "name": "due", "type": "timestamp" },
        { "name": "staff", "type": "text", "readRoles": ["staff"] },
        { "name": "all", "type": "text", "readRoles": ["staff", "anyone"], "writeRoles": ["staff"] },
        { "name": "secret", "type": "text", "writeOnly": true },
    ]);
    let spec = json!({ "fields": fields, "access": access });
    let document = json!({
        "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": { "name": "things" }, "spec": spec,
    });
    check(&[Document(document)]).unwrap()
}

fn ctx(caller: Caller) -> Ctx {
    Ctx { caller, now: 9, once: None }
}

fn is_open() -> Filter {
    Filter::Test { field: 4, op: Op::Eq, operands: vec![Operand::Value(Value::Boolean(true))] }
}

fn is_due() -> Filter {
    Filter::Test { field: 6, op: Op::Lt, operands: vec![Operand::Value(Value::Timestamp(9))] }
}

#[test]
fn rules_only_grant() {
    let open = json!({ "roles": ["anyone"], "where": { "open": true } });
    let due = json!({ "roles": ["anyone"], "where": { "due": { "lt": "$now" } } });
    let own = json!({ "roles": ["anyone"], "where": { "owner": "$auth.id" } });
    for (rules, granted) in [
        (json!([]), Grant::Nothing),
        (json!([{ "roles": ["anyone"] }]), Grant::Everything),
        (json!([open]), Grant::Rows(is_open())),
        (json!([open, due]), Grant::Rows(Filter::Or(vec![is_open(), is_due()]))),
        (json!([open, { "roles": ["anyone"] }]), Grant::Everything),
        // Nobody has these roles without a credential.
        (json!([{ "roles": ["user", "machine", "staff"] }]), Grant::Nothing),
        (json!([{ "roles": ["user", "anyone"] }]), Grant::Everything),
        // A rule that names what the caller lacks grants nothing.
        (json!([own]), Grant::Nothing),
        (json!([own, open]), Grant::Rows(is_open())),
    ] {
        let schema = schema(json!({ "read": rules }));
        let things = schema.get("things").unwrap();
        assert_eq!(grant(&ctx(Caller::Anonymous), things, Action::Read), granted, "{rules}");
        assert_eq!(grant(&ctx(Caller::Admin), things, Action::Read), Grant::Everything, "{rules}");
        for action in [Action::Create, Action::Update, Action::Delete] {
            assert_eq!(grant(&ctx(Caller::Anonymous), things, action), Grant::Nothing, "{rules} is for reading");
        }
    }
}

#[test]
fn a_machine_acts_in_the_roles_of_its_key() {
    let machine = |roles: &[&str]| {
        let roles = roles.iter().copied().chain(["machine"]).map(str::to_owned).collect();
        ctx(Caller::Machine(Arc::new(Machine { name: "team/key".to_owned(), roles, rate_limit: None })))
    };
    let schema = schema(json!({
        "read": [{ "roles": ["machine"] }],
        "create": [{ "roles": ["staff"] }],
        "update": [{ "roles": ["anyone"], "where": { "owner": "$auth.id" } }],
    }));
    let things = schema.get("things").unwrap();
    let granted = |ctx: &Ctx| {
        let all = [Action::Read, Action::Create, Action::Update, Action::Delete];
        all.map(|action| grant(ctx, things, action) == Grant::Everything)
    };
    assert_eq!(granted(&machine(&[])), [true, false, false, false]);
    assert_eq!(granted(&machine(&["staff"])), [true, true, false, false]);
    assert_eq!(granted(&machine(&["admin"])), [true; 4]);
    let staff = &things.fields[things.position("staff").unwrap()];
    assert!(may_read(&machine(&["staff"]), staff) && !may_read(&machine(&["user"]), staff));
    assert_eq!(require(&machine(&[]), things, Action::Delete).unwrap_err().code, Code::Forbidden);
    assert_eq!(machine(&["staff"]).scope().auth_roles.unwrap(), ["staff", "machine"]);
}

#[test]
fn who_may_sign_in_is_told_so() {
    let schema = schema(json!({}));
    let things = schema.get("things").unwrap();
    let refused = require(&ctx(Caller::Anonymous), things, Action::Delete).unwrap_err();
    assert_eq!(refused.code, Code::Unauthenticated);
    assert!(refused.message.starts_with("delete things"), "{}", refused.message);
    assert!(require(&ctx(Caller::Admin), things, Action::Delete).is_ok());
}

#[test]
fn a_grant_of_nothing_passes_no_row() {
    assert_eq!(Grant::Nothing.into_filter(), Some(filter::Filter::Or(vec![])));
    assert_eq!(Grant::Everything.into_filter(), None);
    assert_eq!(Grant::Rows(is_open()).into_filter(), Some(is_open()));
}

#[test]
fn fields_have_readers_and_writers() {
    let schema = schema(json!({}));
    let things = schema.get("things").unwrap();
    let field = |name: &str| &things.fields[things.position(name).unwrap()];
    for (name, anyone_reads, anyone_writes, admin_reads) in [
        ("open", true, true, true),
        ("staff", false, true, true),
        ("all", true, false, true),
        ("secret", false, true, false),
        ("id", true, true, true),
    ] {
        let (anyone, admin) = (ctx(Caller::Anonymous), ctx(Caller::Admin));
        assert_eq!(may_read(&anyone, field(name)), anyone_reads, "{name}");
        assert_eq!(may_write(&anyone, field(name)), anyone_writes, "{name}");
        assert_eq!(may_read(&admin, field(name)), admin_reads, "{name}");
        assert!(may_write(&admin, field(name)), "{name}");
    }
}
