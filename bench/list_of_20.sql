SELECT * FROM markets WHERE status = 'open' ORDER BY created_at DESC NULLS LAST, id DESC LIMIT 20;
