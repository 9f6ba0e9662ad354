#!/usr/bin/env node
// Makes README.md and the plots of a folder that bench/run wrote raw.jsonl and machine.json to, and prints the tables:
//   bench/report.mjs bench/results

import { writeFileSync } from "node:fs";
import {
  field, Measurements, perSecond, ratio, refusedPerSecond, STORES, STORE_TITLES, summary, WAY_TITLES,
} from "./measurements.mjs";
import { draw } from "./plots.mjs";

const folder = process.argv[2];
if (folder === undefined) {
  console.error("usage: bench/report.mjs FOLDER");
  process.exit(2);
}
const measurements = new Measurements(folder);
const { machine } = measurements;
const plots = draw(folder, measurements);
const stores = STORES.filter((store) => measurements.runs.some((run) => run.store === store));

// ---- How figures are written ----

function number(value) {
  if (Math.abs(value) >= 100) {
    return Math.round(value).toLocaleString("en-GB");
  }
  return value === 0 ? "0" : String(Number(value.toPrecision(3)));
}

// The median, and in brackets the least and the most.
function figure(runs, measure) {
  const found = summary(runs, measure);
  if (found === undefined) {
    return "-";
  }
  return found.min === found.max ? number(found.median) :
    `${number(found.median)} (${number(found.min)} to ${number(found.max)})`;
}

const times = (value) => value === undefined ? "-" : `${number(value)} x`;

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${head.map((_, i) => i === 0 ? "---" : "---:").join("|")}|`, ...rows.map(line)].join("\n");
}

const plot = (name, what) => plots.has(name) ? `![${what}](${name}.svg)` : "";

// ---- The sections: each returns nothing where nothing of it was measured ----

function connections() {
  const points = measurements.points("hot");
  const rows = stores.flatMap((store) => points.map((point) => {
    const runs = measurements.of("hot", store, point);
    return [`${STORE_TITLES[store]}, ${point}`, figure(runs, perSecond),
      ...["p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"].map((name) => figure(runs, field(name))),
      figure(runs, field("server_cores")), figure(runs, field("busy_cores"))];
  }));
  return points.length > 0 && `## One hot SKU, by connections

Every order is for one unit of the same SKU, under an idempotency key of its own. Latencies are in milliseconds, as wrk
sees them; the last columns say how many cores the server and the whole machine (load generator and database included)
were busy with.

${plot("throughput", "Orders a second against connections")}

${plot("latency", "Latency percentiles against connections")}

${table(["store, connections", "orders/s", "p50", "p90", "p99", "p99.9", "max", "server's cores", "machine's"], rows)}`;
}

const LOADS = [
  ["hot", "one SKU", perSecond],
  ["hot_without_keys", "one SKU, without idempotency keys", perSecond],
  ["spread", "10,000 SKUs", perSecond],
  ["sold_out", "sold out: refusals", refusedPerSecond],
  ["batch", "batches of 500, 16 connections", (run) => perSecond(run) * 500],
];

function loads() {
  const rows = LOADS.flatMap(([name, title, measure]) => stores.map((store) => {
    const runs = measurements.of(name, store, name === "hot" ? machine.connections : undefined);
    const hot = summary(measurements.of("hot", store, machine.connections), perSecond);
    return [`${title}, ${STORE_TITLES[store]}`, figure(runs, measure), times(ratio(summary(runs, measure), hot)),
      figure(runs, field("p50_ms")), figure(runs, field("p99_ms")), figure(runs, field("server_cores")),
      name === "sold_out" ? figure(runs, field("written_bytes")) : ""];
  })).filter((row) => row[1] !== "-");
  return rows.length > 0 && `## Hot, spread, sold out

${machine.connections} connections. "Written" are the bytes by which the database (PostgreSQL: the log of the whole
cluster, whose own few are among them) grew while orders were refused.

${plot("loads", "Orders a second: hot, spread, sold out, and one transaction an order")}

${table(["what", "a second", "to one SKU", "p50 ms", "p99 ms", "server's cores", "written"], rows)}`;
}

function baselines() {
  const rows = measurements.points("baseline").map((point) => {
    const [way, clients] = point.split(":");
    const runs = measurements.of("baseline", "postgres", point);
    const same = summary(measurements.of("hot", "postgres", clients), perSecond);
    const most = summary(measurements.of("hot", "postgres", machine.connections), perSecond);
    const placed = summary(runs, perSecond);
    return [`${WAY_TITLES[way]}, ${clients} clients`, figure(runs, perSecond),
      figure(runs, (run) => run.accepted / run.attempts * 100),
      figure(runs, (run) => Math.max(0, run.accepted - run.reserved)),
      times(ratio(same, placed)), times(ratio(most, placed))];
  });
  return rows.length > 0 && `## One transaction an order

