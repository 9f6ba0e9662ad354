#!/usr/bin/env node
// Fills a running server with orders through the batch API:
//   bench/fill.mjs --url http://127.0.0.1:8080 --sku bench-0 --orders 100000 --hold-seconds 600
// --due-at SECONDS (Unix time) instead of --hold-seconds lets all of them fall due within that one second.

import http from "node:http";

const BATCH = 500;
const CONNECTIONS = 4;

const options = { url: "http://127.0.0.1:8080", sku: "bench-0", orders: "100000", "hold-seconds": "600", "due-at": "" };
for (let i = 2; i < process.argv.length; i += 2) {
  const name = process.argv[i].replace(/^--/, "");
  if (!(name in options) || process.argv[i + 1] === undefined) {
    console.error(`fill: unknown or empty option ${process.argv[i]}`);
    process.exit(2);
  }
  options[name] = process.argv[i + 1];
}

const url = new URL("/v1/orders/batch", options.url);
const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const total = Number(options.orders);
let sent = 0;
let placed = 0;

function holdSeconds() {
  return options["due-at"] ? Number(options["due-at"]) - Math.floor(Date.now() / 1000) : Number(options["hold-seconds"]);
}

function post(body) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, {
      method: "POST",
      agent,
      headers: { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) },
    }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function work() {
  while (sent < total) {
    const count = Math.min(BATCH, total - sent);
    sent += count;
    const order = (n) =>
      `{"customer_id":"c-${n % 1000000}","items":[{"sku":"${options.sku}","quantity":1}],"hold_seconds":${holdSeconds()}}`;
    const orders = Array.from({ length: count }, (_, i) => order(sent - count + i));
    const answer = await post(`{"orders":[${orders.join(",")}]}`);
    const created = answer.status === 200 ? answer.text.split('"status":201').length - 1 : 0;
    if (created !== count) {
      throw new Error(`a batch of ${count} placed ${created}: ${answer.status} ${answer.text.slice(0, 300)}`);
    }
    placed += created;
  }
}

const started = performance.now();
try {
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
} catch (error) {
  console.error(`fill: ${error.message}`);
  process.exit(1);
}
agent.destroy();
const seconds = (performance.now() - started) / 1000;
console.log(`filled orders=${placed} seconds=${seconds.toFixed(2)} per_second=${Math.round(placed / seconds)}`);
