-- Oldest server that it still serves: 0.1.0.

-- The applied schema, one row a revision; the highest revision is the current one.
CREATE TABLE mainstay_schema (
  revision bigint NOT NULL PRIMARY KEY,
  -- The oldest revision whose servers may run beside this one.
  compatible_from bigint NOT NULL,
  -- The applied schema, as `migrate status` prints it.
  schema json NOT NULL,
  -- The plan that led here; its contract steps may still be open.
  plan json NOT NULL,
  plan_hash text NOT NULL,
  applied_at timestamptz NOT NULL
);

-- The steps that were begun: `intent` is one that a kill may have cut short.
CREATE TABLE mainstay_steps (
  plan_hash text NOT NULL,
  position bigint NOT NULL,
  effect text NOT NULL,
  state text NOT NULL CHECK (state IN ('intent', 'done')),
  changed_at timestamptz NOT NULL,
  -- The statements that undo it, for documents that change before its plan has led anywhere.
  down json NOT NULL,
  PRIMARY KEY (plan_hash, position)
);

-- Keys of the server itself, never in the clear.
CREATE TABLE mainstay_keys (
  name text NOT NULL PRIMARY KEY,
  -- SHA-256 of the key.
  hash bytea NOT NULL,
  created_at timestamptz NOT NULL
);
