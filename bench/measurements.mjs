// What bench/run measured: raw.jsonl, and medians with their spread.

import { readFileSync } from "node:fs";

export const STORES = ["sqlite", "postgres"];
export const STORE_TITLES = { sqlite: "SQLite", postgres: "PostgreSQL" };
export const WAY_TITLES = {
  racy_save: "racy: read, check, save what was read less one",
  racy_decrement: "racy: read, check, decrement",
  version: "version check",
  for_update: "row lock",
  update_last: "guarded update, last",
};

export class Measurements {
  constructor(folder) {
    this.machine = JSON.parse(readFileSync(`${folder}/machine.json`, "utf8"));
    const lines = readFileSync(`${folder}/raw.jsonl`, "utf8").split("\n").filter((line) => line !== "");
    const all = lines.map((line) => JSON.parse(line));
    this.failed = all.filter((run) => run.failed_because !== undefined);
    this.runs = all.filter((run) => run.failed_because === undefined && run.void === undefined);
  }

  // Those of a case, a point of it, a store; undefined leaves open.
  of(name, store, point) {
    return this.runs.filter((run) => run.case === name && (store === undefined || run.store === store) &&
      (point === undefined || run.point === String(point)));
  }

  // The points of a case that were measured, in the order of the first round.
  points(name) {
    return [...new Set(this.of(name).map((run) => run.point))];
  }
}

export const perSecond = (run) => run.accepted / run.seconds;
export const refusedPerSecond = (run) => run.refused / run.seconds;
export const field = (name) => (run) => run[name];

// Of a measure over runs: undefined where there is none.
export function summary(runs, measure) {
  const values = runs.map(measure).filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (values.length === 0) {
    return undefined;
  }
  const middle = values.length >> 1;
  const median = values.length % 2 === 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return { median, min: values[0], max: values[values.length - 1], count: values.length };
}

export function ratio(one, other) {
  return one === undefined || other === undefined || other.median === 0 ? undefined : one.median / other.median;
}
