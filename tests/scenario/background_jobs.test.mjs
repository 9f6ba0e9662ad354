/* Workers that die, stall, stop and wake: every job takes effect, and none belongs to two at a time. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { work } from './support/program.mjs';
import { Receiver } from './support/receiver.mjs';
import { endShops, order, Shop, sleep, times, until } from './support/shop.mjs';

const WEBHOOKS = ['--webhook-allow-private', '--webhook-backoff-ms=100'];
const LEASE = '--job-lease-seconds=2';
const STOPPED = { status: 0, signal: null };

async function openShop(parameters = []) {
  const shop = new Shop({ parameters: [...WEBHOOKS, LEASE, ...parameters] });
  await shop.start();
  return shop;
}

async function connect(shop, receiver, more = {}) {
  const { body } = await shop.post(
    '/v1/webhook_endpoints',
    { url: receiver.url, types: ['order.created'], ...more },
    201,
  );
  receiver.secrets = [body.secret];
  return body;
}

/* So many orders, and so many deliveries. */
async function places(shop, count) {
  const sku = await shop.sells(count);
  for (let left = count; left > 0; left -= 1000) {
    const orders = Array.from({ length: Math.min(left, 1000) }, (_, i) => order(`c-${i}`, { [sku]: 1 }));
    await shop.post('/v1/orders/batch', { orders }, 200);
  }
}

const queueOf = async (shop, { endpoint_id: id }) =>
  (await shop.get('/v1/queues')).body.data.find(({ queue }) => queue === `webhook:${id}`);

const startWorker = (shop, parameters = []) =>
  work(shop.database, { parameters: [...WEBHOOKS, LEASE, '--listen', '127.0.0.1:0', ...parameters] });
const addressOf = (worker) => worker.log.find((line) => line.event === 'worker_started').listen;

async function metric(worker, pattern) {
  const text = await (await fetch(`http://${addressOf(worker)}/metrics`)).text();
  return Number(text.match(pattern)?.[1] ?? 0);
}