By pgbench, in the cluster and in the rounds that Holdfast was measured in, with no HTTP, JSON or application between.
"Attempts that won" is the share of transactions that placed an order; the others had lost the race and come again.
"Never deducted" are orders whose units the stock row does not know of. The last columns say how many times as many
orders Holdfast placed over PostgreSQL, HTTP included: on as many connections, and on ${machine.connections}.

${table(["way, clients", "orders/s", "attempts that won, %", "never deducted", "Holdfast, as many connections",
    `Holdfast, ${machine.connections}`], rows)}`;
}

function race() {
  const title = (store, way) => way === "holdfast" ? `Holdfast, ${STORE_TITLES[store]}` : WAY_TITLES[way];
  const ways = [...new Set(measurements.of("race").map((run) => `${run.store} ${run.point}`))];
  const rows = ways.map((key) => {
    const [store, way] = key.split(" ");
    const runs = measurements.of("race", store, way);
    const oversold = (run) => Math.max(0, run.accepted - run.stock);
    const stock = runs[0].stock;
    const sold = summary(runs, field("accepted"));
    return [title(store, way), figure(runs, field("accepted")), figure(runs, oversold), figure(runs, field("reserved")),
      `sold ${number(sold.median)} of ${number(stock)}: ${number(Math.max(0, sold.median - stock))} oversold`];
  });
  return rows.length > 0 && `## Who oversells

A sale of ${number(measurements.of("race")[0].stock)} units to 64 customers who keep ordering for a few seconds.
"Booked" is what the stock row says was reserved in the end. After Holdfast's sales \`holdfast audit\` found every
invariant to hold.

${table(["way", "orders", "oversold units", "booked", "in the middle run"], rows)}`;
}

function openLoop() {
  const rows = stores.flatMap((store) => measurements.points("open_loop").map((rate) => {
    const runs = measurements.of("open_loop", store, rate);
    return [`${STORE_TITLES[store]}, ${number(Number(rate))} orders/s`, figure(runs, perSecond),
      ...["p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"].map((name) => figure(runs, field(name)))];
  }));
  return rows.length > 0 && `## Orders that come when they come

An open loop: orders arrive at random instants, so many a second on average, whether or not those before were answered;
the latency counts from the instant of arrival. Milliseconds.

${table(["store, rate", "orders/s", "p50", "p90", "p99", "p99.9", "max"], rows)}`;
}

function growth() {
  const sizes = [...new Set(measurements.of("growth").map((run) => run.size))];
  const rows = stores.flatMap((store) => sizes.map((size) => {
    const runs = measurements.of("growth", store).filter((run) => run.size === size);
    const empty = measurements.of("growth", store).filter((run) => run.size === sizes[0]);
    return [`${STORE_TITLES[store]}, ${number(size)}`, figure(runs, field("orders")), figure(runs, perSecond),
      times(ratio(summary(runs, perSecond), summary(empty, perSecond))), figure(runs, field("p99_ms")),
      figure(runs, (run) => run.database_bytes / 1e6), figure(runs, field("resident_mib"))];
  })).filter((row) => row[2] !== "-");
  return rows.length > 0 && `## A database that grows

All orders are live holds. The runs add to them, so that each begins with more than it was filled to.

${plot("growth", "Orders a second against orders in the database")}

${table(["store, filled to", "orders when a run began", "orders/s", "to the first", "p99 ms", "database, MB",
    "server's memory, MiB"], rows)}`;
}

function timeouts() {
  const rows = stores.map((store) => {
    const runs = measurements.of("due_at_once", store);
    return [STORE_TITLES[store], figure(runs, field("holds")), figure(runs, field("released_ms")),
      figure(runs, perSecond), ...["p50_ms", "p99_ms", "max_ms"].map((name) => figure(runs, field(name)))];
  }).filter((row) => row[1] !== "-");
  const idle = stores.map((store) => {
    const runs = measurements.of("idle_lateness", store);
    return [STORE_TITLES[store], ...["p50_ms", "p99_ms", "max_ms"].map((name) => figure(runs, field(name)))];
  }).filter((row) => row[1] !== "-");
  return (rows.length > 0 || idle.length > 0) && `## Holds past their deadline

