#!/usr/bin/env node
// The machine that measures:
//   bench/machine.mjs FOLDER NAME=VALUE...    what it is, as JSON, with these values
//   bench/machine.mjs --probe FOLDER          a RESULT line: how fast its disk and one core are just now
// FOLDER is where the databases are.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, fdatasyncSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import os from "node:os";

const PROBE_MS = 1000;
const PAGE_BYTES = 8192;
const LOG_BYTES = 16 * 1024 * 1024;

function output(command, ...args) {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch (error) {
    return (error.stdout ?? "").trim(); // wrk --version exits with 1
  }
}

function describe(folder, settings) {
  const release = readFileSync("/etc/os-release", "utf8").match(/^PRETTY_NAME="(.*)"$/m)?.[1] ?? "";
  return {
    date: new Date().toISOString(),
    cpu: os.cpus()[0]?.model ?? "",
    cores: os.cpus().length,
    memory_gib: Math.round(os.totalmem() / 2 ** 30 * 10) / 10,
    kernel: `${os.type()} ${os.release()}`,
    system: release,
    virtualization: output("systemd-detect-virt"),
    file_system: output("findmnt", "--noheadings", "--output", "FSTYPE,SOURCE", "--target", folder).replace(/ +/g, " "),
    wrk: output("wrk", "--version").split("\n")[0].replace(/ *Copyright.*/, ""),
    compiler: output("cc", "--version").split("\n")[0],
    node: process.version,
    ...settings,
  };
}

// As a database does it: a page into a log that is there already, made durable before the next.
function syncTimes(folder) {
  const path = `${folder}/probe`;
  const file = openSync(path, "w");
  writeSync(file, Buffer.alloc(LOG_BYTES), 0, LOG_BYTES, 0);
  fdatasyncSync(file);
  const page = Buffer.alloc(PAGE_BYTES, 1);
  const times = [];
  const end = performance.now() + PROBE_MS;
  for (let offset = 0; performance.now() < end; offset = (offset + PAGE_BYTES) % LOG_BYTES) {
    const begin = performance.now();
    writeSync(file, page, 0, PAGE_BYTES, offset);
    fdatasyncSync(file);
    times.push((performance.now() - begin) * 1000);
  }
  closeSync(file);
  unlinkSync(path);
  return times.sort((a, b) => a - b);
}

function hashedMegabytesPerSecond() {
  const block = Buffer.alloc(1024 * 1024);
  const begin = performance.now();
  let blocks = 0;
  while (performance.now() - begin < PROBE_MS / 2) {
    createHash("sha256").update(block).digest();
    blocks++;
  }
  return blocks / (performance.now() - begin) * 1000;
}

// Clock ticks since the start of the machine: all of them, and those that its host gave to others.
function ticks() {
  const fields = readFileSync("/proc/stat", "utf8").split("\n")[0].split(/\s+/).slice(1, 9).map(Number);
  return { all: fields.reduce((a, b) => a + b, 0), stolen: fields[7] ?? 0 };
}

if (process.argv[2] === "--probe") {
  const times = syncTimes(process.argv[3]);
  const { all, stolen } = ticks();
  console.log(`RESULT sync_p50_us=${times[Math.floor(times.length / 2)].toFixed(1)} ` +
    `sync_p99_us=${times[Math.floor(times.length * 0.99)].toFixed(1)} ` +
    `sha256_mb_per_s=${hashedMegabytesPerSecond().toFixed(1)} ticks=${all} stolen_ticks=${stolen}`);
} else {
  const settings = process.argv.slice(3).map((pair) => pair.match(/^([^=]*)=([^]*)$/).slice(1));
  console.log(JSON.stringify(describe(process.argv[2], Object.fromEntries(settings)), null, 2));
}
