-- Oldest server that it still serves: 0.1.0.

-- API keys that were made while the server ran, never in the clear. Revoked and ended ones stay, to be told apart.
CREATE TABLE mainstay_api_keys (
  id TEXT NOT NULL PRIMARY KEY,
  -- The id of the first of the keys that followed each other by rotation: they are one caller.
  machine TEXT NOT NULL,
  name TEXT NOT NULL,
  -- SHA-256 of the key.
  hash BLOB NOT NULL UNIQUE,
  -- Its first characters, by which people recognise it.
  prefix TEXT NOT NULL,
  -- A list of names.
  roles TEXT NOT NULL,
  -- As on an ApiKey; absent when the key has none of its own.
  rate_limit TEXT,
  created_at TEXT NOT NULL,
  created_by TEXT NOT NULL,
  -- In microseconds: what a rotation gives to the next key. Absent: without end.
  lives_for INTEGER,
  expires_at TEXT,
  revoked_at TEXT,
  -- Written once a minute at most.
  last_used_at TEXT,
  -- The key that this one was made in place of.
  replaces TEXT
) STRICT;
CREATE INDEX mainstay_api_keys_replaces ON mainstay_api_keys (replaces);
INSERT INTO mainstay_system (migration, oldest_server) VALUES ('0005_api_keys', '0.1.0');
