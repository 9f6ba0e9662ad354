#!/usr/bin/env node
// How late an idle server releases holds that fall due one by one:
//   bench/lateness.mjs --url http://127.0.0.1:8080 --sku bench-0 --orders 500 --spacing-ms 20
// All of them are placed before the first falls due; the times are those of the server's own events.

const options = { url: "http://127.0.0.1:8080", sku: "bench-0", orders: "500", "spacing-ms": "20" };
for (let i = 2; i < process.argv.length; i += 2) {
  const name = process.argv[i].replace(/^--/, "");
  if (!(name in options) || process.argv[i + 1] === undefined) {
    console.error(`lateness: unknown or empty option ${process.argv[i]}`);
    process.exit(2);
  }
  options[name] = process.argv[i + 1];
}

const orders = Number(options.orders);
const spacing = Number(options["spacing-ms"]);
const holdSeconds = Math.ceil((orders * spacing) / 1000) + 2;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function placeAll() {
  const started = performance.now();
  for (let i = 0; i < orders; i++) {
    await sleep(Math.max(0, started + i * spacing - performance.now()));
    const response = await fetch(new URL("/v1/orders", options.url), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        customer_id: `c-${i}`, items: [{ sku: options.sku, quantity: 1 }], hold_seconds: holdSeconds,
      }),
    });
    const text = await response.text();
    if (response.status !== 201) {
      throw new Error(`an order was answered ${response.status} ${text.slice(0, 300)}`);
    }
  }
  if (performance.now() - started > holdSeconds * 1000) {
    throw new Error("placing the orders took longer than the first hold");
  }
}

async function expiredEvents() {
  const events = [];
  let after = 0;
  for (;;) {
    const url = new URL(`/v1/events?type=order.expired&limit=1000&after=${after}`, options.url);
    const { data } = await (await fetch(url)).json();
    if (data.length === 0) {
      return events;
    }
    events.push(...data);
    after = data[data.length - 1].sequence;
  }
}

function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

try {
  await placeAll();
  await sleep(holdSeconds * 1000 + 1000); // nothing asks the server meanwhile
  const late = (await expiredEvents())
    .map((event) => Date.parse(event.created_at) - Date.parse(event.data.expires_at)).sort((a, b) => a - b);
  if (late.length !== orders) {
    throw new Error(`${late.length} of ${orders} holds were released`);
  }
  console.log(`RESULT accepted=${orders} seconds=${((orders * spacing) / 1000).toFixed(3)} refused=0 failed=0 ` +
    `p50_ms=${percentile(late, 0.5)} p99_ms=${percentile(late, 0.99)} max_ms=${late[late.length - 1]}`);
} catch (error) {
  console.error(`lateness: ${error.message}`);
  process.exit(1);
}
