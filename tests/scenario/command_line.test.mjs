import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readlinkSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';

import { copyOf, IS_POSTGRES, newDatabase, ONLY_SQLITE, sql } from './support/database.mjs';
import { PROGRAM, run, runs, Server, temporaryFolder } from './support/program.mjs';
import { Shop, until, untilTime, useShop } from './support/shop.mjs';

const COMMANDS = ['serve', 'migrate', 'import', 'audit', 'rush', 'jobs', 'keys', 'version'];

describe('help', () => {
  for (const command of [...COMMANDS, 'keys create', 'keys list', 'keys revoke']) {
    test(`holdfast ${command} --help teaches by example`, async () => {
      const { stdout, stderr } = await runs([...command.split(' '), '--help']);
      assert.match(stdout, new RegExp(`holdfast ${command}`));
      assert.equal(stderr, '');
      assert.ok(
        stdout.split('\n').every((line) => line.length <= 120),
        'a line is longer than 120 columns',
      );
      if (command !== 'version') {
        assert.match(stdout, /example/i);
      }
    });
  }

  test('the overview names every command', async () => {
    for (const parameters of [['help'], ['--help'], ['-h']]) {
      const { stdout } = await runs(parameters);
      for (const command of COMMANDS) {
        assert.match(stdout, new RegExp(`^\\s+${command}\\s`, 'm'));
      }
    }
  });

  test('wrong usage exits with 2, on standard error', async () => {
    for (const parameters of [
      [],
      ['nonsense'],
      ['audit', 'x'],
      ['audit', '--nonsense'],
      ['version', 'x'],
      ['migrate', '--database'],
      ['audit', '--max-late', 'soon'],
      ['rush', '--customers', '0'],
      ['rush', '--pay-rate', '2'],
    ]) {
      const { status, stdout, stderr } = await run(parameters);
      assert.deepEqual([status, stdout], [2, ''], parameters.join(' '));
      assert.notEqual(stderr, '', parameters.join(' '));
    }
  });

  test('the version names what it is made of', async () => {
    for (const parameters of [['version'], ['--version']]) {
      const { stdout } = await runs(parameters);
      assert.match(stdout, /^holdfast \d+\.\d+\.\d+/);
      assert.match(stdout, /SQLite 3\./i);
      assert.match(stdout, /libpq \d+/i);
    }
  });
});

describe('the migration', () => {
  test('makes a database, and has nothing to do the second time', async () => {
    const database = newDatabase();
    assert.match((await runs(['migrate', '--database', database])).stdout, /0 to \d+/);
    assert.match((await runs(['migrate', '--database', database])).stdout, /nothing to do/);
    await runs(['audit', '--database', database]);
  });

  const isRefused = async (database, word, commands = ['migrate', 'serve', 'audit', 'keys list']) => {
    for (const command of commands) {
      const listen = command === 'serve' ? ['--listen', '127.0.0.1:0'] : [];
      const { status, stderr } = await run([...command.split(' '), ...listen, '--database', database]);
      assert.equal(status, 1, command);
      assert.match(stderr, word, command);
    }
  };

  test('refuses a database that is newer than the program', async () => {
    const database = newDatabase();
    await runs(['migrate', '--database', database]);
    sql(
      database,
      IS_POSTGRES
        ? "INSERT INTO holdfast_migrations (number, name) VALUES (9999, 'of the future');"
        : 'PRAGMA user_version = 9999',
    );
    await isRefused(database, /9999/);
  });

  test('refuses a database of another program', async () => {
    const database = newDatabase();
    sql(database, 'CREATE TABLE orders (name TEXT)');
    await isRefused(database, /another program/, IS_POSTGRES ? ['migrate'] : undefined);
  });

  test('refuses a file that is no database', ONLY_SQLITE, async () => {
    const path = `${temporaryFolder()}/letter.txt`;
    writeFileSync(path, 'Dear all, this is no database, but it is long enough to be one. '.repeat(100));
    await isRefused(`sqlite:${path}`, /letter\.txt/);
  });

  test('the database comes from the environment too', async () => {
    const database = newDatabase();
    assert.match((await runs(['migrate'], { env: { HOLDFAST_DATABASE: database } })).stdout, /0 to \d+/);
    assert.match((await runs(['migrate', '--database', database])).stdout, /nothing to do/);
  });
});

