-- Oldest server that it still serves: 0.1.0.

-- The applied schema, one row a revision; the highest revision is the current one.
CREATE TABLE mainstay_schema (
  revision INTEGER NOT NULL PRIMARY KEY,
  -- The oldest revision whose servers may run beside this one.
  compatible_from INTEGER NOT NULL,
  -- The applied schema, as `migrate status` prints it.
  schema TEXT NOT NULL,
  -- The plan that led here; its contract steps may still be open.
  plan TEXT NOT NULL,
  plan_hash TEXT NOT NULL,
  applied_at TEXT NOT NULL
) STRICT;

-- The steps that were begun: `intent` is one that a kill may have cut short.
CREATE TABLE mainstay_steps (
  plan_hash TEXT NOT NULL,
  position INTEGER NOT NULL,
  effect TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('intent', 'done')),
  changed_at TEXT NOT NULL,
  -- The statements that undo it, for documents that change before its plan has led anywhere.
  down TEXT NOT NULL,
  PRIMARY KEY (plan_hash, position)
) STRICT;

-- Keys of the server itself, never in the clear.
CREATE TABLE mainstay_keys (
  name TEXT NOT NULL PRIMARY KEY,
  -- SHA-256 of the key.
  hash BLOB NOT NULL,
  created_at TEXT NOT NULL
) STRICT;
