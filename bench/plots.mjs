// The plots of bench/report.mjs, by gnuplot. Lines and bars are medians, error bars the least and the most.

import { execFileSync } from "node:child_process";
import { field, perSecond, refusedPerSecond, STORES, STORE_TITLES, summary } from "./measurements.mjs";

const COLOURS = {
  sqlite: "#0072b2", postgres: "#d55e00", version: "#7f7f7f", for_update: "#cc79a7", update_last: "#009e73",
};
const WAYS = { version: "version check", for_update: "row lock", update_last: "guarded update" };
const PERCENTILES = [
  ["p50_ms", "p50", "#08519c"], ["p90_ms", "p90", "#3182bd"], ["p99_ms", "p99", "#e6550d"],
  ["p999_ms", "p99.9", "#a63603"], ["max_ms", "max", "#7f7f7f"],
];

const HEAD = `
set border 3 linecolor "#444444"
set grid ytics linecolor "#dddddd" linewidth 0.8
set tics nomirror scale 0.6
set errorbars 0.6
set key Left reverse samplen 2 spacing 1.2
set style fill solid 0.85 noborder
`;

function render(folder, name, [width, height], script) {
  const terminal = `set terminal svg size ${width},${height} noenhanced font "DejaVu Sans,13" background "#ffffff"`;
  execFileSync("gnuplot", [], { input: `${terminal}\nset output "${folder}/${name}.svg"\n${HEAD}\n${script}\n` });
}

// Each of lists of rows as a data block; gives their names.
function blocks(lists) {
  return lists.map((rows, i) => `$data${i} << END\n${rows.map((row) => row.join(" ")).join("\n")}\nEND\n`).join("");
}

// x, median, min, max; nothing where nothing was measured
function point(x, runs, measure, scale = 1) {
  const found = summary(runs, measure);
  return found === undefined ? [] : [[x, found.median / scale, found.min / scale, found.max / scale]];
}

const lines = (i, title, colour) => `$data${i} using 1:2:3:4 with yerrorlines title "${title}" ` +
  `linecolor "${colour}" linewidth 2 pointtype 7 pointsize 0.6`;

// ---- Throughput against connections ----

function throughput(folder, measurements) {
  const curves = [];
  for (const store of STORES) {
    curves.push({
      title: `Holdfast, ${STORE_TITLES[store]}`, colour: COLOURS[store],
      rows: measurements.points("hot").flatMap((n) => point(n, measurements.of("hot", store, n), perSecond, 1000)),
    });
  }
  for (const [way, title] of Object.entries(WAYS)) {
    curves.push({
      title, colour: COLOURS[way],
      rows: measurements.points("baseline").filter((key) => key.startsWith(`${way}:`)).flatMap((key) =>
        point(key.split(":")[1], measurements.of("baseline", "postgres", key), perSecond, 1000)),
    });
  }
  const drawn = curves.filter((curve) => curve.rows.length > 0);
  render(folder, "throughput", [860, 480], `
${blocks(drawn.map((curve) => curve.rows))}
set title "One hot SKU: Holdfast, and one transaction an order on PostgreSQL"
set logscale x 2
set logscale y
set xtics (1, 4, 16, 64, 256, 1024)
set ytics (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
set xrange [0.8:1300]
set yrange [0.1:*]
set xlabel "connections"
set ylabel "thousand orders a second"
set key outside right center
plot ${drawn.map((curve, i) => lines(i, curve.title, curve.colour)).join(", ")}`);
}

// ---- Latency percentiles against connections ----

function latency(folder, measurements) {
  const points = measurements.points("hot");
  const stores = STORES.filter((store) => measurements.of("hot", store).length > 0);
  const data = stores.flatMap((store) => PERCENTILES.map(([name]) =>
    points.flatMap((n) => point(n, measurements.of("hot", store, n), field(name)))));
  const panels = stores.map((store, i) => `
set title "${STORE_TITLES[store]}"
${i === 0 ? 'set ylabel "milliseconds"' : "unset ylabel"}
plot ${PERCENTILES.map(([, title, colour], j) => lines(i * PERCENTILES.length + j, title, colour)).join(", ")}`);
  render(folder, "latency", [860, 440], `
${blocks(data)}
set logscale x 2
set logscale y
set xtics (1, 4, 16, 64, 256, 1024)
set xrange [0.8:1300]
set yrange [0.1:*]
set format y "%g"
set grid ytics mytics linecolor "#dddddd" linewidth 0.8, linecolor "#f0f0f0" linewidth 0.8
set xlabel "connections"
set key bottom right
set multiplot layout 1,${stores.length}
set yrange [0.1:${yMax(data)}]
${panels.join("\n")}
unset multiplot`);
}

// The next power of ten, and a little.
function yMax(data) {
  return 10 ** Math.ceil(Math.log10(Math.max(1, ...data.flat().map((row) => row[3]))));
}

// ---- Hot, spread, sold out, and one transaction an order ----

function bestOf(measurements, way) {
  return measurements.points("baseline").filter((key) => key.startsWith(`${way}:`))
    .flatMap((key) => point(0, measurements.of("baseline", "postgres", key), perSecond, 1000))
    .sort((a, b) => b[1] - a[1]).slice(0, 1);
}

