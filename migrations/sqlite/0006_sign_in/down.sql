-- Oldest server that it still serves: 0.1.0.
DELETE FROM mainstay_system WHERE migration = '0006_sign_in';
DROP TABLE mainstay_refresh_tokens;
DROP TABLE mainstay_sessions;
DROP TABLE mainstay_passwords;
