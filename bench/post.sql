\set n random(1, 9000000000000000)
INSERT INTO markets (id, version, created_at, updated_at, title, slug, status, volume, featured, opens_at, tags)
VALUES (gen_random_uuid(), 1, now(), now(), 'Will question ' || :n::text || ' be answered with yes before the year is over?',
        'sql-' || :n::text, 'open', 1.25, false, now(), ARRAY['bench']);
