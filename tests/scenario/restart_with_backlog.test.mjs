/* kill -9 with thousands of holds to release and thousands of deliveries to make: whoever starts next does all of it, and
 * new orders do not wait for that. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { work } from './support/program.mjs';
import { Receiver } from './support/receiver.mjs';
import { Rush } from './support/rush.mjs';
import { endShops, order, Shop, sleep, until } from './support/shop.mjs';

const BACKLOG = 3000;
const HOLD_SECONDS = 2;
const ORDER_MS_MAX = 1000; /* a few batches behind, on a machine that does much else */
const TYPES = ['order.created', 'order.expired'];
const CONCURRENCY = 50;
const RESULTS_MAX = 1000; /* deliveries whose results are written at once */
const WEBHOOKS = ['--webhook-allow-private', '--webhook-backoff-ms=100', '--job-lease-seconds=2'];

const NO_JOBS = { parameters: [...WEBHOOKS, '--no-jobs'] };
const JOBS = { parameters: WEBHOOKS };

/* A shop whose server was killed: all of its orders are overdue, and nothing was delivered. */
async function leaveBacklog() {
  const shop = new Shop(NO_JOBS);
  await shop.start();
  const receiver = await Receiver.open();
  const { body: endpoint } = await shop.post(
    '/v1/webhook_endpoints',
    { url: receiver.url, types: TYPES, concurrency: CONCURRENCY },
    201,
  );
  receiver.secrets = [endpoint.secret];
  const sku = await shop.sells(BACKLOG);
  for (let i = 0; i < BACKLOG / 1000; i++) {
    const orders = Array.from({ length: 1000 }, (_, n) =>
      order(`c-${n}`, { [sku]: 1 }, { hold_seconds: HOLD_SECONDS }),
    );
    await shop.post('/v1/orders/batch', { orders }, 200);
  }
  await shop.kill();
  await sleep(HOLD_SECONDS * 1000);
  assert.equal(receiver.deliveries.length, 0);
  return { shop, receiver, sku, queue: `webhook:${endpoint.endpoint_id}` };
}

const eventsOf = async (shop) => (await Promise.all(TYPES.map((type) => shop.all(`/v1/events?type=${type}`)))).flat();

async function assertReleasedOnce(shop, sku) {
  assert.equal(await shop.stock(sku), `${BACKLOG} on hand, 0 reserved`);
  const expired = (await shop.all('/v1/events?type=order.expired')).map(({ data }) => data.order_id);
  assert.deepEqual([expired.length, new Set(expired).size], [BACKLOG, BACKLOG]);
}

/* Every event came, and is one delivery; the most that may have come twice. */
async function assertDelivered(shop, receiver, queue, repeatedMax) {
  const events = await eventsOf(shop);
  await until('all came', () => receiver.ids.size >= events.length, 20_000);
  assert.deepEqual([...receiver.ids].sort(), events.map(({ event_id: id }) => id).sort());
  await until(
    'all are completed',
    async () => (await shop.get('/v1/queues')).body.data.find((one) => one.queue === queue).counts.completed === events.length,
    10_000,
  );
  const repeated = receiver.deliveries.length - events.length;
  assert.ok(repeated <= repeatedMax, `${repeated} came twice`);
  receiver.assertVerified();
}

/* While something goes on, customers are served. */
async function serving(shop, deed) {
  const rush = new Rush([shop], await shop.sells(1_000_000), { customers: 4 });
  await Promise.all([rush.goesOn(100), deed()]);
  await rush.stop();
  assert.ok(rush.slowestMs < ORDER_MS_MAX, `customers waited: ${rush}`);
  await rush.reckon(shop);
}

describe('a backlog that a killed server left', () => {
  test('is done by the next one, which is killed over it, and the one after that', { timeout: 60_000 }, async () => {
    const { shop, receiver, sku, queue } = await leaveBacklog();
    await shop.start(JOBS);
    await until('some came', () => receiver.ids.size > BACKLOG / 10);
    await shop.kill();
    assert.ok(receiver.ids.size < 2 * BACKLOG, 'there is nothing left to do');
    await shop.start(JOBS);
    await serving(shop, () => until('all of the backlog came', () => receiver.ids.size >= 2 * BACKLOG, 20_000));
    await assertReleasedOnce(shop, sku);
    await assertDelivered(shop, receiver, queue, CONCURRENCY + RESULTS_MAX);
    await endShops(shop);
    receiver.close();
  });

  test('is left to a worker by a server that runs no jobs, but for the holds', { timeout: 60_000 }, async () => {
    const { shop, receiver, sku, queue } = await leaveBacklog();
    await shop.start(NO_JOBS);
    await serving(shop, () =>
      until('all holds are released', async () => (await shop.stock(sku)) === `${BACKLOG} on hand, 0 reserved`, 20_000),
    );
    await assertReleasedOnce(shop, sku);
    const { counts } = (await shop.get('/v1/queues')).body.data.find((one) => one.queue === queue);
    assert.equal(counts.scheduled, (await eventsOf(shop)).length);
    assert.equal(receiver.deliveries.length, 0);
    const worker = await work(shop.database, JOBS);
    await serving(shop, () => until('all of the backlog came', () => receiver.ids.size >= 2 * BACKLOG, 20_000));
    await assertDelivered(shop, receiver, queue, 0);
    assert.deepEqual(await worker.stop(), { status: 0, signal: null }, worker.logText());
    await endShops(shop);
    receiver.close();
  });
});