describe('background jobs', () => {
  test('a server that runs none leaves them to a worker beside it', async () => {
    const shop = await openShop(['--no-jobs']);
    const receiver = await Receiver.open();
    const endpoint = await connect(shop, receiver);
    await places(shop, 20);
    await sleep(300);
    assert.equal(receiver.deliveries.length, 0);
    assert.equal((await queueOf(shop, endpoint)).counts.scheduled, 20);
    const worker = await startWorker(shop);
    await until('all came', () => receiver.ids.size === 20, 10_000);
    assert.equal(receiver.deliveries.length, 20);
    receiver.assertVerified();
    assert.deepEqual(await worker.stop(), STOPPED, worker.logText());
    await endShops(shop);
    receiver.close();
  });

  test('kill -9 of a worker in the middle of 10,000 deliveries loses none', { timeout: 240_000 }, async () => {
    const COUNT = 10_000;
    const shop = await openShop(['--no-jobs']);
    const receiver = await Receiver.open();
    const endpoint = await connect(shop, receiver, { concurrency: 50 });
    await places(shop, COUNT);
    let worker = await startWorker(shop);
    for (const share of [0.2, 0.5]) {
      await until('some came', () => receiver.ids.size > COUNT * share, 60_000);
      await worker.kill();
      worker = await startWorker(shop);
    }
    await until('all came', () => receiver.ids.size === COUNT, 120_000);
    await until('all are completed', async () => (await queueOf(shop, endpoint)).counts.completed === COUNT, 30_000);
    /* Each kill may have cut off what was on its way, no more. */
    const repeated = receiver.deliveries.length - COUNT;
    assert.ok(repeated <= 2 * 50 + 2000, `${repeated} came twice`);
    receiver.assertVerified();
    assert.deepEqual(await worker.stop(), STOPPED, worker.logText());
    await endShops(shop);
    receiver.close();
  });

  test('a worker that stalls past its lease is replaced, and cannot finish what another has', async () => {
    const shop = await openShop(['--no-jobs']);
    let release;
    const held = new Promise((resolve) => {
      release = resolve;
    });
    let seen = 0;
    const receiver = await Receiver.open(() => (++seen === 1 ? held : undefined));
    const endpoint = await connect(shop, receiver);
    const stalled = await startWorker(shop);
    await places(shop, 1);
    await until('the first attempt is under way', () => seen === 1);
    stalled.signal('SIGSTOP');
    const other = await startWorker(shop);
    await until('another worker has delivered it', async () => (await queueOf(shop, endpoint)).counts.completed === 1, 15_000);
    assert.equal(await metric(other, /^holdfast_job_lease_takeovers_total\{kind="webhook_delivery"\} (\d+)$/m), 1);
    release();
    stalled.signal('SIGCONT');
    await until(
      'the stalled one was fenced',
      async () => (await metric(stalled, /^holdfast_job_fenced_total\{kind="webhook_delivery"\} (\d+)$/m)) === 1,
      15_000,
    );
    const [delivery] = await shop.all(`/v1/webhook_deliveries?endpoint_id=${endpoint.endpoint_id}`);
    assert.deepEqual([delivery.state, delivery.attempt], ['completed', 2]);
    for (const worker of [stalled, other]) {
      assert.deepEqual(await worker.stop(), STOPPED, worker.logText());
    }
    await endShops(shop);
    receiver.close();
  });

  test('all queues of all processes together run no more at once than their limit', async () => {
    const shop = await openShop(['--no-jobs']);
    let running = 0;
    let most = 0;
    const receiver = await Receiver.open(async () => {
      most = Math.max(most, ++running);
      await sleep(50);
      running -= 1;
    });
    await times(3, () => connect(shop, receiver, { concurrency: 10 }));
    await shop.patch('/v1/queues/all', { concurrency: 4 }, 200);
    await shop.post('/v1/queues/all/pause', undefined, 200);
    await places(shop, 20);
    const workers = [await startWorker(shop), await startWorker(shop)];
    await sleep(300);
    assert.equal(receiver.deliveries.length, 0);
    await shop.post('/v1/queues/all/resume', undefined, 200);
    await until('all came', () => receiver.deliveries.length === 60, 30_000);
    assert.equal(most, 4);
    for (const worker of workers) {
      assert.deepEqual(await worker.stop(), STOPPED, worker.logText());
    }
    await endShops(shop);
    receiver.close();
  });

  test('a worker that is told to stop finishes what it can, and hands the rest back', async () => {
    const shop = await openShop(['--no-jobs']);
    const receiver = await Receiver.open((_, response) => {
      response.held = true; /* for ever */
    });
    const endpoint = await connect(shop, receiver);
    const worker = await startWorker(shop, ['--drain-seconds=2']);
    await places(shop, 1);
    await until('it is under way', () => receiver.deliveries.length === 1);
    const began = Date.now();
    assert.deepEqual(await worker.stop(), STOPPED, worker.logText());
    assert.ok(Date.now() - began < 4000);
    const queue = await queueOf(shop, endpoint);
    assert.deepEqual([queue.counts.scheduled, queue.counts.running], [1, 0]);
    const [delivery] = await shop.all(`/v1/webhook_deliveries?endpoint_id=${endpoint.endpoint_id}`);
    assert.deepEqual([delivery.state, delivery.attempt], ['scheduled', 0]);
    await endShops(shop);
    receiver.close();
  });

  test('a queue that was paused stays so over a restart, and goes on where it was resumed', async () => {
    const shop = await openShop();
    const receiver = await Receiver.open();
    const endpoint = await connect(shop, receiver);
    const queue = `/v1/queues/webhook:${endpoint.endpoint_id}`;
    await shop.post(`${queue}/pause`, undefined, 200);
    await places(shop, 5);
    await shop.kill();
    await shop.start();
    await sleep(300);
    assert.equal(receiver.deliveries.length, 0);
    assert.equal((await queueOf(shop, endpoint)).paused, true);
    await shop.post(`${queue}/resume`, undefined, 200);
    await until('the backlog came', () => receiver.ids.size === 5);
    await endShops(shop);
    receiver.close();
  });

  test('two workers share one endpoint, whose deliveries keep their order', async () => {
    const shop = await openShop(['--no-jobs']);
    const receiver = await Receiver.open();
    await connect(shop, receiver);
    const workers = [await startWorker(shop), await startWorker(shop)];
    await places(shop, 200);
    await until('all came', () => receiver.deliveries.length >= 200, 20_000);
    const sequences = receiver.deliveries.map(({ sequence }) => sequence);
    assert.deepEqual(sequences, [...sequences].sort((a, b) => a - b));
    assert.equal(receiver.deliveries.length, 200);
    for (const worker of workers) {
      assert.deepEqual(await worker.stop(), STOPPED, worker.logText());
    }
    await endShops(shop);
    receiver.close();
  });

  test('an unpaid order gets order.payment_due_soon once, some time before its deadline', async () => {
    const shop = await openShop(['--payment-due-soon-seconds=2']);
    const sku = await shop.sells(100);
    const [longer, shorter] = [
      await times(5, () => shop.places({ [sku]: 1 }, { hold_seconds: 3 })),
      await shop.places({ [sku]: 1 }, { hold_seconds: 2 }),
    ];
    await shop.pays(longer[4]);
    const told = await until(
      'four were told of',
      async () => {
        const events = await shop.all('/v1/events?type=order.payment_due_soon');
        return events.length >= 4 ? events : null;
      },
      8000,
    );
    await shop.expired(longer[0], 8000);
    const ids = (await shop.all('/v1/events?type=order.payment_due_soon')).map(({ data }) => data.order_id);
    assert.deepEqual(ids.sort(), longer.slice(0, 4).map(({ order_id: id }) => id).sort());
    for (const { created_at: at, data } of told) {
      const before = Date.parse(data.expires_at) - Date.parse(at);
      assert.ok(before > 1000 && before <= 2000, `told ${before} ms before`);
    }
    assert.ok(!ids.includes(shorter.order_id), 'its hold was no longer than the notice');
    await endShops(shop);
  });

  test('a wrong schedule stops the start, with the reason', async () => {
    for (const [parameter, reason] of [
      ['--prune-schedule=61 * * * *', /minute/],
      ['--prune-schedule=0 0 30 2 *', /comes in no month/],
      ['--time-zone=Europe/Nowhere', /time zone/],
    ]) {
      const shop = new Shop({ parameters: [parameter] });
      await assert.rejects(shop.start(), reason);
      shop.close();
    }
  });
});
