-- A new record with the admin key. Slugs differ by round, thread and counter.
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
  counter = counter + 1
  local name = string.format("%s-%d-%d", round, number, counter)
  local body = string.format(
    '{"title":"Will question %s be answered with yes before the year is over?","slug":"new-%s","volume":"1.2500","tags":["bench"]}',
    name, name)
  return wrk.format("POST", "/api/v1/markets", headers, body)
end