describe('the audit', () => {
  const shop = useShop();

  test('is clean beside a live server, and counts what it saw', async () => {
    const sku = await shop.sells(10);
    await shop.pays(await shop.places({ [sku]: 1 }));
    await shop.places({ [sku]: 2 });
    const { stdout } = await runs(['audit', '--database', shop.database]);
    assert.match(stdout, /\b2\b.*orders/);
    assert.match(stdout, /I1 to I11|every invariant/);
  });

  test('names the rows that break an invariant, and exits with 1', async () => {
    const sku = await shop.sells(10);
    const paid = await shop.places({ [sku]: 1 });
    await shop.pays(paid);
    await shop.places({ [sku]: 2 });
    await shop.expired(await shop.places({ [sku]: 1 }, { hold_seconds: 1 }));
    await shop.stop();
    const damages = {
      I1: `${IS_POSTGRES ? 'ALTER TABLE stock_levels DROP CONSTRAINT never_oversold;' : ''}
           UPDATE stock_levels SET reserved_quantity = stock_quantity + 1`,
      I2: "UPDATE stock_reservations SET quantity = quantity + 1 WHERE status = 'active'",
      I3: "UPDATE stock_movements SET delta = delta + 1 WHERE reason = 'initial'",
      I4: 'DELETE FROM payment_timeouts',
      I5: 'DELETE FROM payments',
      I6: "UPDATE stock_reservations SET status = 'active' WHERE status = 'released'",
      I11: "DELETE FROM events WHERE type = 'order.paid'",
    };
    for (const [invariant, statement] of Object.entries(damages)) {
      const damaged = await copyOf(shop.database);
      sql(damaged, statement);
      const { status, stdout } = await run(['audit', '--database', damaged]);
      assert.equal(status, 1, `${invariant}: ${stdout}`);
      assert.match(stdout, new RegExp(`\\b${invariant}\\b`), stdout);
    }
    await shop.start();
  });

  test('fails where there is no database, and makes none', async () => {
    const database = newDatabase();
    for (let i = 0; i < 2; i += 1) {
      const { status, stderr } = await run(['audit', '--database', database]);
      assert.equal(status, 1);
      assert.notEqual(stderr, '');
    }
  });

  test('overdue holds are a notice while no server runs, and a failure past --max-late', async () => {
    const closed = new Shop();
    await closed.start();
    const placed = await closed.places({ [await closed.sells(5)]: 1 }, { hold_seconds: 1 });
    await closed.stop();
    closed.close();
    await untilTime(placed.expires_at);
    await new Promise((resolve) => {
      setTimeout(resolve, 1200);
    });
    const { stdout } = await runs(['audit', '--database', closed.database]);
    assert.match(stdout, /overdue/);
    await runs(['audit', '--max-late', '3600', '--database', closed.database]);
    const late = await run(['audit', '--max-late', '1', '--database', closed.database]);
    assert.equal(late.status, 1);
    assert.match(late.stdout, /I10: order \S+ is overdue by /);
    assert.match(late.stdout, /FAILED: 1 violation$/m);
  });
});

describe('the rush', () => {
  const shop = useShop({ connections: 10 });
  const rush = (...parameters) => runs(['rush', '--url', shop.server.url, ...parameters]);

  test('a hundred customers for fifty units, its own product', async () => {
    const { stdout } = await rush('--hold-seconds', '1');
    assert.match(stdout, /placed\D+50\b/);
    assert.match(stdout, /refused\D+50\b/);
    assert.match(stdout, /oversold\D+0\b/);
  });

  test('on a SKU that is there', async () => {
    const sku = await shop.sells(30);
    await rush('--sku', sku, '--customers', '40', '--quantity', '3', '--pay-rate', '1');
    assert.equal(await shop.stock(sku), '0 on hand, 0 reserved');
  });

  test('unpaid orders expire and give their stock back', async () => {
    const sku = await shop.sells(30);
    await rush('--sku', sku, '--customers', '20', '--pay-rate', '0', '--hold-seconds', '1');
    assert.equal(await shop.stock(sku), '30 on hand, 0 reserved');
  });

  test('no server there: exit 1, saying so', async () => {
    const { status, stdout, stderr } = await run([
      'rush',
      '--url',
      'http://127.0.0.1:1',
      '--customers',
      '3',
      '--retry-seconds',
      '1',
    ]);
    assert.equal(status, 1);
    assert.notEqual(`${stdout}${stderr}`, '');
  });

  test('a SKU that is not there: exit 1, saying so', async () => {
    const { status, stdout, stderr } = await run([
      'rush',
      '--url',
      shop.server.url,
      '--sku',
      'no-such-sku',
      '--customers',
      '3',
    ]);
    assert.equal(status, 1);
    assert.match(`${stdout}${stderr}`, /no-such-sku|unknown_sku/);
  });
});

/* As some supervisors start programs. */
describe('without standard input, output and error', () => {
  /* Below those that the system gives to whoever asks for any. Its log would have told, and there is none. */
  const port = randomInt(20_000, 30_000);

  test('a server serves, and its log goes into no other file', async () => {
    const database = newDatabase();
    await runs(['migrate', '--database', database]);
    const listen = `127.0.0.1:${port}`;
    const server = new Server(database, { listen, parameters: ['--log-requests'], shell: 'exec <&- >&- 2>&-' });
    const isUp = () => fetch(`http://${listen}/healthz`).then(({ ok }) => ok, () => false);
    await until('the server answers', isUp, 15_000);
    for (let i = 0; i < 100; i += 1) {
      assert.equal(await isUp(), true);
    }
    for (const file of [0, 1, 2]) {
      assert.equal(readlinkSync(`/proc/${server.process.pid}/fd/${file}`), '/dev/null');
    }
    assert.deepEqual(await server.stop(), { status: 0, signal: null });
  });

  test('a command whose output goes nowhere has failed', async () => {
    const printing = promisify(execFile)('bash', ['-c', 'exec "$0" version >&-', PROGRAM]);
    await assert.rejects(printing, ({ code, stderr }) => code === 1 && /standard output/.test(stderr));
  });
});
