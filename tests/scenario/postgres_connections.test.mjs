/* What stands in the URI, and in the way: roles, schemas, TLS, passwords, hosts that are not there. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { useCluster } from './support/cluster.mjs';
import { newSchema, psql, withParameter } from './support/database.mjs';
import { run, runs, serve, temporaryFolder } from './support/program.mjs';
import { Rush } from './support/rush.mjs';
import { endShops, Shop, times } from './support/shop.mjs';

const TIMEOUT = { timeout: 60_000 };
const SECRET = 'correct-horse@battery/staple';

const cluster = await useCluster();

/* The URI for a role that the statements make; the schema is its own. */
async function asRole(name, settings = '') {
  const uri = newSchema(cluster.uri);
  const schema = psql(uri, 'SELECT current_schema();')[0];
  await cluster.sql(`CREATE ROLE ${name} LOGIN PASSWORD '${SECRET}'; ALTER SCHEMA ${schema} OWNER TO ${name};
    ${settings}`);
  return uri.replace('//holdfast@', `//${name}@`);
}

async function sellsOver(database, options = {}) {
  const shop = new Shop({ database, ...options });
  await shop.start();
  const rush = new Rush([shop], await shop.sells(1_000_000));
  await rush.goesOn(100);
  await rush.stop();
  await rush.reckon(shop);
  await shop.expired(await shop.places({ [await shop.sells(1)]: 1 }, { hold_seconds: 1 }));
  return shop;
}

/* One line that says what is the matter, on standard error, and exit 1. */
async function failsClearly(database, words, commands = ['migrate', 'serve', 'audit', 'keys list']) {
  for (const command of commands) {
    const listen = command === 'serve' ? ['--listen', '127.0.0.1:0'] : [];
    const { status, stdout, stderr } = await run([...command.split(' '), ...listen, '--database', database]);
    assert.equal(status, 1, `${command}: ${stderr}`);
    assert.match(stderr, words, command);
    assert.equal(stderr.trim().split('\n').length, 1, `${command} says more than a line:\n${stderr}`);
    assert.doesNotMatch(`${stdout}${stderr}`, /correct-horse|battery|staple/, command);
  }
}

describe('roles', () => {
  test('without any privilege but its schema', TIMEOUT, async () => {
    await endShops(await sellsOver(await asRole('modest')));
  });

  test('with short timeouts of its own', TIMEOUT, async () => {
    const database = await asRole(
      'hurried',
      `ALTER ROLE hurried SET statement_timeout = '1s'; ALTER ROLE hurried SET lock_timeout = '500ms';
       ALTER ROLE hurried SET idle_in_transaction_session_timeout = '300ms';
       ALTER ROLE hurried SET idle_session_timeout = '700ms';`,
    );
    const shop = await sellsOver(database);
    /* Idle for longer than its sessions may be. */
    await new Promise((resolve) => {
      setTimeout(resolve, 1500);
    });
    const sku = await shop.sells(5);
    await shop.places({ [sku]: 1 });
    await shop.get(`/v1/stock/${sku}`);
    await endShops(shop);
  });

  test('with habits of its own: time zone, date style, isolation, commits that do not wait', TIMEOUT, async () => {
    const database = await asRole(
      'peculiar',
      `ALTER ROLE peculiar SET timezone = 'Asia/Kathmandu'; ALTER ROLE peculiar SET datestyle = 'German, DMY';
       ALTER ROLE peculiar SET intervalstyle = 'sql_standard'; ALTER ROLE peculiar SET bytea_output = 'escape';
       ALTER ROLE peculiar SET default_transaction_isolation = 'serializable';
       ALTER ROLE peculiar SET standard_conforming_strings = off; ALTER ROLE peculiar SET client_encoding = 'LATIN1';
       ALTER ROLE peculiar SET synchronous_commit = off; ALTER ROLE peculiar SET extra_float_digits = 0;`,
    );
    const shop = await sellsOver(database);
    const { body } = await shop.post(
      '/v1/products',
      { title: 'Zoë’s 漢字 \\ hat', sku: "hat'\\é", price: { amount: 1, currency: 'EUR' }, stock_quantity: 1 },
      201,
    );
    assert.equal((await shop.get(`/v1/products/${body.product_id}`)).body.title, 'Zoë’s 漢字 \\ hat');
    await shop.places({ "hat'\\é": 1 });
    await endShops(shop);
  });

  test('that may only read can audit', TIMEOUT, async () => {
    const database = newSchema(cluster.uri);
    await runs(['migrate', '--database', database]);
    const schema = psql(database, 'SELECT current_schema();')[0];
    await cluster.sql(`CREATE ROLE auditor LOGIN; GRANT USAGE ON SCHEMA ${schema} TO auditor;
      GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO auditor;`);
    const own = database.replace('//holdfast@', '//auditor@');
    await runs(['audit', '--database', own]);
  });
});

