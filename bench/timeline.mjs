#!/usr/bin/env node
// What a server did from an instant on, by its own events, in tenths of a second:
//   bench/timeline.mjs --url http://127.0.0.1:8080 --since-ms 1764000000000 --after 100000
// --after: the sequence of an event before which nothing is looked for.

const BUCKET_MS = 100;

const options = { url: "http://127.0.0.1:8080", "since-ms": "0", after: "0" };
for (let i = 2; i < process.argv.length; i += 2) {
  const name = process.argv[i].replace(/^--/, "");
  if (!(name in options) || process.argv[i + 1] === undefined) {
    console.error(`timeline: unknown or empty option ${process.argv[i]}`);
    process.exit(2);
  }
  options[name] = process.argv[i + 1];
}

const since = Number(options["since-ms"]);

// The instants of all events of a type, in milliseconds since the beginning.
async function instants(type) {
  const found = [];
  let after = options.after;
  for (;;) {
    const url = new URL(`/v1/events?type=${type}&limit=1000&after=${after}`, options.url);
    const { data } = await (await fetch(url)).json();
    if (data.length === 0) {
      return found.filter((instant) => instant >= 0);
    }
    for (const event of data) {
      found.push(Date.parse(event.created_at) - since);
    }
    after = data[data.length - 1].sequence;
  }
}

function inBuckets(found) {
  const counts = [];
  for (const instant of found) {
    const bucket = Math.floor(instant / BUCKET_MS);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return Array.from(counts, (count) => count ?? 0).join(",");
}

try {
  const released = await instants("order.expired");
  const placed = await instants("order.created");
  const last = released.reduce((a, b) => Math.max(a, b), 0);
  console.log(`bucket_ms=${BUCKET_MS} released_ms=${last} released_in_time=${inBuckets(released)} ` +
    `placed_in_time=${inBuckets(placed)}`);
} catch (error) {
  console.error(`timeline: ${error.message}`);
  process.exit(1);
}
