//! Query strings against a schema: what they ask for, and every way to get them wrong.

use mainstay_crds::collection::{Document, check};
use mainstay_crds::filter::{Op, Operand};
use mainstay_crds::schema::ID;
use serde_json::json;

use super::*;

const LIMITS: page::Limits = page::Limits { default: 20, max: 200 };

fn schema() -> Schema {
    let document = |name: &str, fields: serde_json::Value| {
        Document(json!({
            "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection",
            "metadata": { "name": name }, "spec": { "fields": fields },
        }))
    };
    let things = document(
        "things",
        json!([
            { "name": "title", "type": "text" },
            { "name": "rank", "type": "integer" },
            { "name": "tags", "type": "list", "items": "text" },
            { "name": "owner", "type": "ref", "collection": "people" },
            { "name": "limit", "type": "integer" },
            { "name": "price", "type": "decimal", "precision": 9, "scale": 2 },
            { "name": "hidden", "type": "text" },
            { "name": "extra", "type": "json" },
        ]),
    );
    let people = document("people", json!([{ "name": "boss", "type": "ref", "collection": "people" }]));
    check(&[things, people]).unwrap()
}

/// Positions of the fields of `things`.
const TITLE: usize = 4;
const RANK: usize = 5;
const TAGS: usize = 6;
const OWNER: usize = 7;
const LIMIT: usize = 8;

fn asked(raw: &str) -> Result<ListQuery, Vec<Problem>> {
    let schema = schema();
    let visible = |collection: &Collection, field: usize| collection.fields[field].name.as_str() != "hidden";
    list(raw, Context { collection: schema.get("things").unwrap(), schema: &schema, visible: &visible, page: LIMITS })
}

fn key(field: usize, descending: bool) -> SortKey {
    SortKey { field, descending }
}

fn test(field: usize, op: Op, operands: Vec<Value<'static>>) -> Filter {
    Filter::Test { field, op, operands: operands.into_iter().map(Operand::Value).collect() }
}

fn text(text: &str) -> Value<'static> {
    Value::from(text.to_owned())
}

#[test]
fn nothing_asked_is_the_first_page_by_id() {
    let query = asked("").unwrap();
    assert_eq!((query.limit, query.offset, query.after, query.count), (20, None, None, false));
    assert_eq!((query.filter, query.fields, query.include), (None, None, vec![]));
    assert_eq!(query.sort, [key(ID, false)]);
}

#[test]
fn sorts() {
    for (raw, keys) in [
        ("sort=rank", vec![key(RANK, false), key(ID, false)]),
        ("sort=title,-rank", vec![key(TITLE, false), key(RANK, true), key(ID, true)]),
        ("sort=-id", vec![key(ID, true)]),
        ("sort=rank,-id,title", vec![key(RANK, false), key(ID, true)]),
        ("sort=limit", vec![key(LIMIT, false), key(ID, false)]),
    ] {
        assert_eq!(asked(raw).unwrap().sort, keys, "{raw}");
    }
}

#[test]
fn pages() {
    for (raw, limit, offset) in
        [("limit=1", 1, None), ("limit=200&offset=10000", 200, Some(10_000)), ("offset=0", 20, Some(0))]
    {
        let query = asked(raw).unwrap();
        assert_eq!((query.limit, query.offset), (limit, offset), "{raw}");
    }
    assert!(asked("count=exact").unwrap().count);
}

#[test]
fn fields_come_in_the_order_of_the_collection() {
    assert_eq!(asked("fields=rank,title,id").unwrap().fields, Some(vec![ID, TITLE, RANK]));
}