describe('names', () => {
  test('the application is called holdfast, unless the URI says otherwise', TIMEOUT, async () => {
    const names = () => cluster.sql('SELECT DISTINCT application_name FROM pg_stat_activity;');
    const shop = new Shop({ database: newSchema(cluster.uri) });
    await shop.start();
    assert.ok((await names()).includes('holdfast'));
    await shop.stop();
    await shop.start({ via: withParameter(shop.database, 'application_name', 'shop-7') });
    const later = await names();
    assert.ok(later.includes('shop-7') && !later.includes('holdfast'), later.join());
    await endShops(shop);
  });

  test('shops are schemas: two in one database know nothing of each other', TIMEOUT, async () => {
    const one = new Shop({ database: newSchema(cluster.uri) });
    const other = new Shop({ database: newSchema(cluster.uri) });
    await one.start();
    await other.start();
    await one.sells(5, { sku: 'same' });
    await other.sells(9, { sku: 'same' });
    const placed = await one.places({ same: 2 }, { key: 'same-key' });
    await other.get(`/v1/orders/${placed.order_id}`, '404 order_not_found');
    await other.places({ same: 3 }, { key: 'same-key' });
    assert.equal(await one.stock('same'), '5 on hand, 2 reserved');
    assert.equal(await other.stock('same'), '9 on hand, 3 reserved');
    await endShops(one);
    await endShops(other);
  });

  test('a schema that is not there is refused', TIMEOUT, () =>
    failsClearly(withParameter(cluster.uri, 'options', '-csearch_path=no_such_shop'), /schema|migrate/));
});

describe('the schema', () => {
  test('missing: serve, import, keys and audit name the command that makes it', TIMEOUT, () =>
    failsClearly(newSchema(cluster.uri), /holdfast migrate/, ['serve', 'work', 'keys list', 'audit']));

  test('serve --migrate makes it', TIMEOUT, async () => {
    const server = await serve(newSchema(cluster.uri), { parameters: ['--migrate'] });
    assert.deepEqual(await server.stop(), { status: 0, signal: null });
  });

  test('five who migrate at once: one does it, all succeed', TIMEOUT, async () => {
    for (let i = 0; i < 3; i += 1) {
      const database = newSchema(cluster.uri);
      const results = await times(5, () => run(['migrate', '--database', database]));
      const said = results.map(({ status, stdout, stderr }) => `${status} ${stdout}${stderr}`);
      assert.equal(said.filter((text) => /^0 .*0 to \d+/.test(text)).length, 1, said.join(''));
      assert.equal(said.filter((text) => /^0 .*nothing to do/.test(text)).length, 4, said.join(''));
      await runs(['audit', '--database', database]);
    }
  });
});

