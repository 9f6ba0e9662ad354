-- One order a request, one item an order. BENCH_SKUS: how many SKUs (bench-0, bench-1, ...) the orders are spread
-- over; BENCH_KEYS=1: each with an idempotency key of its own.

local common = dofile(os.getenv("BENCH_FOLDER") .. "/wrk/common.lua")
local skus = tonumber(os.getenv("BENCH_SKUS") or "1")
local with_keys = os.getenv("BENCH_KEYS") == "1"

setup = common.setup
done = common.done

local next_name, post

function init()
  math.randomseed(os.time() * 64 + thread_number)
  next_name = common.namer()
  post = common.poster("/v1/orders")
end

function request()
  local body = '{"customer_id":"c-' .. math.random(1000000) .. '","items":[{"sku":"bench-' ..
    (skus == 1 and 0 or math.random(0, skus - 1)) .. '","quantity":1}]}'
  return post(body, with_keys and next_name() or nil)
end
