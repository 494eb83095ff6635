-- Oldest server that it still serves: none. The data of the collections stays.
DROP TABLE mainstay_keys;
DROP TABLE mainstay_steps;
DROP TABLE mainstay_schema;