#[test]
fn includes_are_a_tree() {
    let name = |text: &str| mainstay_crds::name::Name::collection(text).unwrap();
    let include = |step: &str, edge: Edge, target: &str, then: Vec<Include>| Include {
        step: step.to_owned(),
        edge,
        target: name(target),
        then,
    };
    let boss = |then| include("boss", Edge::Forward(4), "people", then);
    let owner = |then| vec![include("owner", Edge::Forward(OWNER), "people", then)];
    for (raw, tree) in [
        // Back: by the collection's name, or by its name and the field's.
        ("include=owner.things", owner(vec![include("things", Edge::Reverse(OWNER), "things", vec![])])),
        ("include=owner.people", owner(vec![include("people", Edge::Reverse(4), "people", vec![])])),
        ("include=owner.things!owner", owner(vec![include("things!owner", Edge::Reverse(OWNER), "things", vec![])])),
        (
            "include=owner.things,owner.things!owner.owner",
            owner(vec![include("things", Edge::Reverse(OWNER), "things", owner(vec![]))]),
        ),
        ("include=owner", owner(vec![])),
        ("include=owner.boss.boss", owner(vec![boss(vec![boss(vec![])])])),
        ("include=owner.boss,owner", owner(vec![boss(vec![])])),
    ] {
        assert_eq!(asked(raw).unwrap().include, tree, "{raw}");
    }
}

#[test]
fn filters() {
    for (raw, filter) in [
        ("title=a%2Cb", test(TITLE, Op::Eq, vec![text("a,b")])),
        ("title__in=a%2Cb,c\\,d", test(TITLE, Op::In, vec![text("a"), text("b"), text("c,d")])),
        ("title__in=a&title__in=b", test(TITLE, Op::In, vec![text("a"), text("b")])),
        ("title=", test(TITLE, Op::Eq, vec![text("")])),
        ("rank__gte=-3", test(RANK, Op::Gte, vec![Value::Integer(-3)])),
        ("price=1.5", test(9, Op::Eq, vec![Value::Decimal(150)])),
        ("tags__has=x,y", test(TAGS, Op::Has, vec![text("x,y")])),
        ("extra__isnull=false", test(11, Op::Isnull, vec![Value::Boolean(false)])),
        ("limit__eq=7&limit=1", test(LIMIT, Op::Eq, vec![Value::Integer(7)])),
        (
            "rank__gt=1&title=x",
            Filter::And(vec![test(RANK, Op::Gt, vec![Value::Integer(1)]), test(TITLE, Op::Eq, vec![text("x")])]),
        ),
    ] {
        assert_eq!(asked(raw).unwrap().filter, Some(filter), "{raw}");
    }
}

#[test]
fn every_mistake_has_its_place_and_its_rule() {
    let many = format!("rank__in={}", vec!["1"; 101].join(","));
    let paths = format!("include={}", ["owner"; 11].join(","));
    let edges = "include=owner.boss.boss,owner.boss.people,owner.boss.things,owner.things.owner,owner.people.boss,\
        owner.people.people,owner.people.things,owner.boss.things!owner";
    for (raw, path, code) in [
        ("sort=", "?sort", "unknown_field"),
        ("sort=nope", "?sort", "unknown_field"),
        ("sort=hidden", "?sort", "unknown_field"),
        ("sort=tags", "?sort", "not_sortable"),
        ("sort=extra", "?sort", "not_sortable"),
        ("sort=rank,-rank", "?sort", "given_twice"),
        ("sort=rank&sort=title", "?sort", "given_twice"),
        ("limit=0", "?limit", "out_of_range"),
        ("limit=201", "?limit", "out_of_range"),
        ("limit=+1", "?limit", "out_of_range"),
        ("limit=1.0", "?limit", "out_of_range"),
        ("limit=99999999999", "?limit", "out_of_range"),
        ("offset=10001", "?offset", "out_of_range"),
        ("offset=-1", "?offset", "out_of_range"),
        ("count=true", "?count", "invalid"),
        ("fields=title,", "?fields", "unknown_field"),
        ("fields=title,title", "?fields", "given_twice"),
        ("fields=hidden", "?fields", "unknown_field"),
        ("include=title", "?include", "not_a_reference"),
        ("include=owner.nope", "?include", "unknown_field"),
        ("include=things", "?include", "unknown_field"),
        ("include=owner.things!rank", "?include", "unknown_field"),
        ("include=owner.!owner", "?include", "unknown_field"),
        (edges, "?include", "too_many"),
        ("include=owner.boss.boss.boss", "?include", "too_deep"),
        ("include=owner,owner", "?include", "given_twice"),
        (&paths, "?include", "too_many"),
        ("nope=1", "?nope", "unknown_parameter"),
        ("hidden=1", "?hidden", "unknown_parameter"),
        ("=1", "?", "unknown_parameter"),
        ("q=x", "?q", "unknown_parameter"),
        ("sort=relevance", "?sort", "unknown_field"),
        ("title__has=x", "?title__has", "unknown_operator"),
        ("title__like=x", "?title__like", "unknown_operator"),
        ("rank__contains=1", "?rank__contains", "unknown_operator"),
        ("extra=1", "?extra", "unknown_operator"),
        ("owner__gt=1", "?owner__gt", "unknown_operator"),
        ("rank__isnull=1", "?rank__isnull", "invalid"),
        ("rank=a", "?rank", "wrong_type"),
        ("rank__in=1,", "?rank__in", "wrong_type"),
        ("rank=1&rank__eq=2", "?rank__eq", "given_twice"),
        (&many, "?rank__in", "too_many"),
        ("cursor=!", "?cursor", "invalid_cursor"),
        ("cursor=", "?cursor", "invalid_cursor"),
        ("cursor=W10", "?cursor", "invalid_cursor"),
        ("cursor=WzFd", "?cursor", "invalid_cursor"),
    ] {
        let problems = asked(raw).unwrap_err();
        let first: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.code)).collect();
        assert_eq!(first, [(path, code)], "{raw}: {problems:?}");
    }
    assert_eq!(asked("limit=0&sort=nope&titel=x&rank=a").unwrap_err().len(), 4);
    let hint = asked("titel=x").unwrap_err()[0].hint.clone();
    assert_eq!(hint.as_deref(), Some("did you mean `title`?"));
    let hint = asked("title__contain=x").unwrap_err()[0].hint.clone();
    assert_eq!(hint.as_deref(), Some("did you mean `contains`?"));
}

