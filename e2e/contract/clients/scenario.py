"""The scenario of generated clients, in Python: create, walk by cursor, change under If-Match, two refusals, a batch."""

import os

from openapi_client import (
    ApiClient,
    ApiException,
    BatchApi,
    BatchBody,
    BatchOperation,
    Configuration,
    ErrorAnswer,
    MarketCreateBody,
    MarketPatch,
    MarketsApi,
)

client = ApiClient(Configuration(host=os.environ["E2E_SQLITE_URL"], api_key={"apiKey": os.environ["E2E_KEY"]}))
markets = MarketsApi(client)


def refusal(call):
    try:
        call()
    except ApiException as refused:
        told = ErrorAnswer.from_json(refused.body)
        return refused.status, told.code, [(detail.path, detail.code) for detail in told.details]
    raise AssertionError("it was not refused")


for number in range(3):
    body = MarketCreateBody(title=f"Python asks {number}", slug=f"python-{number}", volume="1.5", tags=["py"])
    made = markets.create_market(body).data
    assert made.volume == "1.5000" and made.version == 1 and made.closes_at is None, made

found, cursor = [], None
while True:
    page = markets.list_markets(title__startswith="Python", sort=["-title"], limit=2, cursor=cursor)
    found += [market.slug for market in page.data]
    cursor = page.meta.next_cursor
    if not page.meta.has_more:
        break
assert found == ["python-2", "python-1", "python-0"], found

got = markets.get_market_with_http_info(str(made.id))
etag = got.headers["etag"]
changed = markets.update_market(str(made.id), MarketPatch(status="closed"), if_match=etag)
assert changed.data.status == "closed" and changed.data.version == 2, changed
late = lambda: markets.update_market(str(made.id), MarketPatch(status="open"), if_match=etag)
assert refusal(late) == (412, "PRECONDITION_FAILED", [])
taken = lambda: markets.create_market(MarketCreateBody(title="Python again", slug="python-0"))
assert refusal(taken) == (409, "CONFLICT", [("/slug", "taken")])

first = BatchOperation(op="create", collection="markets", data={"title": "Python in a batch", "slug": "python-3"})
second = BatchOperation(op="update", collection="markets", id="$0.id", data={"status": "closed"})
third = BatchOperation(op="delete", collection="markets", id=str(made.id), version=2)
batch = BatchApi(client)
results = batch.run_batch(BatchBody(operations=[first, second, third])).data.results
assert [result.status for result in results] == [201, 200, 204] and results[1].data["status"] == "closed", results
gone = lambda: batch.run_batch(BatchBody(operations=[third]))
assert refusal(gone) == (412, "PRECONDITION_FAILED", [("/operations/0", "precondition_failed")])