function loads(folder, measurements) {
  const connections = measurements.machine.connections;
  const groups = [
    ["one SKU", (store) => point(0, measurements.of("hot", store, connections), perSecond, 1000)],
    ["one SKU,\\nno keys", (store) => point(0, measurements.of("hot_without_keys", store), perSecond, 1000)],
    ["10,000\\nSKUs", (store) => point(0, measurements.of("spread", store), perSecond, 1000)],
    ["sold out\\n(refusals)", (store) => point(0, measurements.of("sold_out", store), refusedPerSecond, 1000)],
  ];
  const bars = STORES.map((store, i) => groups.flatMap(([, of], x) =>
    of(store).map(([, ...values]) => [x + (i - 0.5) * 0.36, ...values, 0.32])));
  const labels = groups.map(([title], x) => `"${title}" ${x}`);
  const ways = Object.entries(WAYS);
  const baseline = ways.flatMap(([way], i) =>
    bestOf(measurements, way).map(([, ...values]) => [groups.length + i, ...values, 0.32]));
  ways.forEach(([, title], i) => labels.push(`"${title.replace(" ", "\\n")}" ${groups.length + i}`));
  const drawn = [...bars, baseline].map((rows, i) => ({
    rows, colour: [COLOURS.sqlite, COLOURS.postgres, COLOURS.version][i],
    title: ["Holdfast, SQLite", "Holdfast, PostgreSQL", "one transaction an order, on PostgreSQL"][i],
  })).filter(({ rows }) => rows.length > 0);
  const most = Math.max(...drawn.flatMap(({ rows }) => rows.map((row) => row[3])));
  render(folder, "loads", [860, 480], `
${blocks(drawn.map(({ rows }) => rows))}
set title "${connections} connections"
set xtics (${labels.join(", ")})
set xrange [-0.6:${groups.length + ways.length - 0.4}]
set yrange [0:${most * 1.4}]
set ylabel "thousand a second"
set xtics scale 0
set bmargin 4
set errorbars linecolor "#222222"
set key top right
plot ${drawn.map(({ title, colour }, i) =>
    `$data${i} using 1:2:3:4:5 with boxerrorbars title "${title}" linecolor "${colour}"`).join(", ")}`);
}

// ---- Growth ----

function growth(folder, measurements) {
  const rows = (store) => [...new Set(measurements.of("growth", store).map((run) => run.size))].flatMap((size) => {
    const runs = measurements.of("growth", store).filter((run) => run.size === size);
    return point(summary(runs, field("orders")).median / 1e6, runs, perSecond, 1000);
  });
  const stores = STORES.filter((store) => measurements.of("growth", store).length > 0);
  render(folder, "growth", [860, 400], `
${blocks(stores.map(rows))}
set title "One hot SKU, ${measurements.machine.connections} connections, all orders live holds"
set xrange [0:*]
set yrange [0:*]
set xlabel "million orders in the database"
set ylabel "thousand orders a second"
set key bottom left
plot ${stores.map((store, i) => lines(i, STORE_TITLES[store], COLOURS[store])).join(", ")}`);
}

// ---- Holds that fall due at once ----

// seconds, and median, min and max of a timeline's buckets, a second
function inTime(runs, name) {
  const lists = runs.map((run) => ({ counts: String(run[name]).split(",").map(Number), bucket: run.bucket_ms }));
  const length = Math.max(0, ...lists.map(({ counts }) => counts.length));
  return Array.from({ length }, (_, i) => i).flatMap((i) =>
    point((i + 0.5) * lists[0].bucket / 1000, lists, ({ counts }) => counts[i] ?? 0, lists[0].bucket));
}

function timeouts(folder, measurements) {
  const stores = STORES.filter((store) => measurements.of("due_at_once", store).length > 0);
  const data = stores.flatMap((store) => ["released_in_time", "placed_in_time"].map((name) =>
    inTime(measurements.of("due_at_once", store), name)));
  const released = (i) => `$data${i} using 1:2 with boxes title "holds released" linecolor "#b0b0b0"`;
  const placed = (i, colour) => `$data${i} using 1:3:4 with filledcurves notitle linecolor "${colour}" ` +
    `fillstyle transparent solid 0.25 noborder, ` +
    `$data${i} using 1:2 with lines title "new orders placed" linecolor "${colour}" linewidth 2`;
  const panels = stores.map((store, i) => `
set title "${STORE_TITLES[store]}"
${i === 0 ? 'set ylabel "thousand a second"' : "unset ylabel"}
plot ${released(2 * i)}, ${placed(2 * i + 1, COLOURS[store])}`);
  render(folder, "timeouts", [860, 420], `
${blocks(data)}
set xrange [0:5]
set yrange [0:*]
set xlabel "seconds since all fell due"
set boxwidth 0.1
set key top right
set multiplot layout 1,${stores.length}
${panels.join("\n")}
unset multiplot`);
}

// ---- All of them ----

const PLOTS = { throughput: "hot", latency: "hot", loads: "hot", growth: "growth", timeouts: "due_at_once" };
const DRAW = { throughput, latency, loads, growth, timeouts };

// Writes NAME.svg for what was measured; gives the names.
export function draw(folder, measurements) {
  const names = Object.keys(PLOTS).filter((name) => measurements.of(PLOTS[name]).length > 0);
  for (const name of names) {
    DRAW[name](folder, measurements);
  }
  return new Set(names);
}
