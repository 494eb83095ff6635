//! Precedence, forms, masking, and the agreement of the table with the Backend resource.

use std::io::Write;
use std::path::PathBuf;

use mainstay_crds::backend::ServerConfig;
use serde_json::json;

use super::parameter::Parameter;
use super::*;
use crate::documents;
use crate::service::keys::hash;

fn environment(variables: &[(&str, &str)]) -> Environment {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment { variables: owned.collect(), terminal: false }
}

fn backend(config: &str) -> Document {
    let text = format!(
        "apiVersion: mainstay.dev/v1alpha1\nkind: Backend\nmetadata: {{ name: demo }}\nspec:\n  config: {config}\n"
    );
    documents::load(&[PathBuf::from("-")], text.as_bytes()).unwrap().backend.unwrap()
}

fn flags(given: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
    given.iter().map(|(path, text)| (*path, (*text).to_owned())).collect()
}

fn problems(given: &[(&'static str, &str)], variables: &[(&str, &str)], document: Option<&Document>) -> Vec<String> {
    resolve(&flags(given), &environment(variables), document).unwrap_err()
}

#[test]
fn a_flag_beats_the_environment_beats_the_document_beats_the_default() {
    let document = backend("{ limits: { body: 3MiB } }");
    let variable: &[_] = &[("MAINSTAY_LIMITS_BODY", "2MiB")];
    for (typed, variables, document, expected, origin) in [
        (Some("1KiB"), variable, Some(&document), 1 << 10, Origin::Flag),
        (None, variable, Some(&document), 2 << 20, Origin::Environment),
        (None, &[][..], Some(&document), 3 << 20, Origin::Document),
        (None, &[][..], None, 1 << 20, Origin::Default),
    ] {
        let typed = typed.map(|text| [("limits.body", text)]);
        let resolved =
            resolve(&flags(typed.as_ref().map_or(&[][..], |t| t)), &environment(variables), document).unwrap();
        assert_eq!(resolved.settings.limits.body, Size(expected));
        let position = TABLE.iter().position(|row| row.path == "limits.body").unwrap();
        assert_eq!(resolved.origins[position], origin);
    }
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    let document = backend("{ limits: { depth: 999, bodyy: 1KiB }, timeouts: { request: soon } }");
    let found = problems(&[("listen", "here")], &[("MAINSTAY_MIGRATE", "never")], Some(&document));
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(found[0].starts_with("-:5: /spec/config/limits/bodyy: "), "{found:#?}");
    assert_eq!(found[1], "-:5: /spec/config/limits/depth: this is a whole number from 1 to 128");
    assert_eq!(
        found[2..],
        [
            "--listen: `here` is not an address with a port: write it as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080",
            "MAINSTAY_MIGRATE: `never` is none of auto, verify",
            "-:5: /spec/config/timeouts/request: `soon` is not a duration: write it as 250ms, 5s, 2m or 1h",
        ]
    );
}

#[test]
fn relations_between_settings_are_checked() {
    for (given, expected) in [
        (&[("limits.page.default", "300")][..], "--limits-page-default is larger than --limits-page-max"),
        (&[("limits.depth", "0")], "--limits-depth is 1 to 128"),
        (&[("database.pool.size", "0")], "--database-pool-size is 1 to 1000"),
        (&[("timeouts.request", "0s")], "--timeouts-request is more than 0s"),
    ] {
        assert_eq!(problems(given, &[], None), [expected]);
    }
    let direct = problems(&[("database.directUrl", "postgres://h/d")], &[], None);
    assert!(direct[0].starts_with("--database-direct-url is for PostgreSQL"), "{direct:?}");
}

#[test]
fn durations_have_units_and_bounds() {
    let read = |text: &str| {
        let mut duration = Duration::ZERO;
        duration.parse(&Raw::Text(text.to_owned())).map(|()| duration)
    };
    for (text, millis, shown) in [
        ("250ms", 250, "250ms"),
        ("5s", 5000, "5s"),
        ("2m", 120_000, "2m"),
        ("1h", 3_600_000, "1h"),
        ("0s", 0, "0s"),
        ("1500ms", 1500, "1500ms"),
        ("60s", 60_000, "1m"),
    ] {
        let duration = read(text).unwrap();
        assert_eq!((duration, duration.show().as_str()), (Duration::from_millis(millis), shown), "{text}");
    }
    for text in ["", "5", "s", "-1s", "1.5s", "5 s", "5S", "1d", "99999999999h", "18446744073709551616ms"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn sizes_have_units_and_bounds() {
    let read = |text: &str| {
        let mut size = Size(0);
        size.parse(&Raw::Text(text.to_owned())).map(|()| size)
    };
    for (text, bytes, shown) in [
        ("1MiB", 1 << 20, "1MiB"),
        ("64KiB", 64 << 10, "64KiB"),
        ("10MB", 10_000_000, "10000000"),
        ("1024", 1024, "1KiB"),
        ("7B", 7, "7"),
    ] {
        let size = read(text).unwrap();
        assert_eq!((size.0, size.show().as_str()), (bytes, shown), "{text}");
    }
    for text in ["", "MiB", "-1", "1.5MiB", "1mib", "1 MiB", "99999999999999999999", "9999999999999GiB"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn origins_of_browsers_come_as_text_or_as_a_list() {
    let document = backend("{ cors: { allowedOrigins: [https://a.example, http://b.example:81] } }");
    let from_document = resolve(&flags(&[]), &environment(&[]), Some(&document)).unwrap();
    let typed = [("cors.allowedOrigins", "https://a.example, http://b.example:81")];
    let from_flag = resolve(&flags(&typed), &environment(&[]), None).unwrap();
    assert_eq!(from_document.settings.cors.allowed_origins, ["https://a.example", "http://b.example:81"]);
    assert_eq!(from_flag.settings.cors.allowed_origins, from_document.settings.cors.allowed_origins);
    for wrong in ["a.example", "https://a.example/", "https://", "ftp://a"] {
        assert_eq!(problems(&[("cors.allowedOrigins", wrong)], &[], None).len(), 1, "{wrong}");
    }
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "s3cret-s3cret-s3cret-s3cret").unwrap();
    let path = file.path().to_str().unwrap();
    let variables = [("MAINSTAY_ADMIN_KEY_FILE", path), ("MAINSTAY_DATABASE_URL", "postgres://ann:s3cret@h/d")];
    let resolved = resolve(&flags(&[]), &environment(&variables), None).unwrap();
    assert_eq!(resolved.settings.admin_key.hashes(), [hash("s3cret-s3cret-s3cret-s3cret")]);
    let shown: String = resolved.rows().map(|(_, value, origin)| format!("{value} {}\n", origin.as_str())).collect();
    assert!(shown.contains("******** file") && shown.contains("postgres://h/d environment"), "{shown}");
    assert!(!format!("{shown}{resolved:?}").contains("s3cret"));
    assert_eq!(resolved.settings.files.get("adminKey"), Some(&PathBuf::from(path)));

    let both = problems(&[], &[("MAINSTAY_ADMIN_KEY", "x"), ("MAINSTAY_ADMIN_KEY_FILE", path)], None);
    assert_eq!(both, ["MAINSTAY_ADMIN_KEY and MAINSTAY_ADMIN_KEY_FILE are both set: unset one of them"]);
    let missing = problems(&[], &[("MAINSTAY_ADMIN_KEY_FILE", "/nowhere/key")], None);
    assert!(missing[0].starts_with("MAINSTAY_ADMIN_KEY_FILE: cannot read `/nowhere/key`"), "{missing:?}");
    let inline = problems(&[], &[("MAINSTAY_API_KEYS", "x")], None);
    assert_eq!(inline, ["MAINSTAY_API_KEYS is not read: give MAINSTAY_API_KEYS_FILE"]);
    let short = problems(&[("adminKey", "tooshort")], &[], None);
    assert!(!short[0].contains("tooshort"), "{short:?}");
}

#[test]
fn policies_are_read_from_documents_and_flags_with_every_problem() {
    let yaml = "[{ name: default, by: ip, limit: 100, window: 1m, burst: 50 }, { name: b, by: key, limit: 1, window: 1h, routes: [write, batch] }]";
    let document = backend(&format!("{{ rateLimits: {yaml} }}"));
    let one = resolve(&flags(&[]), &environment(&[]), Some(&document)).unwrap();
    let two = resolve(&flags(&[("rateLimits", yaml)]), &environment(&[]), None).unwrap();
    assert_eq!(one.settings.rate_limits, two.settings.rate_limits);
    assert_eq!(one.settings.rate_limits.0[0].quota.burst(), 50);
    let shown = one.settings.rate_limits.show();
    let again = resolve(&flags(&[("rateLimits", shown.as_str())]), &environment(&[]), None).unwrap();
    assert_eq!(again.settings.rate_limits.0[1].quota, one.settings.rate_limits.0[1].quota, "{shown}");

    let values = "[{ name: own, by: ip, limit: 1, window: 25h }, { name: A, by: ip, limit: 1, window: 1s, algorithm: fixedWindow, burst: 1 }]";
    let told = [
        "0/name: `own` is what the limit of an ApiKey is called: choose another name",
        "0/window: `25h` is no window: write whole seconds from 1s to 24h, such as 60s",
        "1/name: `A` is no name of a policy: write at most 40 of a-z, 0-9 and -, beginning with a letter",
        "1/burst: `burst` is the size of a token bucket: remove it, or set `algorithm` to tokenBucket",
    ]
    .join("; ");
    assert_eq!(problems(&[("rateLimits", values)], &[], None), [format!("--rate-limits: {told}")]);
    let place = "-:5: /spec/config/rateLimits";
    assert_eq!(
        problems(&[], &[], Some(&backend(&format!("{{ rateLimits: {values} }}")))),
        [format!("{place}: {told}")]
    );

    let structure = "[{ name: a, by: me, limit: 0, window: 1s }, { name: a, by: ip, limit: 1, window: 1s, per: ip }]";
    let found = problems(&[("rateLimits", structure)], &[], None);
    for part in [
        "--rate-limits: ",
        "0/by: `me` is not one of",
        "; 0/limit: ",
        "1: \"a\" stands twice",
        "; 1/per: there is no `per`",
    ] {
        assert!(found[0].contains(part), "{part} in {found:?}");
    }
    let found = problems(&[], &[], Some(&backend(&format!("{{ rateLimits: {structure} }}"))));
    assert_eq!(found.len(), 4, "each is told once: {found:#?}");
    for wrong in ["[", "a", "{}", "[1]"] {
        assert!(problems(&[("rateLimits", wrong)], &[], None)[0].starts_with("--rate-limits: "), "{wrong}");
    }
}

#[test]
fn proxies_and_the_shared_redis_are_checked() {
    let document = backend("{ proxies: { trusted: [10.0.0.0/8, 'fd00::/8'], header: forwarded } }");
    let settings = resolve(&flags(&[]), &environment(&[]), Some(&document)).unwrap().settings;
    assert_eq!(settings.proxies.trusted.show(), "10.0.0.0/8,fd00::/8");
    assert_eq!(settings.proxies.header_name(), "forwarded");
    let found = problems(&[("proxies.trusted", "10.0.0.1/8,192.0.2.1,here"), ("proxies.header", "via")], &[], None);
    assert!(
        found[0].contains("`10.0.0.1/8` has bits beyond /8") && found[0].contains("`here` is no range"),
        "{found:?}"
    );
    assert_eq!(found[1], "--proxies-header: `via` is none of xForwardedFor, forwarded");

    let url = "redis://user:s3cret@cache:6380/2";
    let resolved = resolve(&flags(&[("redis.url", url)]), &environment(&[]), None).unwrap();
    assert_eq!(resolved.settings.redis_url.show(), "********");
    assert!(!format!("{resolved:?}").contains("s3cret"));
    for wrong in ["http://cache", "redis+unix:///s3cret", "rediss://:s3cret@cache/x/#insecure", "s3cret"] {
        let found = problems(&[("redis.url", wrong)], &[], None);
        assert!(found[0].contains("redis://") && !found[0].contains("s3cret"), "{wrong}: {found:?}");
    }
}

#[test]
fn a_mistyped_variable_is_told_and_those_of_kubernetes_are_not() {
    let variables = [("MAINSTAY_LIMIT_BODY", "1"), ("MAINSTAY_SERVICE_HOST", "10.0.0.1")];
    let resolved = resolve(&flags(&[]), &environment(&variables), None).unwrap();
    assert_eq!(resolved.warnings, ["MAINSTAY_LIMIT_BODY is no setting: did you mean `MAINSTAY_LIMITS_BODY`?"]);
}

#[test]
fn logs_are_text_on_a_terminal() {
    for (terminal, expected) in [(true, LogFormat::Text), (false, LogFormat::Json)] {
        let environment = Environment { terminal, ..Environment::default() };
        assert_eq!(resolve(&flags(&[]), &environment, None).unwrap().settings.log_format, expected);
    }
}

#[test]
fn flags_and_variables_follow_from_paths() {
    let row = TABLE.iter().find(|row| row.path == "cors.allowedOrigins").unwrap();
    assert_eq!(
        (row.flag().as_str(), row.variable().as_str()),
        ("cors-allowed-origins", "MAINSTAY_CORS_ALLOWED_ORIGINS")
    );
}

/// Every setting of the resource has a row, and every row that a document may hold is in the resource.
#[test]
fn the_table_and_the_backend_resource_agree() {
    let schema = serde_json::to_value(schemars_of_config()).unwrap();
    let mut paths = Vec::new();
    leaves(&schema, &schema, "", &mut paths);
    paths.sort();
    let mut rows: Vec<_> = TABLE.iter().filter(|row| !row.process).map(|row| row.path.to_owned()).collect();
    rows.sort();
    assert_eq!(rows, paths);
}

fn schemars_of_config() -> schemars::Schema {
    schemars::schema_for!(ServerConfig)
}

fn leaves(root: &Json, schema: &Json, path: &str, paths: &mut Vec<String>) {
    let reference = schema.get("$ref").or_else(|| schema.pointer("/anyOf/0/$ref")).and_then(Json::as_str);
    let schema = reference.and_then(|name| root.pointer(name.trim_start_matches('#'))).unwrap_or(schema);
    match schema.get("properties").and_then(Json::as_object) {
        Some(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(root, member, &path, paths);
            }
        }
        None => {
            assert_ne!(schema, &json!(true));
            paths.push(path.to_owned());
        }
    }
}

#[test]
fn traces_go_to_a_base_url_in_a_part_of_all() {
    for url in ["http://collector:4318", "https://otel.example.com/tenant/1/", "http://[::1]:4318", ""] {
        let resolved = resolve(&flags(&[("telemetry.otlpEndpoint", url)]), &environment(&[]), None).unwrap();
        assert_eq!(resolved.settings.telemetry.otlp_endpoint.show(), url);
    }
    for url in
        ["collector:4318", "http://", "http:///x", "http://ann:secret@host", "http://host?token=secret", "http://a b"]
    {
        let found = problems(&[("telemetry.otlpEndpoint", url)], &[], None);
        assert_eq!(found.len(), 1, "{url}");
        assert!(found[0].contains("not the base URL of a collector") && !found[0].contains("secret"), "{found:?}");
    }
    for (text, ratio) in [
        ("0", Some(0.0)),
        ("1", Some(1.0)),
        ("0.01", Some(0.01)),
        ("1.5", None),
        ("-1", None),
        ("1e-3", None),
        ("NaN", None),
        ("", None),
    ] {
        let resolved = resolve(&flags(&[("telemetry.sampleRatio", text)]), &environment(&[]), None);
        assert_eq!(resolved.ok().map(|resolved| resolved.settings.telemetry.sample_ratio.0), ratio, "{text}");
    }
    let document = backend("{ telemetry: { otlpEndpoint: \"http://c:4318\", sampleRatio: \"0.5\" } }");
    let telemetry = resolve(&flags(&[]), &environment(&[]), Some(&document)).unwrap().settings.telemetry;
    assert_eq!((telemetry.otlp_endpoint.show().as_str(), telemetry.sample_ratio.0), ("http://c:4318", 0.5));
}

#[test]
fn what_web_pages_may_do_is_checked_and_certificates_come_with_their_keys() {
    let config = "{ cors: { allowedOrigins: [https://a.example], allowedMethods: [GET, PATCH], allowedHeaders: [X-API-Key], \
        allowCredentials: true, maxAge: 5m }, limits: { headers: 2KiB, connections: 7 } }";
    let settings = resolve(&flags(&[]), &environment(&[]), Some(&backend(config))).unwrap().settings;
    assert_eq!(settings.cors.allowed_methods.0, ["GET", "PATCH"]);
    assert_eq!(settings.cors.allowed_headers.0, ["x-api-key"]);
    assert!(settings.cors.allow_credentials);
    assert_eq!((settings.cors.max_age, settings.limits.headers.0), (Duration::from_secs(300), 2048));
    assert_eq!(settings.limits.connections, 7);
    let typed = [
        ("cors.allowedMethods", "GET,BREW"),
        ("cors.allowedHeaders", "a b"),
        ("cors.allowCredentials", "yes"),
        ("limits.connections", "many"),
    ];
    let found = problems(&typed, &[], None);
    for rule in
        ["`BREW` is none of GET, ", "`a b` is no name of a header", "`yes` is neither true nor false", "`many` is"]
    {
        assert!(found.iter().any(|problem| problem.contains(rule)), "{rule}: {found:#?}");
    }
    let typed = [
        ("cors.allowedOrigins", "*"),
        ("cors.allowCredentials", "true"),
        ("tls.certFile", "tls.crt"),
        ("limits.headers", "1MiB"),
        ("limits.connections", "0"),
    ];
    let found = problems(&typed, &[], None);
    for flag in [
        "--limits-headers is",
        "--limits-connections is",
        "--cors-allow-credentials would",
        "--tls-cert-file and --tls-key-file",
    ] {
        assert!(found.iter().any(|problem| problem.starts_with(flag)), "{flag}: {found:#?}");
    }
    assert_eq!(found.len(), 4, "{found:#?}");
}