#[test]
fn a_cursor_holds_for_its_list_alone() {
    let schema = schema();
    let things = schema.get("things").unwrap();
    let (query, id) = (asked("sort=-rank&title=x&limit=5").unwrap(), uuid::Uuid::from_u128(7));
    for rank in [Value::Null, Value::Integer(-3)] {
        let after = vec![rank, Value::Uuid(id)];
        let text = cursor::encode(things, &query.sort, query.fingerprint, &after);
        // Neither the size of the page nor what is answered of a record changes the list.
        for raw in ["sort=-rank&title=x", "title=x&sort=-rank&limit=9&fields=rank&count=exact&include=owner"] {
            assert_eq!(asked(&format!("{raw}&cursor={text}")).unwrap().after.as_ref(), Some(&after), "{raw}");
        }
        for raw in ["sort=rank&title=x", "sort=-rank", "sort=-rank&title=y", "sort=-rank,title&title=x", "title=x"] {
            let problems = asked(&format!("{raw}&cursor={text}")).unwrap_err();
            assert_eq!(problems[0].code, "invalid_cursor", "{raw}");
        }
        let problems = asked(&format!("sort=-rank&title=x&offset=0&cursor={text}")).unwrap_err();
        assert_eq!(problems[0].code, "conflicting_parameters");
    }
}

#[test]
fn a_single_read_takes_fields_and_include_alone() {
    let schema = schema();
    let read = |raw: &str| {
        let collection = schema.get("things").unwrap();
        get(raw, Context { collection, schema: &schema, visible: &|_, _| true, page: LIMITS })
    };
    let query = read("fields=title&include=owner").unwrap();
    assert_eq!((query.fields, query.include.len()), (Some(vec![TITLE]), 1));
    for raw in ["limit=1", "title=x", "cursor=x", "nope"] {
        assert_eq!(read(raw).unwrap_err()[0].code, "unknown_parameter", "{raw}");
    }
    assert!(none("").is_ok());
    assert_eq!(none("fields=title").unwrap_err()[0].path, "?fields");
}

