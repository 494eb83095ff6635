\set n random(100000000000, 100000009999)
SELECT * FROM markets WHERE id = ('00000000-0000-7000-8000-' || :n::text)::uuid;
