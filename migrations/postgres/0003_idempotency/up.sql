-- Oldest server that it still serves: 0.1.0.

-- Answers of writes that bore an `Idempotency-Key`, each written with the effects of its request.
CREATE TABLE mainstay_idempotency (
  -- Whose key it is: keys of two callers have nothing to do with each other.
  caller text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  -- SHA-256 of what was asked for: the same key with another request is refused.
  request bytea NOT NULL,
  -- JSON; absent when it was too large to be kept.
  answer text,
  stored_at timestamptz NOT NULL,
  PRIMARY KEY (caller, key)
);
CREATE INDEX mainstay_idempotency_stored_at ON mainstay_idempotency (stored_at);
INSERT INTO mainstay_system (migration, oldest_server) VALUES ('0003_idempotency', '0.1.0');
