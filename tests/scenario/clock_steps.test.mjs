/* The clock that counts is an hour ahead and is put right while a server and a worker run, or jumps ahead: the system's,
 * where the database is a file, else the database server's, and then those of the programs are wrong besides. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Clock } from './support/clock.mjs';
import { Cluster } from './support/cluster.mjs';
import { IS_POSTGRES, newDatabase, newSchema } from './support/database.mjs';
import { work } from './support/program.mjs';
import { Receiver } from './support/receiver.mjs';
import { Rush } from './support/rush.mjs';
import { endShops, Shop, sleep, until } from './support/shop.mjs';

const HOUR = 3600;
const HOUR_MS = HOUR * 1000;
const LEASE_MS = 2000;
const NOTICE_MS = 1000;
const SOON_MS = 3000; /* everybody looks once a second, and the machine may be busy */

const clock = new Clock();
const programsClock = IS_POSTGRES ? new Clock(-HOUR) : clock;

const PARAMETERS = [
  '--webhook-allow-private',
  '--webhook-backoff-ms=2000',
  `--job-lease-seconds=${LEASE_MS / 1000}`,
  `--payment-due-soon-seconds=${NOTICE_MS / 1000}`,
  /* Half an hour from now: due once in an hour that is jumped over, and not in the minutes that this takes. */
  `--prune-schedule=${new Date(clock.now() + HOUR_MS / 2).getUTCMinutes()} * * * *`,
];

/* One whose first answer waits until release() is called. */
async function openHoldingReceiver() {
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  const receiver = await Receiver.open(() => held);
  return Object.assign(receiver, { release });
}

const assertNear = (time, expectedMs, what) =>
  assert.ok(Math.abs(Date.parse(time) - expectedMs) < 1500, `${what}: ${time}, not ${new Date(expectedMs).toISOString()}`);

