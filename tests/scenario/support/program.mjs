/* Runs the program: as a server on a port of its own, or as a command. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

export const PROGRAM = process.env.HOLDFAST_BIN ?? fileURLToPath(new URL('../../../build/holdfast', import.meta.url));

const START_MS = 15_000;
const STOP_MS = 20_000;
const RUN_MS = 120_000;

/* Scenarios see only the settings that they give; PG... are libpq's. */
function environment(extra = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(HOLDFAST_|PG)/.test(name));
  return { ...Object.fromEntries(inherited), ...extra };
}

/* What a scenario leaves behind, should it fail half-way: a server that runs on would keep its test file from ending. */
const folders = [];
const servers = new Set();
const killServers = () => servers.forEach((server) => server.kill('SIGKILL'));
/* Of a sanitizer that reports and goes on: what it found concerns no single scenario. */
const reports = [];
after(() => {
  killServers();
  assert.deepEqual(reports, []);
});
process.on('exit', () => {
  killServers();
  folders.forEach((folder) => rmSync(folder, { recursive: true, force: true }));
});
/* By default a signal ends Node.js at once, and nobody would clean up. */
['SIGINT', 'SIGTERM', 'SIGHUP'].forEach((name) => process.once(name, () => process.exit(1)));

export function temporaryFolder() {
  folders.push(mkdtempSync(join(tmpdir(), 'holdfast-scenario-')));
  return folders.at(-1);
}

/* Runs a command to its end: {status, signal, stdout, stderr}. */
export async function run(parameters, { env, input, cwd } = {}) {
  const child = spawn(PROGRAM, parameters, { env: environment(env), cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      output[name] += text;
    });
  }
  child.stdin.on('error', () => {}); /* a command that reads nothing */
  child.stdin.end(input ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), RUN_MS);
  const [status, signal] = await once(child, 'close');
  clearTimeout(timer);
  return { status, signal, ...output };
}

/* As run, for commands that must succeed. */
export async function runs(parameters, options) {
  const result = await run(parameters, options);
  assert.equal(result.status, 0, `holdfast ${parameters.join(' ')} exited with ${result.status}:\n${result.stderr}`);
  return result;
}

export const createKey = async (database, scope, name = scope) =>
  (await runs(['keys', 'create', '--name', name, '--scope', scope, '--database', database])).stdout.trim();

export class Server {
  /* `shell`: commands that a shell runs before it becomes the server. `isWorker`: it is none, and listens nowhere.
   * No database: the environment names it. */
  constructor(database, { parameters = [], env = {}, listen = '127.0.0.1:0', shell, isWorker = false } = {}) {
    const listening = isWorker ? [] : ['--listen', listen];
    const located = database === undefined ? [] : ['--database', database];
    const command = [isWorker ? 'work' : 'serve', ...located, ...listening, ...parameters];
    const options = { env: environment(env), stdio: ['ignore', 'ignore', 'pipe'] };
    this.process =
      shell === undefined
        ? spawn(PROGRAM, command, options)
        : spawn('bash', ['-c', `${shell}; exec "$0" "$@"`, PROGRAM, ...command], options);
    servers.add(this.process);
    this.exited = once(this.process, 'exit').then(([status, signal]) => {
      servers.delete(this.process);
      return { status, signal };
    });
    this.log = [];
    createInterface({ input: this.process.stderr }).on('line', (line) => this.#read(line));
  }

  /* Resolves with {status, signal} only where the process ended before it had started. */
  async listening() {
    const started = new Promise((resolve) => {
      this.notifyStarted = resolve;
    });
    const timer = setTimeout(() => this.process.kill('SIGKILL'), START_MS);
    const end = await Promise.race([started, this.exited]);
    clearTimeout(timer);
    return end;
  }

  #read(line) {
    let entry;
    try {
      entry = JSON.parse(line);
    } catch {
      entry = { event: 'not_json', line };
      if (/ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|runtime error: /.test(line)) {
        reports.push(line);
      }
    }
    this.log.push(entry);
    if (entry.event === 'server_started') {
      this.port = Number(entry.listen.split(':').at(-1));
      this.url = `http://127.0.0.1:${this.port}`;
      this.notifyStarted?.();
    } else if (entry.event === 'worker_started') {
      this.notifyStarted?.();
    }
  }

  logText() {
    return this.log.map((entry) => JSON.stringify(entry)).join('\n');
  }

  signal(name) {
    this.process.kill(name);
  }

  async ended() {
    const timer = setTimeout(() => this.process.kill('SIGKILL'), STOP_MS);
    const end = await this.exited;
    clearTimeout(timer);
    return end;
  }

  stop() {
    this.signal('SIGTERM');
    return this.ended();
  }

  kill() {
    this.signal('SIGKILL');
    return this.ended();
  }
}

export async function serve(database, options) {
  const server = new Server(database, options);
  const end = await server.listening();
  assert.equal(end, undefined, `the server did not start (${JSON.stringify(end)}):\n${server.logText()}`);
  return server;
}

/* `holdfast work`, running. */
export const work = (database, options) => serve(database, { ...options, isWorker: true });
