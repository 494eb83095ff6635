-- Oldest server that it still serves: 0.1.0.
DROP TABLE mainstay_owner;
DROP TABLE mainstay_instances;
DROP TABLE mainstay_system;
