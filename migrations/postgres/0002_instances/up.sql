-- Oldest server that it still serves: 0.1.0.

-- What each system migration demands, so that a server which is older than the migrations knows whether it may run.
CREATE TABLE mainstay_system (
  migration text NOT NULL PRIMARY KEY,
  oldest_server text NOT NULL
);
INSERT INTO mainstay_system (migration, oldest_server) VALUES ('0001_system', '0.1.0'), ('0002_instances', '0.1.0');

-- Running servers: each writes its row at its start and every few seconds, and takes it away at a clean stop.
CREATE TABLE mainstay_instances (
  instance text NOT NULL PRIMARY KEY,
  -- Of the schema that it serves.
  revision bigint NOT NULL,
  version text NOT NULL,
  -- By the database's own clock.
  seen_at timestamptz NOT NULL
);

-- Whose database this is: one row, or none.
CREATE TABLE mainstay_owner (
  position bigint NOT NULL PRIMARY KEY CHECK (position = 1),
  owner text NOT NULL,
  claimed_at timestamptz NOT NULL
);