describe('what cannot be reached is said in a line, without the password', () => {
  const secret = encodeURIComponent(SECRET);

  test('a wrong password', TIMEOUT, async () => {
    const uri = await asRole('guarded');
    const hba = join(cluster.folder, 'data/pg_hba.conf');
    writeFileSync(hba, `host all guarded 127.0.0.1/32 scram-sha-256\n${readFileSync(hba, 'utf8')}`);
    await cluster.sql('SELECT pg_reload_conf();');
    const withPassword = (password) => uri.replace('//guarded@', `//guarded:${password}@`);
    await failsClearly(withPassword(`${secret}-not`), /password authentication failed/);

    const shop = await sellsOver(withPassword(secret));
    const { stdout, stderr } = await run(['migrate', '--database', shop.database]);
    const metrics = (await shop.get('/metrics')).text;
    await cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guarded';");
    await endShops(shop);
    for (const text of [stdout, stderr, metrics, shop.server.logText()]) {
      assert.doesNotMatch(text, /correct-horse|battery|staple/);
    }
  });

  test('no password at all; it may come from a password file, which is for its owner alone', TIMEOUT, async () => {
    const uri = newSchema(cluster.uri).replace('//holdfast@', '//guarded@');
    await failsClearly(uri, /no password supplied/, ['keys list']);
    const file = join(temporaryFolder(), 'passwords');
    writeFileSync(file, `127.0.0.1:*:*:guarded:${SECRET}\n`, { mode: 0o600 });
    const keysWith = (path) => run(['keys', 'list', '--database', uri], { env: { PGPASSFILE: path } });
    assert.match((await keysWith(file)).stderr, /GRANT USAGE/, 'it is let in, though to no schema');
    chmodSync(file, 0o644);
    assert.match((await keysWith(file)).stderr, /no password supplied/);
  });

  test('a port where nobody listens', TIMEOUT, () =>
    failsClearly(`postgresql://u:${secret}@127.0.0.1:1/shop`, /refused/));

  test('a host that does not exist', TIMEOUT, () =>
    failsClearly(`postgresql://u:${secret}@no-such-host.invalid/shop`, /no-such-host\.invalid/, ['migrate', 'serve']));

  test('a database whose encoding cannot hold every name', TIMEOUT, async () => {
    await cluster.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';");
    await failsClearly(cluster.uri.replace(/\/postgres$/, '/latin'), /encoding is LATIN1.*UTF8/);
  });

  test('a database that does not exist', TIMEOUT, () =>
    failsClearly(cluster.uri.replace('/postgres', '/no_such_database'), /no_such_database/));

  test('a URI that cannot be read is wrong usage', TIMEOUT, async () => {
    for (const uri of [
      `postgresql://u:${SECRET}@127.0.0.1/shop`,
      `postgresql://u:${secret}@127.0.0.1:port/shop`,
      `postgresql://u:${secret}@127.0.0.1/shop?no_such_parameter=1`,
      `postgresql://u:${secret}@127.0.0.1/shop?sslmode`,
    ]) {
      const { status, stderr } = await run(['serve', '--listen', '127.0.0.1:0', '--database', uri]);
      assert.ok([1, 2].includes(status), `${uri}: ${status}`);
      assert.doesNotMatch(stderr, /correct-horse|staple/, stderr);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
    }
  });
});

describe('TLS', () => {
  test('required, verified, and refused where the certificate is another', TIMEOUT, async () => {
    const folder = temporaryFolder();
    for (const name of ['server', 'stranger']) {
      execFileSync(
        'openssl',
        ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1', '-addext']
          .concat(['subjectAltName=IP:127.0.0.1', '-keyout', `${folder}/${name}.key`, '-out', `${folder}/${name}.crt`]),
        { stdio: 'pipe' },
      );
    }
    const { uid, gid } = statSync(cluster.folder);
    for (const file of ['server.key', 'server.crt']) {
      const path = join(cluster.folder, 'data', file);
      writeFileSync(path, readFileSync(`${folder}/${file}`), { mode: 0o600 });
      chownSync(path, uid, gid);
    }
    await cluster.stop();
    await cluster.start('ssl=on');
    const database = newSchema(cluster.uri);
    const verified = (name) =>
      withParameter(withParameter(database, 'sslmode', 'verify-full'), 'sslrootcert', `${folder}/${name}.crt`);

    const shop = await sellsOver(withParameter(database, 'sslmode', 'require'));
    const encrypted = await cluster.sql(
      "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'holdfast';",
    );
    assert.deepEqual(encrypted, ['t']);
    await endShops(shop);
    await runs(['audit', '--database', verified('server')]);
    await failsClearly(verified('stranger'), /certificate/, ['audit', 'serve']);
  });
});
