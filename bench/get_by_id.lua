-- One of the records, at random, as anybody may read it.
function init(args)
  math.randomseed(tonumber(tostring({}):match("0x(%x+)"), 16) % 2 ^ 31)
end

function request()
  return wrk.format("GET", string.format("/api/v1/markets/00000000-0000-7000-8000-%d", 100000000000 + math.random(0, 9999)))
end
