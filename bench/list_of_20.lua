-- The newest twenty of a status, as anybody may read them.
function request()
  return wrk.format("GET", "/api/v1/markets?status=open&sort=-created_at&limit=20")
end
