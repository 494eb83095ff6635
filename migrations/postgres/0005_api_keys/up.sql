-- Oldest server that it still serves: 0.1.0.

-- API keys that were made while the server ran, never in the clear. Revoked and ended ones stay, to be told apart.
CREATE TABLE mainstay_api_keys (
  id uuid NOT NULL PRIMARY KEY,
  -- The id of the first of the keys that followed each other by rotation: they are one caller.
  machine uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  -- SHA-256 of the key.
  hash bytea NOT NULL UNIQUE,
  -- Its first characters, by which people recognise it.
  prefix text COLLATE "C" NOT NULL,
  -- A list of names.
  roles json NOT NULL,
  -- As on an ApiKey; absent when the key has none of its own.
  rate_limit json,
  created_at timestamptz NOT NULL,
  created_by text COLLATE "C" NOT NULL,
  -- In microseconds: what a rotation gives to the next key. Absent: without end.
  lives_for bigint,
  expires_at timestamptz,
  revoked_at timestamptz,
  -- Written once a minute at most.
  last_used_at timestamptz,
  -- The key that this one was made in place of.
  replaces uuid
);
CREATE INDEX mainstay_api_keys_replaces ON mainstay_api_keys (replaces);
INSERT INTO mainstay_system (migration, oldest_server) VALUES ('0005_api_keys', '0.1.0');
