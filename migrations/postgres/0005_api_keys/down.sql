-- Oldest server that it still serves: 0.1.0. The keys are lost: their holders need new ones.
DELETE FROM mainstay_system WHERE migration = '0005_api_keys';
DROP TABLE mainstay_api_keys;
