/* The database of a scenario: a file of its own, or a schema of its own in a PostgreSQL cluster. HOLDFAST_TEST_STORE
 * says which (sqlite, postgres), HOLDFAST_TEST_POSTGRES where the cluster is; ./dev test sets both. */

import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { after } from 'node:test';
import { promisify } from 'node:util';

import { runs, temporaryFolder } from './program.mjs';

export const STORE = process.env.HOLDFAST_TEST_STORE ?? 'sqlite';
export const IS_POSTGRES = STORE === 'postgres';
export const POSTGRES = process.env.HOLDFAST_TEST_POSTGRES;
assert.ok(['sqlite', 'postgres'].includes(STORE), `HOLDFAST_TEST_STORE is sqlite or postgres, not ${STORE}`);
assert.ok(!IS_POSTGRES || POSTGRES !== undefined, 'HOLDFAST_TEST_POSTGRES names no cluster: run ./dev test');

/* For tests of what only one store can do. */
export const ONLY_SQLITE = { skip: IS_POSTGRES && 'about the file of an embedded database' };

const PSQL = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1'];

const QUIET = 'SET client_min_messages = warning;\n';
const rowsOf = (text) => text.split('\n').filter((line) => line !== '');

/* Rows as text: columns apart by '|'. Everything else in this process waits meanwhile. */
export function psql(uri, statements) {
  const options = { input: QUIET + statements, encoding: 'utf8', stdio: 'pipe' };
  return rowsOf(execFileSync('psql', [...PSQL, '-f', '-', uri], options));
}

/* The same beside customers who go on. */
export async function ask(uri, statements) {
  const asking = promisify(execFile)('psql', [...PSQL, '-f', '-', uri]);
  asking.child.stdin.on('error', () => {}); /* the process says why */
  asking.child.stdin.end(QUIET + statements);
  return rowsOf((await asking).stdout);
}

/* One that a failed scenario left open would keep its file from ending. */
const sessions = new Set();
after(() => sessions.forEach((session) => session.process.kill()));

/* A session that somebody else has open: tells it statements, and ends with close(). */
export class Session {
  static async open(uri) {
    const session = new Session();
    session.process = spawn('psql', [...PSQL, uri], { stdio: ['pipe', 'pipe', 'inherit'] });
    sessions.add(session);
    session.process.stdin.on('error', () => {});
    session.exited = once(session.process, 'exit');
    await session.tell('');
    return session;
  }

  /* Resolves once the statements are done. */
  async tell(statements) {
    const told = new Promise((resolve, reject) => {
      let text = '';
      this.process.stdout.on('data', (chunk) => {
        text += chunk;
        if (text.endsWith('told\n')) {
          this.process.stdout.removeAllListeners('data');
          resolve(text);
        }
      });
      this.exited.then(() => reject(new Error(`psql ended at: ${statements}`)));
    });
    this.process.stdin.write(`${statements}\n\\echo told\n`);
    return told;
  }

  async close() {
    this.process.stdin.end();
    await this.exited;
  }
}

/* The URI with the parameter, whatever it has already. */
export const withParameter = (uri, name, value) =>
  `${uri}${uri.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}`;

const made = [];
let schemaCount = 0;

/* A connection that a failed scenario left behind must not hold the end up: the cluster goes with its schemas. */
process.on('exit', () => {
  for (const schema of made) {
    try {
      psql(POSTGRES, `SET lock_timeout = '5s'; DROP SCHEMA ${schema} CASCADE;`);
    } catch (error) {
      process.stderr.write(`${error.message}\n`);
    }
  }
});

export function newSchema(cluster = POSTGRES) {
  const schema = `scenario_${process.pid}_${++schemaCount}`;
  psql(cluster, `CREATE SCHEMA ${schema};`);
  if (cluster === POSTGRES) {
    made.push(schema);
  }
  return withParameter(cluster, 'options', `-csearch_path=${schema}`);
}

/* A database that is not there yet: `holdfast migrate` makes it. */
export const newDatabase = () => (IS_POSTGRES ? newSchema() : `sqlite:${temporaryFolder()}/shop.db`);

const pathOf = (database) => database.replace(/^sqlite:/, '');

/* Statements that no server would make, checks of a SQLite table aside. */
export function sql(database, statements) {
  if (!database.startsWith('sqlite:')) {
    return psql(database, statements);
  }
  const program =
    'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute("PRAGMA ignore_check_constraints = ON"); ' +
    'c.executescript(sys.argv[2]); c.commit()';
  execFileSync('python3', ['-c', program, pathOf(database), statements]);
  return [];
}

/* A second database with the same rows; no server writes to the first meanwhile. */
export async function copyOf(database) {
  const copy = newDatabase();
  if (!IS_POSTGRES) {
    copyFileSync(pathOf(database), pathOf(copy));
    return copy;
  }
  await runs(['migrate', '--database', copy]);
  const [from] = psql(database, 'SELECT current_schema();');
  psql(
    copy,
    `SET session_replication_role = replica;
     DO $$
     DECLARE one name;
     BEGIN
         FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP
             EXECUTE format('DELETE FROM %I', one);
             EXECUTE format('INSERT INTO %I OVERRIDING SYSTEM VALUE SELECT * FROM %I.%I', one, '${from}', one);
         END LOOP;
     END
     $$;`,
  );
  return copy;
}