#[test]
fn bulk_changes_take_filters_and_a_bound() {
    let schema = schema();
    let visible = |collection: &Collection, field: usize| collection.fields[field].name.as_str() != "hidden";
    let asked = |raw: &str| {
        let context =
            Context { collection: schema.get("things").unwrap(), schema: &schema, visible: &visible, page: LIMITS };
        bulk::parse(raw, context)
    };
    let found = asked("max_affected=3&title=x").unwrap();
    assert_eq!((found.max_affected, found.filter), (3, Some(test(TITLE, Op::Eq, vec![text("x")]))));
    assert_eq!(asked("max_affected=10000").unwrap().filter, None);
    for (raw, path, code) in [
        ("", "?max_affected", "required"),
        ("max_affected=0", "?max_affected", "out_of_range"),
        ("max_affected=10001", "?max_affected", "out_of_range"),
        ("max_affected=%2B1", "?max_affected", "out_of_range"),
        ("max_affected=1&max_affected=1", "?max_affected", "given_twice"),
        ("max_affected=1&limit=1", "?limit", "unknown_parameter"),
        ("max_affected=1&hidden=1", "?hidden", "unknown_parameter"),
        ("max_affected=1&nope=1", "?nope", "unknown_parameter"),
    ] {
        let problems = asked(raw).unwrap_err();
        assert_eq!((problems[0].path.as_str(), problems[0].code), (path, code), "{raw}");
    }
}

/// Notes whose words are asked for, with a field that is called like the parameter.
fn of_words<T>(ask: impl Fn(Context<'_>) -> T) -> T {
    let spec = json!({
        "fields": [{ "name": "title", "type": "text" }, { "name": "q", "type": "text" }],
        "search": { "text": ["title"], "language": "english" },
    });
    let metadata = json!({ "name": "notes" });
    let notes =
        json!({ "apiVersion": "mainstay.dev/v1alpha1", "kind": "Collection", "metadata": metadata, "spec": spec });
    let schema = check(&[Document(notes)]).unwrap();
    let context =
        Context { collection: schema.get("notes").unwrap(), schema: &schema, visible: &|_, _| true, page: LIMITS };
    ask(context)
}

#[test]
fn words_are_asked_for_beside_filters_and_sorted_by_relevance() {
    let asked = |raw: &str| of_words(|context| list(raw, context));
    let q = |text: &str| {
        let language = mainstay_crds::words::Language::from_name("english").unwrap();
        Filter::Words(mainstay_crds::words::query::parse(text, language, &mut Problems::new()).unwrap())
    };
    assert_eq!(asked("q=rain").unwrap().filter, Some(q("rain")));
    let both = Filter::And(vec![test(5, Op::Eq, vec![text("x")]), q("rain -tree")]);
    assert_eq!(asked("q=rain+-tree&q__eq=x").unwrap().filter, Some(both));
    let ranked = asked("q=rain&sort=relevance&offset=3").unwrap();
    assert_eq!((ranked.relevance, ranked.sort, ranked.offset), (true, vec![key(ID, false)], Some(3)));
    assert_ne!(asked("q=rain").unwrap().fingerprint, asked("q=tree").unwrap().fingerprint);
    for (raw, path, code) in [
        ("q=", "?q", "required"),
        ("q=-x", "?q", "required"),
        ("q=a&q=b", "?q", "given_twice"),
        ("sort=relevance", "?sort", "required"),
        ("q=a&sort=-relevance", "?sort", "not_sortable"),
        ("q=a&sort=title,relevance", "?sort", "not_sortable"),
        ("q=a&sort=relevance&cursor=W10", "?cursor", "conflicting_parameters"),
    ] {
        let problems = asked(raw).unwrap_err();
        let found: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.code)).collect();
        assert_eq!(found, [(path, code)], "{raw}");
    }
    // What a search asks for is what a list asks for.
    let body = json!({ "q": "rain", "sort": ["relevance"], "offset": 3 });
    let searched = of_words(|context| search(&body, context)).unwrap();
    assert_eq!(
        ListQuery { fingerprint: 0, ..searched },
        ListQuery { fingerprint: 0, ..asked("q=rain&sort=relevance&offset=3").unwrap() }
    );
    for (body, path) in
        [(json!({ "q": 7 }), "/q"), (json!({ "q": "" }), "/q"), (json!({ "sort": ["relevance"] }), "/sort")]
    {
        assert_eq!(of_words(|context| search(&body, context)).unwrap_err()[0].path, path, "{body}");
    }
    let fingerprint = |q: &str| of_words(|context| search(&json!({ "q": q }), context)).unwrap().fingerprint;
    assert_ne!(fingerprint("rain"), fingerprint("tree"));
}

