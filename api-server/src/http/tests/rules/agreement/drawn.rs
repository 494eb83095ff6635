//! Random rules, questions and records, of few values, so that they meet.

use proptest::prelude::*;
use proptest::sample::select as one_of;
use proptest::strategy::ValueTree as _;

use super::*;

/// A test of one field; with `rule` also against what is known of the caller and of other fields.
fn leaf(rule: bool) -> BoxedStrategy<Json> {
    let comparison = || one_of(vec!["eq", "ne", "gt", "gte", "lt", "lte"]);
    let states = |count: usize| ["a", "b", "c"].into_iter().take(count).collect::<Vec<_>>();
    let text = one_of(vec!["", "red", "Rain", "rain tree", "b", "é"]);
    let constants = prop_oneof![
        (one_of(vec!["title", "team"]), one_of(vec!["eq", "ne", "gt", "contains", "icontains", "startswith"]), text)
            .prop_map(|(field, op, text)| json!({ field: { op: text } })),
        (one_of(vec!["n", "m"]), comparison(), -1..3i64).prop_map(|(field, op, n)| json!({ field: { op: n } })),
        (comparison(), one_of(vec!["-1.50", "0.00", "7.25"]))
            .prop_map(|(op, amount)| json!({ "amount": { op: amount } })),
        (comparison(), one_of(vec![-0.5, 0.0, 0.1])).prop_map(|(op, ratio)| json!({ "ratio": { op: ratio } })),
        any::<bool>().prop_map(|flag| json!({ "flag": flag })),
        comparison().prop_map(|op| json!({ "at": { op: "$now" } })),
        (comparison(), one_of(vec!["2024-01-31", "1969-12-31"])).prop_map(|(op, day)| json!({ "day": { op: day } })),
        (0..4usize).prop_map(move |count| json!({ "state": { "in": states(count) } })),
        (0..4usize).prop_map(move |count| json!({ "state": { "nin": states(count) } })),
        (1..4u128).prop_map(|key| json!({ "key": { "ne": id(key) } })),
        one_of(vec!["red", "blue", ""]).prop_map(|team| json!({ "teams": { "has": team } })),
        (one_of(vec!["title", "n", "amount", "at", "teams", "owner", "link"]), any::<bool>())
            .prop_map(|(field, is_null)| json!({ field: { "isnull": is_null } })),
    ];
    if !rule {
        return constants.boxed();
    }
    let known = one_of(vec![
        json!({ "owner": "$auth.id" }),
        json!({ "owner": { "ne": "$auth.id" } }),
        json!({ "team": { "in": "$auth.roles" } }),
        json!({ "state": { "nin": "$auth.roles" } }),
        json!({ "team": "$auth.claims.team" }),
        json!({ "team": { "in": "$auth.claims.teams" } }),
        json!({ "team": { "nin": "$auth.claims.teams" } }),
        json!({ "teams": { "has": "$auth.claims.team" } }),
        json!({ "n": { "gte": "$auth.claims.level" } }),
        json!({ "key": "$auth.claims.key" }),
        json!({ "title": { "nin": "$auth.claims.none" } }),
        json!({ "n": { "gt": "$field.m" } }),
        // What the caller lacks.
        json!({ "team": "$auth.claims.nothing" }),
        json!({ "n": "$auth.claims.team" }),
    ]);
    prop_oneof![3 => constants, 2 => known].boxed()
}

pub fn tree(rule: bool) -> BoxedStrategy<Json> {
    let of_a_link = || {
        prop_oneof![
            (-1..4i64).prop_map(|n| json!({ "n": { "gt": n } })),
            one_of(vec!["x", "y"]).prop_map(|name| json!({ "name": name })),
        ]
    };
    let through = of_a_link().prop_map(|of| json!({ "link": of }));
    let exists = of_a_link().prop_map(|mut of| {
        of["thing"] = json!("$field.id");
        json!({ "exists": { "collection": "links", "where": of } })
    });
    let single = prop_oneof![4 => leaf(rule), 1 => through, 1 => exists];
    let nested = single.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| json!({ "and": all })),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| json!({ "or": all })),
            inner.prop_map(|one| json!({ "not": one })),
        ]
    });
    nested.boxed()
}

/// A member that is there in three of four records.
fn maybe(values: Vec<Json>) -> impl Strategy<Value = Json> {
    prop_oneof![1 => Just(Json::Null), 3 => one_of(values)]
}

pub fn thing() -> impl Strategy<Value = BTreeMap<&'static str, Json>> {
    let members: Vec<(&'static str, Vec<Json>)> = vec![
        ("title", ["rain", "Rain tree", "raining trees", "red", "sun", "é"].map(Json::from).into()),
        ("team", ["red", "blue", "b", ""].map(Json::from).into()),
        ("n", [-1, 0, 1, 2].map(Json::from).into()),
        ("m", [-1, 0, 1].map(Json::from).into()),
        ("amount", ["-1.50", "0.00", "7.25"].map(Json::from).into()),
        ("ratio", [-0.5, 0.0, 0.1].map(Json::from).into()),
        ("flag", [true, false].map(Json::from).into()),
        ("at", ["2024-01-31T12:00:00Z", "1969-12-31T23:59:59.999999Z", "9999-01-01T00:00:00Z"].map(Json::from).into()),
        ("day", ["2024-01-31", "1969-12-31", "2030-01-01"].map(Json::from).into()),
        ("key", (1..4).map(id).map(Json::from).collect()),
        ("state", ["a", "b", "c"].map(Json::from).into()),
        ("teams", vec![json!([]), json!(["red"]), json!(["blue", "red"]), json!([""])]),
        ("owner", vec![json!(id(ME)), json!(id(0xa2))]),
        ("link", (1..=LINKS).map(id).map(Json::from).collect()),
    ];
    members
        .into_iter()
        .map(|(name, values)| maybe(values).prop_map(move |value| (name, value)))
        .collect::<Vec<_>>()
        .prop_map(|members| members.into_iter().collect())
}

pub fn link() -> impl Strategy<Value = Json> {
    let things = (1..=ROWS).map(id).map(Json::from).collect();
    (maybe(vec![json!("x"), json!("y")]), maybe([0, 1, 2, 3].map(Json::from).into()), maybe(things))
        .prop_map(|(name, n, thing)| json!({ "name": name, "n": n, "thing": thing }))
}

/// One of what a strategy makes.
pub fn draw<T>(strategy: &impl Strategy<Value = T>, runner: &mut TestRunner) -> T {
    strategy.new_tree(runner).unwrap().current()
}