All due at the same instant, while new orders come in on ${machine.connections} connections:

${plot("timeouts", "Holds released and orders placed, in time")}

${table(["store", "holds due", "all released after, ms", "new orders/s meanwhile", "their p50 ms", "p99", "max"], rows)}

One by one, each 20 ms, on a server that has nothing else to do; how late, in milliseconds:

${table(["store", "p50", "p99", "max"], idle)}`;
}

function sharing() {
  const title = { 1: "two load generators, one server", 2: "two load generators, two servers" };
  const one = summary(measurements.of("two_servers", "postgres", 1), perSecond);
  const cells = (runs, what) => [what, figure(runs, perSecond), times(ratio(summary(runs, perSecond), one)),
    figure(runs, field("p50_ms")), figure(runs, field("p99_ms"))];
  const rows = [1, 2].map((point) => cells(measurements.of("two_servers", "postgres", point), title[point]));
  rows.push(cells(measurements.of("delayed"), "1 ms more to the database and back; 1,000 connections"));
  return rows.some((row) => row[1] !== "-") && `## PostgreSQL, shared and far away

${table(["what", "orders/s", "to one server", "p50 ms", "p99 ms"], rows)}`;
}

function odd() {
  const lines = [];
  const which = (run) => `- round ${run.round}, ${run.case} ${run.point} (${run.store})`;
  for (const run of measurements.failed) {
    lines.push(`${which(run)} failed: ${run.failed_because.replaceAll("_", " ").trim()}`);
  }
  for (const run of measurements.runs) {
    // A race, and sold_out, are refused by design.
    const otherwise = run.case === "race" ? 0 : run.case === "sold_out" ? run.accepted : run.refused;
    if (otherwise > 0) {
      lines.push(`${which(run)}: ${otherwise} requests were answered otherwise`);
    }
    if (run.failed > 0) {
      lines.push(`${which(run)}: ${run.failed} requests got no answer`);
    }
  }
  return lines.length > 0 && `## What went otherwise\n\n${lines.join("\n")}`;
}

function machineSection() {
  const probes = measurements.of("machine");
  const first = probes[0];
  const last = probes[probes.length - 1];
  const stolen = probes.length > 1 && last.ticks > first.ticks ?
    `${number((last.stolen_ticks - first.stolen_ticks) / (last.ticks - first.ticks) * 100)} %` : "-";
  const rows = [
    ["date", machine.date],
    ["Holdfast", `${machine.commit}: ${machine.holdfast}`],
    ["PostgreSQL", `${machine.postgres}; Debian's settings`],
    ["load generator", `${machine.wrk}, ${machine.wrk_threads} thread(s)`],
    ["compiler", machine.compiler],
    ["processor", `${machine.cpu}, ${machine.cores} cores`],
    ["memory", `${machine.memory_gib} GiB`],
    ["system", `${machine.system}, ${machine.kernel}${machine.virtualization ? `, ${machine.virtualization}` : ""}`],
    ["file system", machine.file_system],
    ["runs", `${machine.rounds} rounds of ${machine.seconds} s a case (timeouts: ${machine.slow_rounds} rounds; ` +
      `growth: ${machine.growth_seconds} s)`],
    ["one durable write of 8 KiB, µs, each round", `median ${figure(probes, field("sync_p50_us"))}, 99th percentile ` +
      figure(probes, field("sync_p99_us"))],
    ["SHA-256 on one core, MB/s, each round", figure(probes, field("sha256_mb_per_s"))],
    ["time that the host gave to others", stolen],
  ];
  return `## The machine\n\n${table(["", ""], rows).replace("---:", "---")}`;
}

// ---- The page ----

const sections = [connections, loads, race, baselines, openLoop, timeouts, growth, sharing, odd, machineSection]
  .map((section) => section()).filter(Boolean);
const page = `# Measured

By \`./dev bench\`, on ${machine.date.slice(0, 10)}, with Holdfast, the database and the load generator on one machine.
Each figure is the median of its runs, in brackets the least and the most. [The method](../README.md) says what each one
means; \`raw.jsonl\` has every run.

${sections.join("\n\n")}
`.replace(/\n{3,}/g, "\n\n");
writeFileSync(`${folder}/README.md`, page);
console.log(page.replace(/^!\[.*\n\n/gm, ""));
console.log(`kept in ${folder}`);
