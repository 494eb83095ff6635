-- Whether a request is allowed by all of its policies, and what is left: the sums of limit/count in Redis, where servers share
-- them. Called with a key for each policy, and for each its algorithm, limit, window (ms) and burst. Answers 1 or 0, then what
-- remains and the milliseconds until there is more, of each. What is kept of a client is numbers, which go with their key.

local SLOTS = 11

local function numbers(text)
  local found = {}
  for number in string.gmatch(text, '%d+') do found[#found + 1] = tonumber(number) end
  return found
end

local function write(parts)
  local digits = {}
  for at, part in ipairs(parts) do digits[at] = string.format('%.0f', part) end
  return table.concat(digits, ' ')
end

-- Each: `at` brings what is kept up to now, `take` counts a request, `room` tells what remains and until when, `idle` when the
-- client is as if it had never come.
local algorithms = {
  -- The level in parts of a request, and its time.
  tokenBucket = {
    at = function(q, kept)
      local full = q.burst * q.window
      if not kept then return { full, q.now } end
      local since = math.max(0, q.now - kept[2])
      return { math.min(full, kept[1] + since * q.limit), math.max(kept[2], q.now) }
    end,
    take = function(q, count) count[1] = count[1] - q.window end,
    room = function(q, count)
      local missing = 0
      if count[1] < q.burst * q.window then missing = q.window - count[1] % q.window end
      return math.floor(count[1] / q.window), math.ceil(missing / q.limit)
    end,
    idle = function(q, count) return count[2] + math.ceil((q.burst * q.window - count[1]) / q.limit) end,
  },
  -- The start, and the requests since.
  fixedWindow = {
    at = function(q, kept)
      if not kept then return { q.now, 0 } end
      if kept[2] == 0 or q.now >= kept[1] + q.window then return { math.max(kept[1], q.now), 0 } end
      return kept
    end,
    take = function(_, count) count[2] = count[2] + 1 end,
    room = function(q, count)
      local reset = 0
      if count[2] > 0 then reset = math.min(q.window, count[1] + q.window - q.now) end
      return math.max(0, q.limit - count[2]), reset
    end,
    idle = function(q, count) return count[1] + q.window end,
  },
  -- The number of the newest slot, then the requests of each slot at its number modulo their count.
  slidingWindow = {
    at = function(q, kept)
      local newest = math.floor(q.now / (q.window / 10))
      local count = kept
      if not count then
        count = { newest }
        for slot = 1, SLOTS do count[slot + 1] = 0 end
      end
      for slot = count[1] + 1, math.min(newest, count[1] + SLOTS) do count[slot % SLOTS + 2] = 0 end
      count[1] = math.max(count[1], newest)
      return count
    end,
    take = function(_, count)
      local at = count[1] % SLOTS + 2
      count[at] = count[at] + 1
    end,
    room = function(q, count)
      local used, reset, length = 0, 0, q.window / 10
      for slot = count[1], math.max(0, count[1] - 10), -1 do
        local requests = count[slot % SLOTS + 2]
        used = used + requests
        if requests > 0 then reset = (slot + SLOTS) * length - math.max(q.now, count[1] * length) end
      end
      return math.max(0, q.limit - used), reset
    end,
    idle = function(q, count) return (count[1] + SLOTS) * (q.window / 10) end,
  },
}

local policies, allowed = {}, 1
for at, key in ipairs(KEYS) do
  local first = (at - 1) * 4
  local q = {
    key = key,
    now = now,
    algorithm = algorithms[ARGV[first + 1]],
    limit = tonumber(ARGV[first + 2]),
    window = tonumber(ARGV[first + 3]),
    burst = tonumber(ARGV[first + 4]),
  }
  local kept = redis.call('GET', key)
  q.count = q.algorithm.at(q, kept and numbers(kept))
  if q.algorithm.room(q, q.count) < 1 then allowed = 0 end
  policies[at] = q
end

local answer = { allowed }
for _, q in ipairs(policies) do
  if allowed == 1 then
    q.algorithm.take(q, q.count)
    redis.call('SET', q.key, write(q.count), 'PX', string.format('%.0f', math.max(1, q.algorithm.idle(q, q.count) - now)))
  end
  local remaining, reset = q.algorithm.room(q, q.count)
  answer[#answer + 1] = remaining
  answer[#answer + 1] = reset
end
return answer
