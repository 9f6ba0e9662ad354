/* Settings that are wrong are found at the start, before anything is opened: also those that only matter later. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { newDatabase } from './support/database.mjs';
import { run, runs, temporaryFolder } from './support/program.mjs';
import { Shop } from './support/shop.mjs';

const COMMANDS = ['serve', 'work', 'import', 'migrate', 'audit', 'rush', 'jobs list', 'keys create'];

function fileWith(text) {
  const path = `${temporaryFolder()}/authorities.pem`;
  writeFileSync(path, text);
  return path;
}

describe('a wrong setting', () => {
  for (const command of ['serve', 'work']) {
    test(`is wrong usage of ${command}, with the reason, and no database is made`, async () => {
      const folder = temporaryFolder();
      for (const [parameter, reason] of [
        ['--prune-schedule=61 * * * *', /--prune-schedule '61 .*: minute/],
        ['--prune-schedule=0 0 30 2 *', /comes in no month/],
        ['--time-zone=Europe/Nowhere', /--time-zone 'Europe\/Nowhere': /],
        [`--webhook-ca-file=${fileWith('rubbish')}`, /authorities\.pem: no certificates/],
        [`--webhook-ca-file=${fileWith('')}`, /authorities\.pem: no certificates/],
        ['--database=postgresql://db:port/shop', /a port is a number/],
        ['--database=postgresql://shop:secret/shop', /a port is a number/],
        ['--database=host=db password=secret', /is written sqlite:PATH/],
        ['--database=sqlite:postgresql://shop:secret@db/shop', /not another URI/],
      ]) {
        const database = newDatabase();
        const parameters = [command, '--database', database, parameter];
        const { status, stderr } = await run([...parameters, '--listen', '127.0.0.1:0'], { cwd: folder });
        assert.equal(status, 2, stderr);
        assert.match(stderr, reason);
        assert.doesNotMatch(stderr, /secret/);
        assert.match((await runs(['migrate', '--database', database])).stdout, /from version 0 to|0 to \d+/);
      }
    });
  }
});

describe('a variable that is no setting', () => {
  const unknown = (shop) => shop.server.log.filter(({ event }) => event === 'unknown_variable');

  test('is warned of by its name, and one of another command is not', async () => {
    const env = { HOLDFAST_LISTN: ':8080', HOLDFAST_TEST_POSTGRES: 'x', HOLDFAST_BIN: 'x', HOLDFAST_PORT: 'tcp://x' };
    const own = (await runs(['serve', '--help'])).stdout;
    for (const command of COMMANDS) {
      const { stdout } = await runs([...command.split(' '), '--help']);
      for (const [, name] of stdout.matchAll(/\[(HOLDFAST_[A-Z_]+)/g)) {
        if (!own.includes(`[${name}`)) {
          env[name] = 'x';
        }
      }
    }
    assert.ok(env.HOLDFAST_CURRENCY && env.HOLDFAST_URL && env.HOLDFAST_SCOPE && env.HOLDFAST_MAX_LATE);
    const shop = new Shop({ env: { ...env, HOLDFAST_TIME_ZONE: 'Europe/Berlin' } });
    await shop.start();
    const told = unknown(shop);
    assert.equal(told.length, 1, shop.server.logText());
    assert.equal(told[0].level, 'warn');
    assert.match(told[0].message, /^HOLDFAST_LISTN is set/);
    assert.doesNotMatch(told[0].message, /8080/);
    await shop.get('/readyz');
    await shop.stop();
    shop.close();
  });
});

describe('authorities in a file', () => {
  test('that is not there end the start, which may be tried again', async () => {
    const shop = new Shop();
    await shop.migrate();
    const parameters = ['serve', '--database', shop.database, '--listen', '127.0.0.1:0'];
    const { status, stderr } = await run([...parameters, `--webhook-ca-file=${shop.folder}/nothing.pem`]);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /start_failed.*nothing\.pem cannot be read: No such file/);
    shop.close();
  });

  test('are taken where they are certificates', async () => {
    const system = readFileSync('/etc/ssl/certs/ca-certificates.crt', 'utf8');
    const one = system.slice(0, system.indexOf('-----END CERTIFICATE-----') + 26);
    const shop = new Shop({ parameters: [`--webhook-ca-file=${fileWith(one)}`] });
    await shop.start();
    await shop.get('/readyz');
    await shop.stop();
    shop.close();
  });
});
