-- Oldest server that it still serves: 0.1.0.

-- Earlier versions of records, of collections that keep them: each is written with the change that ended it.
CREATE TABLE mainstay_history (
  collection TEXT NOT NULL,
  record TEXT NOT NULL,
  -- Counts on, from 1, when an id is used again; `version` begins anew then.
  number INTEGER NOT NULL,
  -- Tells apart what an id has named, as entity tags do.
  created_at TEXT NOT NULL,
  version INTEGER NOT NULL,
  -- What ended it, and when.
  change TEXT NOT NULL CHECK (change IN ('update', 'delete')),
  changed_at TEXT NOT NULL,
  -- Its values as JSON by the columns of their fields, which outlive renames; without those that are never answered.
  fields TEXT NOT NULL,
  PRIMARY KEY (collection, record, number)
) STRICT;
INSERT INTO mainstay_system (migration, oldest_server) VALUES ('0004_history', '0.1.0');
