-- Oldest server that it still serves: 0.1.0.

-- What each system migration demands, so that a server which is older than the migrations knows whether it may run.
CREATE TABLE mainstay_system (
  migration TEXT NOT NULL PRIMARY KEY,
  oldest_server TEXT NOT NULL
) STRICT;
INSERT INTO mainstay_system (migration, oldest_server) VALUES ('0001_system', '0.1.0'), ('0002_instances', '0.1.0');

-- Running servers: each writes its row at its start and every few seconds, and takes it away at a clean stop.
CREATE TABLE mainstay_instances (
  instance TEXT NOT NULL PRIMARY KEY,
  -- Of the schema that it serves.
  revision INTEGER NOT NULL,
  version TEXT NOT NULL,
  -- By the database's own clock.
  seen_at TEXT NOT NULL
) STRICT;

-- Whose database this is: one row, or none.
CREATE TABLE mainstay_owner (
  position INTEGER NOT NULL PRIMARY KEY CHECK (position = 1),
  owner TEXT NOT NULL,
  claimed_at TEXT NOT NULL
) STRICT;
