-- One read of a collection, as anybody may do it: a record at random, the twenty of a bucket at random, or the last page.
function init(args)
  work, collection, records, cursor = args[1], "/api/v1/" .. args[2], tonumber(args[3]), args[4]
  math.randomseed(tonumber(tostring({}):match("0x(%x+)"), 16) % 2 ^ 31)
end

function request()
  if work == "GET by id" then
    return wrk.format("GET", string.format("%s/00000000-0000-7000-8000-%d", collection, 100000000000 + math.random(0, records - 1)))
  elseif work == "filter of 20" then
    return wrk.format("GET", string.format("%s?bucket=%d", collection, math.random(0, records / 20 - 1)))
  end
  return wrk.format("GET", collection .. "?cursor=" .. cursor)
end
