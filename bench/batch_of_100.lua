-- A hundred new records in one batch, with the admin key. Slugs differ by round, thread and counter.
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(args)
  key, round, counter = args[1], args[2], 0
  headers = { ["Content-Type"] = "application/json", ["X-API-Key"] = key }
end

function request()
  local operations = {}
  for index = 1, 100 do
    counter = counter + 1
    local name = string.format("%s-%d-%d", round, number, counter)
    operations[index] = string.format(
      '{"op":"create","collection":"markets","data":{"title":"Will question %s be answered with yes before the year is over?",' ..
      '"slug":"batch-%s","volume":"1.2500","tags":["bench"]}}',
      name, name)
  end
  return wrk.format("POST", "/api/v1/batch", headers, '{"operations":[' .. table.concat(operations, ",") .. "]}")
end
