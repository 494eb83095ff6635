-- Oldest server that it still serves: 0.1.0.

-- Earlier versions of records, of collections that keep them: each is written with the change that ended it.
CREATE TABLE mainstay_history (
  collection text COLLATE "C" NOT NULL,
  record uuid NOT NULL,
  -- Counts on, from 1, when an id is used again; `version` begins anew then.
  number bigint NOT NULL,
  -- Tells apart what an id has named, as entity tags do.
  created_at timestamptz NOT NULL,
  version bigint NOT NULL,
  -- What ended it, and when.
  change text COLLATE "C" NOT NULL CHECK (change IN ('update', 'delete')),
  changed_at timestamptz NOT NULL,
  -- Its values as JSON by the columns of their fields, which outlive renames; without those that are never answered.
  fields json NOT NULL,
  PRIMARY KEY (collection, record, number)
);
INSERT INTO mainstay_system (migration, oldest_server) VALUES ('0004_history', '0.1.0');
