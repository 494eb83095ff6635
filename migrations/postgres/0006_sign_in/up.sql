-- Oldest server that it still serves: 0.1.0.

-- Passwords, apart from the records of `users`, so that no answer, export or history of a record can hold one.
CREATE TABLE mainstay_passwords (
  user_id uuid NOT NULL PRIMARY KEY,
  -- Of the record: a later one of the same id is another person.
  user_created_at timestamptz NOT NULL,
  -- A PHC string: Argon2id with its parameters and its salt.
  hash text COLLATE "C" NOT NULL,
  changed_at timestamptz NOT NULL
);

-- Each is one sign-in, and the family of the refresh tokens that came of it. One that has ended is deleted.
CREATE TABLE mainstay_sessions (
  id uuid NOT NULL PRIMARY KEY,
  user_id uuid NOT NULL,
  user_created_at timestamptz NOT NULL,
  started_at timestamptz NOT NULL,
  -- Later with every refresh.
  expires_at timestamptz NOT NULL
);
CREATE INDEX mainstay_sessions_user_id ON mainstay_sessions (user_id);
CREATE INDEX mainstay_sessions_expires_at ON mainstay_sessions (expires_at);

-- The refresh tokens of sessions: one that may be used, and those that were, by which a stolen one is noticed.
CREATE TABLE mainstay_refresh_tokens (
  -- SHA-256 of the token.
  hash bytea NOT NULL PRIMARY KEY,
  session uuid NOT NULL REFERENCES mainstay_sessions (id),
  -- Makes the next token of this one, together with the token itself, which is not here.
  salt bytea NOT NULL,
  used_at timestamptz
);
CREATE INDEX mainstay_refresh_tokens_session ON mainstay_refresh_tokens (session);
INSERT INTO mainstay_system (migration, oldest_server) VALUES ('0006_sign_in', '0.1.0');
