-- Batches of 500 orders for one SKU.

local common = dofile(os.getenv("BENCH_FOLDER") .. "/wrk/common.lua")
local ORDERS = 500

setup = common.setup
done = common.done

local bodies = {}
local post

function init()
  math.randomseed(os.time() * 64 + thread_number)
  post = common.poster("/v1/orders/batch")
  -- A few bodies, made once: with a new one each time the client would be what is measured.
  for i = 1, 32 do
    local orders = {}
    for j = 1, ORDERS do
      orders[j] = '{"customer_id":"c-' .. math.random(1000000) .. '","items":[{"sku":"bench-0","quantity":1}]}'
    end
    bodies[i] = post('{"orders":[' .. table.concat(orders, ",") .. "]}")
  end
end

local turn = 0
function request()
  turn = turn % #bodies + 1
  return bodies[turn]
end
