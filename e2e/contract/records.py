"""Writes a few records that refer to each other, so that the requests of schemathesis find something. Called by
schemathesis.sh with the address of the API; the ids are those of schemathesis.toml."""

import os
import sys

import requests

FIRST, SECOND, THIRD = (f"0190b5a3-8d2e-7c4f-9a1b-2c3d4e5f607{n}" for n in (1, 2, 3))
RECORDS = {
    "users": {
        FIRST: {"email": "ann@example.org", "name": "Ann"},
        SECOND: {"email": "bob@example.org", "name": "Bob"},
        THIRD: {"email": "cy@example.org", "name": "Cy"},
    },
    "markets": {
        FIRST: {"title": "Will it rain in Lisbon on Sunday?", "slug": "rain-in-lisbon", "creator": FIRST},
        SECOND: {"title": "Will it snow?", "slug": "snow", "creator": SECOND, "status": "draft"},
    },
    "accounts": {
        FIRST: {"owner": FIRST, "currency": "EUR", "balance": "100.00"},
        SECOND: {"owner": SECOND, "currency": "EUR"},
        THIRD: {"owner": THIRD, "currency": "USD"},
    },
    "positions": {FIRST: {"market": FIRST, "holder": FIRST, "side": "yes", "shares": "1", "average_price": "0.5"}},
    "transfers": {FIRST: {"from": FIRST, "to": SECOND, "amount": "1.00", "market": FIRST}},
    "countries": {
        FIRST: {"alpha_2": "PT", "alpha_3": "PRT", "numeric": "620", "name": "Portugal", "flag": "🇵🇹"},
        SECOND: {"alpha_2": "ES", "alpha_3": "ESP", "numeric": "724", "name": "Spain", "flag": "🇪🇸"},
    },
    "subdivisions": {
        FIRST: {"country": FIRST, "code": "PT-11", "name": "Lisboa", "type": "District"},
        SECOND: {"country": SECOND, "code": "ES-MD", "name": "Madrid", "type": "Community"},
        THIRD: {"country": SECOND, "parent": SECOND, "code": "ES-M", "name": "Madrid", "type": "Province"},
    },
    "languages": {FIRST: {"alpha_3": "por", "name": "Portuguese", "scope": "I", "type": "L"}},
    "currencies": {FIRST: {"alpha_3": "EUR", "numeric": "978", "name": "Euro"}},
}

api = requests.Session()
api.headers["X-API-Key"] = os.environ["E2E_KEY"]
served = api.get(f"{sys.argv[1]}/openapi.json").json()["paths"]
for collection in (name for name in RECORDS if f"/api/v1/{name}" in served):
    for id, record in RECORDS[collection].items():
        answer = api.put(f"{sys.argv[1]}/api/v1/{collection}/{id}", json=record)
        if answer.status_code != 201:
            sys.exit(f"{collection}/{id}: {answer.status_code} {answer.text}")
