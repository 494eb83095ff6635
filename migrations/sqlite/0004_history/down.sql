-- Oldest server that it still serves: 0.1.0.
DELETE FROM mainstay_system WHERE migration = '0004_history';
DROP TABLE mainstay_history;