fn searched(body: &serde_json::Value) -> Result<ListQuery, Vec<Problem>> {
    let schema = schema();
    let visible = |collection: &Collection, field: usize| collection.fields[field].name.as_str() != "hidden";
    search(
        body,
        Context { collection: schema.get("things").unwrap(), schema: &schema, visible: &visible, page: LIMITS },
    )
}

#[test]
fn a_search_asks_for_what_a_list_asks_for() {
    for (raw, body) in [
        ("", json!({})),
        ("sort=-rank,title&limit=5&offset=7", json!({ "sort": ["-rank", "title"], "limit": 5, "offset": 7 })),
        ("limit=5", json!({ "limit": 5.0 })),
        ("fields=rank,id&count=exact", json!({ "fields": ["rank", "id"], "count": "exact" })),
        ("include=owner.things", json!({ "include": ["owner.things"] })),
        ("rank__gt=1", json!({ "where": { "rank": { "gt": 1 } } })),
        ("price=1.5", json!({ "where": { "price": "1.5" } })),
    ] {
        let (list, search) = (asked(raw).unwrap(), searched(&body).unwrap());
        assert_eq!(ListQuery { fingerprint: 0, ..search }, ListQuery { fingerprint: 0, ..list }, "{raw} and {body}");
    }
    // Nothing but the tree is asked for by the empty one.
    assert_eq!(searched(&json!({ "where": {} })).unwrap().filter, Some(Filter::And(vec![])));
}

#[test]
fn a_cursor_of_a_search_holds_for_its_tree_alone() {
    let schema = schema();
    let things = schema.get("things").unwrap();
    let query = searched(&json!({ "where": { "rank": 1, "title": "x" }, "sort": ["-rank"] })).unwrap();
    let after = vec![Value::Integer(1), Value::Uuid(uuid::Uuid::from_u128(7))];
    let cursor = cursor::encode(things, &query.sort, query.fingerprint, &after);
    let with =
        |tree: serde_json::Value, sort: &str| searched(&json!({ "where": tree, "sort": [sort], "cursor": cursor }));
    assert_eq!(with(json!({ "title": "x", "rank": 1.0 }), "-rank").unwrap().after, Some(after), "written otherwise");
    for (tree, sort) in [
        (json!({ "rank": 1 }), "-rank"),
        (json!({ "rank": 1, "title": "y" }), "-rank"),
        (json!({ "rank": 1, "title": "x" }), "rank"),
    ] {
        assert_eq!(with(tree, sort).unwrap_err()[0].code, "invalid_cursor");
    }
    assert_eq!(asked(&format!("sort=-rank&cursor={cursor}")).unwrap_err()[0].code, "invalid_cursor");
}

#[test]
fn a_search_names_every_mistake() {
    for (body, path, code) in [
        (json!([]), "", "wrong_type"),
        (json!({ "wher": {} }), "/wher", "unknown_key"),
        (json!({ "where": { "hidden": "x" } }), "/where/hidden", "unknown_field"),
        (json!({ "where": { "owner": { "bos": 1 } } }), "/where/owner/bos", "unknown_field"),
        (json!({ "sort": [] }), "/sort", "wrong_type"),
        (json!({ "sort": "rank" }), "/sort", "wrong_type"),
        (json!({ "sort": ["rank", 1] }), "/sort", "wrong_type"),
        (json!({ "sort": ["rank", "-rank"] }), "/sort", "given_twice"),
        (json!({ "fields": ["hidden"] }), "/fields", "unknown_field"),
        (json!({ "include": ["owner", "owner"] }), "/include", "given_twice"),
        (json!({ "limit": "5" }), "/limit", "wrong_type"),
        (json!({ "limit": 201 }), "/limit", "out_of_range"),
        (json!({ "limit": 1e300 }), "/limit", "out_of_range"),
        (json!({ "offset": -1 }), "/offset", "out_of_range"),
        (json!({ "count": true }), "/count", "wrong_type"),
        (json!({ "cursor": "W10" }), "/cursor", "invalid_cursor"),
    ] {
        let problems = searched(&body).unwrap_err();
        let found: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.code)).collect();
        assert_eq!(found, [(path, code)], "{body}");
    }
}
