-- What the scripts share: unique names, and one line of results at the end that bench/run reads.

local common = {}

-- Called by wrk once per thread, in the main state: numbers the threads, so that their keys differ.
local threads = 0
function common.setup(thread)
  thread:set("thread_number", threads)
  threads = threads + 1
end

-- A function that gives a name no run has given before: the run's own prefix, the thread, a counter.
function common.namer()
  local prefix = os.getenv("BENCH_RUN") .. "-" .. tostring(thread_number or 0) .. "-"
  local counter = 0
  return function()
    counter = counter + 1
    return prefix .. counter
  end
end

-- A complete POST as bytes: building it once per request is what limits a Lua client, so the fixed part is made once.
function common.poster(path)
  local head = "POST " .. path .. " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: "
  return function(body, key)
    if key then
      return head .. #body .. "\r\nIdempotency-Key: " .. key .. "\r\n\r\n" .. body
    end
    return head .. #body .. "\r\n\r\n" .. body
  end
end

function common.done(summary, latency)
  io.write(string.format(
    "RESULT accepted=%d seconds=%.3f refused=%d failed=%d p50_ms=%.3f p90_ms=%.3f p99_ms=%.3f p999_ms=%.3f max_ms=%.3f\n",
    summary.requests - summary.errors.status, summary.duration / 1e6, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(90) / 1000, latency:percentile(99) / 1000,
    latency:percentile(99.9) / 1000, latency.max / 1000))
end

return common
