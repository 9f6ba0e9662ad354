/* A database that the first version's program left: nothing of it is lost or forgotten. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { IS_POSTGRES, newDatabase, psql, sql, STORE } from './support/database.mjs';
import { run, runs } from './support/program.mjs';
import { endShops, newKey, order, Shop, times, until, untilTime } from './support/shop.mjs';

const FIRST = readFileSync(new URL(`../../src/store/schema/${STORE}/0001_initial.sql`, import.meta.url), 'utf8');
const BRIEF_SECONDS = 4; /* is over once the database was migrated, but not before */
const TABLES = [...FIRST.matchAll(/^CREATE TABLE (\w+)/gm)].map(([, name]) => name);

/* A database of the first version with the rows of the other: its tables are the same but for those of migrations, and
 * jobs, which were payment timeouts alone. */
function ofFirstVersion(database) {
  const made = newDatabase();
  const copied = TABLES.filter((name) => !/migrations$|^(jobs|counters)$/.test(name));
  if (IS_POSTGRES) {
    const [from] = psql(database, 'SELECT current_schema();');
    sql(
      made,
      `BEGIN; ${FIRST}; SET session_replication_role = replica;
       INSERT INTO holdfast_migrations SELECT * FROM ${from}.holdfast_migrations WHERE number = 1;
       ${copied.map((name) => `DELETE FROM ${name}; INSERT INTO ${name} OVERRIDING SYSTEM VALUE SELECT * FROM ${from}.${name};`).join('\n')}
       UPDATE counters SET (last_sequence, live_holds) = (SELECT last_sequence, live_holds FROM ${from}.counters);
       INSERT INTO jobs SELECT 'payment_timeout', run_at, order_id FROM ${from}.payment_timeouts; COMMIT;`,
    );
  } else {
    sql(
      made,
      `ATTACH '${database.replace('sqlite:', '')}' AS made; BEGIN; ${FIRST};
       INSERT INTO main.schema_migrations SELECT * FROM made.schema_migrations WHERE number = 1;
       ${copied.map((name) => `DELETE FROM main.${name}; INSERT INTO main.${name} SELECT * FROM made.${name};`).join('\n')}
       INSERT INTO main.jobs SELECT 'payment_timeout', run_at, order_no FROM made.payment_timeouts;
       PRAGMA main.application_id = ${0x486f6c64}; PRAGMA main.user_version = 1; COMMIT;`,
    );
  }
  return made;
}

/* On SQLite a server does it unasked. */
const MIGRATING = IS_POSTGRES ? ['--migrate'] : [];
const migrate = async (database) => (await runs(['migrate', '--database', database])).stdout;

describe('a database of the first version', () => {
  const filled = new Shop();
  let shop;
  let sku;
  let keyed;
  let orders;
  let events;

  before(async () => {
    await filled.start();
    sku = await filled.sells(100);
    const expired = await filled.places({ [sku]: 1 }, { hold_seconds: 1 });
    const [paid, cancelled] = await times(2, () => filled.places({ [sku]: 2 }));
    await filled.pays(paid);
    await filled.post(`/v1/orders/${cancelled.order_id}/cancel`, undefined, 200);
    await filled.expired(expired);
    keyed = { key: newKey(), body: order('c-2', { [sku]: 3 }, { hold_seconds: 900 }) };
    keyed.answer = (await filled.post('/v1/orders', keyed.body, 201, { key: keyed.key })).body;
    await times(20, (i) => filled.places({ [sku]: 1 }, { hold_seconds: 600 + i }));
    await times(20, () => filled.places({ [sku]: 1 }, { hold_seconds: BRIEF_SECONDS }));
    orders = await filled.all('/v1/orders');
    events = await filled.all('/v1/events');
    await filled.stop();
    shop = new Shop({ database: ofFirstVersion(filled.database) });
  });
  after(async () => {
    filled.close();
    await endShops(shop);
  });

  const drafts = () => orders.filter(({ status }) => status === 'draft');
  const brief = () => drafts().filter((one) => Date.parse(one.expires_at) - Date.parse(one.created_at) === BRIEF_SECONDS * 1000);

  test('is refused by what does not migrate it', async () => {
    for (const command of IS_POSTGRES ? ['serve', 'work', 'audit'] : ['audit']) {
      const { status, stderr } = await run([command, '--database', shop.database]);
      assert.equal(status, 1);
      assert.match(stderr, /has schema 1 and this program needs \d+: run `holdfast migrate/, command);
    }
  });

  /* And so is one with nothing in it. */
  const unmigrated = () => [[1, ofFirstVersion(filled.database)], [0, newDatabase()]];

  test('is migrated by the first of several that start at once', async () => {
    for (const [version, database] of unmigrated()) {
      const said = await times(4, () => migrate(database));
      const first = said.filter((one) => one.includes(`migrated from version ${version} to `));
      assert.deepEqual([first.length, said.filter((one) => one.includes('nothing to do')).length], [1, 3], `${said}`);
      await runs(['audit', '--database', database]);
    }
  });

  test('is served by all that start at once', async () => {
    for (const [, database] of unmigrated()) {
      const shops = Array.from({ length: IS_POSTGRES ? 2 : 1 }, () => new Shop({ database, parameters: MIGRATING }));
      await Promise.all([migrate(database), ...shops.map((one) => one.serve())]);
      for (const one of shops) {
        await one.places({ [await one.sells(1)]: 1 });
      }
      await endShops(...shops);
    }
  });

  test('keeps its orders with their deadlines, its events and its keys', async () => {
    await untilTime(brief().map((one) => one.expires_at).sort().at(-1));
    assert.match(await migrate(shop.database), /migrated from version 1 to \d+/);
    const { status, stdout } = await run(['audit', '--database', shop.database]);
    assert.equal(status, 0, stdout);
    assert.match(stdout, /20 holds are overdue/);
    await shop.start();
    await until('what was due meanwhile is released', async () => (await shop.all('/v1/orders?status=expired')).length === 21);
    const seen = new Map((await shop.all('/v1/orders')).map((one) => [one.order_id, one]));
    assert.equal(seen.size, orders.length);
    const over = new Set(brief().map(({ order_id: id }) => id));
    for (const one of orders.filter(({ order_id: id }) => !over.has(id))) {
      assert.deepEqual(seen.get(one.order_id), one);
    }
    const since = await shop.all('/v1/events');
    assert.deepEqual(since.slice(0, events.length), events);
    assert.deepEqual(since.slice(events.length).map(({ type, data }) => [type, over.has(data.order_id)]), Array(20).fill(['order.expired', true]));
    assert.deepEqual((await shop.post('/v1/orders', keyed.body, 201, { key: keyed.key })).body, keyed.answer);
    await shop.post('/v1/orders', { ...keyed.body, customer_id: 'c-3' }, '422 idempotency_key_reused', { key: keyed.key });
    await shop.pays(keyed.answer);
    assert.equal(await shop.stock(sku), '95 on hand, 20 reserved');
  });
});
