/* A PostgreSQL cluster of a scenario's own, for what would disturb others: it is killed, promoted, configured. */

import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { ask } from './database.mjs';

const TOOL = fileURLToPath(new URL('../../../tools/postgres_cluster', import.meta.url));

const tool = async (parameters, env = {}) =>
  (await promisify(execFile)(TOOL, parameters, { env: { ...process.env, ...env } })).stdout.trim();

const clusters = new Set();
process.on('exit', () => clusters.forEach((cluster) => cluster.destroy()));

export class Cluster {
  /* `env`: what its processes get, beside this one's own. */
  constructor(env) {
    this.env = env;
    this.folder = mkdtempSync(join(tmpdir(), 'holdfast-postgres-'));
    clusters.add(this);
  }

  /* Makes it, or starts it again at the same port. Only processes are killed here, never the machine. */
  async start(...settings) {
    this.uri = await tool(['start', this.folder, 'fsync=off', ...settings], this.env);
  }

  /* A streaming standby of the other, which runs. */
  async follow(primary, ...settings) {
    this.uri = await tool(['standby', this.folder, primary.folder, ...settings]);
  }

  promote() {
    return tool(['promote', this.folder]);
  }

  /* fast, immediate, or kill: -9 for all of its processes. */
  stop(mode = 'fast') {
    return tool(['stop', this.folder, mode]);
  }

  /* Waits, since a process that ends can do nothing else. */
  destroy() {
    if (clusters.delete(this)) {
      execFileSync(TOOL, ['destroy', this.folder]);
    }
  }

  get port() {
    return Number(new URL(this.uri).port);
  }

  sql(statements) {
    return ask(this.uri, statements);
  }
}

/* A running cluster, until the file's last test has ended. */
export async function useCluster(...settings) {
  const cluster = new Cluster();
  await cluster.start(...settings);
  after(() => cluster.destroy());
  return cluster;
}