describe('a clock that is set by an hour', () => {
  let shop;
  let worker;
  const cluster = IS_POSTGRES ? new Cluster(clock.env) : undefined;

  before(async () => {
    await cluster?.start();
    shop = new Shop({
      database: IS_POSTGRES ? newSchema(cluster.uri) : newDatabase(),
      parameters: [...PARAMETERS, `--max-hold=${2 * HOUR}`],
      env: programsClock.env,
    });
    await shop.start();
    worker = await work(shop.database, { parameters: PARAMETERS, env: programsClock.env });
  });
  after(async () => {
    assert.deepEqual(await worker.stop(), { status: 0, signal: null }, worker.logText());
    await endShops(shop);
    cluster?.destroy();
  });

  const connect = async (receiver) =>
    (await shop.post('/v1/webhook_endpoints', { url: receiver.url, types: ['order.created'] }, 201)).body;
  const disconnect = async ({ endpoint_id: id }, receiver) => {
    await shop.call('DELETE', `/v1/webhook_endpoints/${id}`, undefined, 204);
    receiver.close();
  };
  const deliveries = ({ endpoint_id: id }) => shop.all(`/v1/webhook_deliveries?endpoint_id=${id}`);
  const areCompleted = (endpoint, count, limitMs = SOON_MS) =>
    until(
      `${count} deliveries are completed`,
      async () => {
        const found = (await deliveries(endpoint)).filter(({ state }) => state === 'completed');
        return found.length === count ? found : null;
      },
      limitMs,
    );
  const pruned = async () => (await shop.all('/v1/jobs?kind=prune')).length;
  const nextPruneAt = async () => Date.parse((await shop.get('/v1/schedules')).body.data[0].next_run_at);

  test('ahead: holds that are over then end at once, each once, and no payment is lost', async () => {
    clock.set(0);
    const sku = await shop.sells(100);
    const over = await Promise.all(Array.from({ length: 50 }, () => shop.places({ [sku]: 1 }, { hold_seconds: 900 })));
    const longer = await shop.places({ [sku]: 1 }, { hold_seconds: 2 * HOUR });
    const paid = await shop.places({ [sku]: 1 }, { hold_seconds: 900 });
    await shop.pays(paid);
    clock.set(HOUR);
    await until('they are released', async () => (await shop.stock(sku)) === '99 on hand, 1 reserved', SOON_MS);
    for (const one of over) {
      assert.deepEqual(await shop.eventTypes(one), ['order.created', 'order.expired']);
    }
    assert.equal((await shop.sees(paid)).status, 'paid');
    await shop.pays(longer);
    const late = await shop.pays(over[0]);
    assert.equal(late.revived, true);
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 900 });
    assertNear(placed.expires_at, clock.now() + 900_000, 'a new deadline');
    assert.equal(await shop.stock(sku), '97 on hand, 1 reserved');
  });

  test('ahead: what is on its way is sent once more at most, and what is periodic happens once', async () => {
    clock.set(0);
    const receiver = await openHoldingReceiver();
    const endpoint = await connect(receiver);
    const sku = await shop.sells(10);
    await until('the next prune is within the hour', async () => (await nextPruneAt()) <= clock.now() + HOUR_MS, SOON_MS);
    const before = await pruned();
    await shop.places({ [sku]: 1 });
    await until('it is under way', () => receiver.deliveries.length === 1);
    clock.set(HOUR);
    await until('the schedule has fired', async () => (await pruned()) > before, SOON_MS);
    await sleep(2 * LEASE_MS); /* that nothing more happens is to be seen by waiting alone */
    assert.ok(receiver.deliveries.length <= 2, `it was sent ${receiver.deliveries.length} times`);
    receiver.release();
    const [delivery] = await areCompleted(endpoint, 1);
    assert.ok(delivery.attempt <= 2);
    assert.equal(receiver.ids.size, 1);
    assert.equal(await pruned(), before + 1);
    assert.ok((await nextPruneAt()) > clock.now());
    await disconnect(endpoint, receiver);
  });

  test('back: new orders get the deadlines that they ask for, and expire by them', async () => {
    clock.set(HOUR);
    const sku = await shop.sells(10);
    await shop.places({ [sku]: 1 });
    clock.set(0);
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 2 });
    assertNear(placed.created_at, clock.now(), 'created');
    assertNear(placed.expires_at, clock.now() + 2000, 'a new deadline');
    await shop.expired(placed, 2000 + SOON_MS);
    assert.ok(clock.now() >= Date.parse(placed.expires_at));
    assert.equal(await shop.stock(sku), '10 on hand, 1 reserved');
    await until('the next prune is within the hour', async () => (await nextPruneAt()) <= clock.now() + HOUR_MS, SOON_MS);
  });

  test('back: orders are told of before their new deadlines', async () => {
    clock.set(HOUR);
    const sku = await shop.sells(10);
    const told = async (placed) => (await shop.eventTypes(placed)).includes('order.payment_due_soon');
    const early = await shop.places({ [sku]: 1 }, { hold_seconds: 2 });
    await until('one was told of', () => told(early), SOON_MS);
    clock.set(0);
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 4 });
    await until('another, too', () => told(placed), 4000);
  });

  test('back: deliveries go out, the new, those that waited in line, and those that had failed', async () => {
    clock.set(HOUR);
    let failures = 1;
    let signedMs;
    const [holding, failing] = [
      await openHoldingReceiver(),
      await Receiver.open((_, response) => {
        signedMs = Number(response.req.headers['webhook-timestamp']) * 1000;
        if (failures-- > 0) {
          response.writeHead(503).end();
        }
      }),
    ];
    const endpoints = [await connect(holding), await connect(failing)];
    const sku = await shop.sells(10);
    await shop.places({ [sku]: 1 });
    await until('one failed', async () =>
      (await deliveries(endpoints[1])).some(({ last_error: error }) => error !== null),
    );
    await shop.places({ [sku]: 1 });
    await until('one is under way', () => holding.deliveries.length === 1);
    clock.set(0);
    await shop.places({ [sku]: 1 });
    await until('the new one came', () => failing.ids.size === 3, SOON_MS);
    assert.ok(Math.abs(signedMs - clock.now()) < SOON_MS, `signed at ${new Date(signedMs).toISOString()}`);
    holding.release();
    await areCompleted(endpoints[1], 3, 2 * SOON_MS);
    await areCompleted(endpoints[0], 3, 2 * SOON_MS);
    assert.equal(holding.deliveries.length, 3);
    assert.equal(failing.deliveries.length, 4);
    await disconnect(endpoints[0], holding);
    await disconnect(endpoints[1], failing);
  });

  test('ahead and back: customers who order and pay meanwhile are served', async () => {
    clock.set(0);
    const rush = new Rush([shop], await shop.sells(1_000_000), { customers: 8 });
    for (const offset of [HOUR, 0, HOUR, 0]) {
      await rush.goesOn(100);
      clock.set(offset);
    }
    await rush.goesOn(100);
    await rush.stop();
    assert.deepEqual(Object.keys(rush.counts).sort(), ['200', '201'], `${rush}`);
    assert.ok(rush.slowestMs < SOON_MS, `${rush}`);
    await rush.reckon(shop);
  });

  test('back: leases are renewed', async () => {
    clock.set(HOUR);
    const receiver = await openHoldingReceiver();
    const endpoint = await connect(receiver);
    const sku = await shop.sells(10);
    await shop.places({ [sku]: 1 });
    await until('it is under way', () => receiver.deliveries.length === 1);
    clock.set(0);
    await sleep(2 * LEASE_MS); /* that nothing happens is to be seen by waiting alone */
    assert.equal(receiver.deliveries.length, 1);
    receiver.release();
    const [delivery] = await areCompleted(endpoint, 1);
    assert.equal(delivery.attempt, 1);
    await disconnect(endpoint, receiver);
  });
});
