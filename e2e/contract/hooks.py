"""What a JSON Schema cannot say, told to schemathesis. Loaded by schemathesis.sh.

Two kinds: requests are kept to rules that the document states in words, and a refusal is excused where only the database
can tell, when its status and each of its details say exactly that. Everything else that the schema allows has to be
accepted. Why it is so: docs/decisions/0004-openapi-shapes.md.
"""

import uuid

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import RejectedPositiveData, UseAfterFree

LONGEST_URL = 8 * 1024  # the default of --limits-url
PRECONDITIONS = ("If-Match", "If-None-Match")
SIGN_IN = "/api/v1/auth/"

# Lines of any kind travel as the text that they are.
schemathesis.serializer.alias(["application/x-ndjson", "text/csv"], "text/plain")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keeps requests that are to be accepted to what the document says in words."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    # The server alone can make a cursor. A sort has each field once, whatever the direction.
    query = dict(case.query or {})
    query.pop("cursor", None)
    # Three paths follow ten references at most, however long they are.
    if "include" in query:
        paths = query["include"].split(",") if isinstance(query["include"], str) else query["include"]
        query["include"] = ",".join(paths[:3])
    # An aggregate asks for something.
    if case.path.endswith("/aggregate"):
        query.setdefault("count", "true")
        case.query = query
    if "sort" in query:
        keys = query["sort"].split(",") if isinstance(query["sort"], str) else query["sort"]
        query["sort"] = ",".join({key.removeprefix("-"): key for key in keys}.values())
    # A search by words has a word in it; its relevance is the whole order, and needs it.
    if "q" in query:
        query["q"] = "rain"
    if "relevance" in query.get("sort", "").split(","):
        query.update(sort="relevance", q="rain")
    # All lines or none, and leaving some out, exclude each other.
    if query.get("on_error") == "skip":
        query.pop("atomic", None)
    if case.query:
        case.query = query
    case.body = sayable(case)
    # schemathesis writes headers in letters and digits alone where it covers combinations, whatever their pattern is.
    for name in PRECONDITIONS:
        if '"' not in (case.headers or {}).get(name, '"'):
            case.headers[name] = "*"
    # A key that was used before would answer for another request.
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex


def sayable(case):
    """The body without what depends on the collection's fields or on each other: filter trees, operations of a patch."""
    body = case.body
    # Only token buckets have a burst.
    if case.path == "/api/v1/keys" and isinstance(body, dict) and "algorithm" in body.get("rate_limit", {}):
        return {**body, "rate_limit": {**body["rate_limit"], "algorithm": "tokenBucket"}}
    if case.media_type == "application/json-patch+json" and isinstance(body, list):
        return []
    if not case.path.endswith("/search") or not isinstance(body, dict):
        return body
    body = {name: value for name, value in body.items() if name != "cursor"}
    if "where" in body:
        body["where"] = {"version": {"gte": 1}}
    if "sort" in body:
        body["sort"] = list({key.removeprefix("-"): key for key in body["sort"]}.values())
    if "q" in body:
        body["q"] = "rain"
    if "relevance" in body.get("sort", []):
        body.update(sort=["relevance"], q="rain")
    if "include" in body:
        body["include"] = body["include"][:3]
    return body


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether a failure counts."""
    # The past of a record outlives it, for admin, whose key the requests bear. A revoked API key stays listed.
    if isinstance(failure, UseAfterFree):
        return not case.path.endswith("/history") and not case.path.startswith("/api/v1/keys")
    if not isinstance(failure, (RejectedPositiveData, AcceptedNegativeData)):
        return True
    # Who guesses passwords waits.
    if response.status_code == 429 and case.path.startswith(SIGN_IN):
        return False
    # Parameters that are short enough each make a URL that is longer than the server takes.
    if response.status_code == 414:
        return len(response.request.path_url) <= LONGEST_URL
    if isinstance(failure, RejectedPositiveData):
        return not only_the_database_knew(case, response)
    # Whatever the lines of an import hold is told in its report.
    if response.status_code == 200 and case.path.endswith("/import"):
        return not case.meta.is_negative_at(ParameterLocation.BODY)
    # A precondition that does not hold comes before the rules of the body (RFC 9110, section 13.2.1). What it says
    # has to be well-formed.
    wrong_header = case.meta.is_negative_at(ParameterLocation.HEADER)
    return response.status_code != 412 or wrong_header or not asks_a_precondition(case)


def asks_a_precondition(case):
    return any(name in (case.headers or {}) for name in PRECONDITIONS)


def only_the_database_knew(case, response):
    method = case.method.upper()
    # An operation of a batch takes other members by its `op`, and the fields of its collection: both are told in words.
    if case.path == "/api/v1/batch":
        return response.status_code in (400, 404, 409, 412, 422)
    # Whether a precondition holds is what the request asks.
    if response.status_code == 412:
        return asks_a_precondition(case)
    # A reference to nothing, a broken check; a delete breaks one through `onDelete: setNull`.
    if response.status_code == 422:
        return method in ("POST", "PUT", "PATCH", "DELETE") or case.path.endswith("/aggregate")
    if response.status_code != 400:
        return False
    details = response.json()["details"]
    # Which passwords are tried first, and how long one is in its one form (NFC), is told in words.
    if case.path.startswith(SIGN_IN):
        return all(detail["code"] in ("not_allowed", "too_short", "too_long") for detail in details)
    # An upsert needs its key, and changes a record whose set fields may only be repeated.
    upserts = method == "POST" and "on_conflict" in (case.query or {})
    codes = ("required", "immutable", "read_only") if upserts else ()
    return bool(details) and all(
        detail["code"] in codes or excused(method, case.body, detail) for detail in details
    )


def excused(method, body, detail):
    path = detail["path"].split("/")[1:]
    if isinstance(body, list):
        path = path[1:]
    match detail["code"]:
        # The id is new, so that PUT creates; of a stored record it keeps an absent immutable or write-only field.
        case "required":
            return method == "PUT" and len(path) == 1 and path[0] not in body
        # The stored record has another value.
        case "immutable":
            return method in ("PUT", "PATCH") and len(path) == 1 and path[0] in body
        # Written within the years that the pattern allows, but with an offset that leads out of them in UTC.
        case "out_of_range":
            return detail["message"] == "years are 0001 to 9999, in UTC"
        # Deep inside a `json` value, whose schema is the owner's own.
        case "integer_out_of_range":
            return len(path) > 1
    return False
