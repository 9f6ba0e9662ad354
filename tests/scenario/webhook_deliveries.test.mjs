/* Events that reach receivers: signed, in order, at least once, however the receiver behaves. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Receiver } from './support/receiver.mjs';
import { newSku, order, sleep, times, until, useShop } from './support/shop.mjs';

const SETTINGS = {
  parameters: [
    '--webhook-allow-private',
    '--webhook-backoff-ms=100',
    '--webhook-attempts=4',
    '--webhook-timeout-seconds=2',
  ],
};

async function connect(shop, receiver, more = {}) {
  const { body } = await shop.post('/v1/webhook_endpoints', { url: receiver.url, ...more }, 201);
  receiver.secrets = [body.secret];
  return body;
}

const disconnect = (shop, endpoint) => shop.call('DELETE', `/v1/webhook_endpoints/${endpoint.endpoint_id}`, undefined, 204);
const deliveriesOf = (shop, { endpoint_id: id }, more = '') => shop.all(`/v1/webhook_deliveries?endpoint_id=${id}${more}`);
const one = async (shop, { delivery_id: id }) => (await shop.get(`/v1/webhook_deliveries/${id}`)).body;

async function delivered(shop, endpoint, state, count = 1) {
  return until(`${count} deliveries are ${state}`, async () => {
    const found = await deliveriesOf(shop, endpoint, `&state=${state}`);
    return found.length >= count ? found : null;
  }, 15_000);
}

describe('a webhook', () => {
  const shop = useShop(SETTINGS);

  test('tells of each event as the log has it, in its order, signed', async () => {
    const receiver = await Receiver.open();
    const endpoint = await connect(shop, receiver, { types: ['order.created', 'order.paid', 'order.cancelled'] });
    const sku = await shop.sells(50);
    const placed = [];
    for (let i = 0; i < 5; i++) {
      placed.push(await shop.places({ [sku]: 1 }));
    }
    await times(3, (i) => shop.pays(placed[i]));
    await shop.post(`/v1/orders/${placed[4].order_id}/cancel`, undefined, 200);
    await until('nine came', () => receiver.deliveries.length >= 9);
    receiver.assertVerified();
    const log = (await shop.all('/v1/events')).filter((event) =>
      receiver.deliveries.some((delivery) => delivery.event_id === event.event_id),
    );
    assert.deepEqual(
      receiver.deliveries.map(({ id, at, timestamp, ...event }) => event),
      log,
    );
    for (const delivery of receiver.deliveries) {
      assert.equal(delivery.id, delivery.event_id);
      assert.equal(delivery.timestamp, delivery.created_at);
    }
    await delivered(shop, endpoint, 'completed', 9);
    await disconnect(shop, endpoint);
    receiver.close();
  });

  test('is tried again until the receiver takes it, and each attempt is in its log', async () => {
    let failures = 2;
    const receiver = await Receiver.open((_, response) => {
      if (failures-- > 0) {
        response.writeHead(500).end('out of order');
      }
    });
    const endpoint = await connect(shop, receiver, { types: ['order.created'] });
    await shop.places({ [await shop.sells(1)]: 1 });
    const [delivery] = await delivered(shop, endpoint, 'completed');
    assert.equal(receiver.deliveries.length, 3);
    assert.equal(receiver.ids.size, 1, 'the message keeps its id');
    receiver.assertVerified();
    const { attempts, attempt } = await one(shop, delivery);
    assert.equal(attempt, 3);
    assert.deepEqual(attempts.map(({ status }) => status), [500, 500, 200]);
    assert.match(attempts[0].error, /answered 500: out of order/);
    assert.ok(attempts.every(({ latency_ms: latency }) => Number.isInteger(latency)));
    await disconnect(shop, endpoint);
    receiver.close();
  });

  test('is dead after the last attempt, and can be retried and delivered again by hand', async () => {
    let works = false;
    const receiver = await Receiver.open((_, response) => works || response.writeHead(503).end());
    const endpoint = await connect(shop, receiver, { types: ['order.created'] });
    await shop.places({ [await shop.sells(1)]: 1 });
    const [dead] = await delivered(shop, endpoint, 'dead');
    assert.equal(receiver.deliveries.length, 4);
    assert.match(dead.last_error, /answered 503/);
    works = true;
    const { body: again } = await shop.post(`/v1/jobs/${dead.delivery_id}/retry`, undefined, 200);
    assert.equal(again.state, 'scheduled');
    await delivered(shop, endpoint, 'completed');
    await shop.post(`/v1/webhook_deliveries/${dead.delivery_id}/redeliver`, undefined, 201);
    await delivered(shop, endpoint, 'completed', 2);
    assert.equal(receiver.ids.size, 1);
    assert.equal(receiver.deliveries.length, 6);
    await disconnect(shop, endpoint);
    receiver.close();
  });

  test('does not wait for another endpoint that hangs, resets, trickles, or floods', async () => {
    const chunk = Buffer.alloc(1 << 20, 'x');
    const bad = await Promise.all([
      Receiver.open((_, response) => {
        response.held = true; /* for ever */
      }),
      Receiver.open((_, response) => response.destroy()),
      Receiver.open((_, response) => {
        response.held = true;
        response.writeHead(200);
        const timer = setInterval(() => response.write('.'), 200);
        response.on('close', () => clearInterval(timer));
      }),
      Receiver.open((_, response) => {
        response.held = true;
        response.writeHead(200, { 'Content-Length': 100 << 20 });
        let left = 100;
        const more = () => {
          while (left-- > 0) {
            if (!response.write(chunk)) {
              return response.once('drain', more);
            }
          }
          return response.end();
        };
        more();
      }),
    ]);
    const good = await Receiver.open();
    const endpoints = [];
    for (const receiver of [...bad, good]) {
      endpoints.push(await connect(shop, receiver, { types: ['order.created'] }));
    }
    const sku = await shop.sells(100);
    const began = Date.now();
    await times(20, () => shop.places({ [sku]: 1 }));
    await until('the good one has all', () => good.ids.size === 20);
    assert.ok(Date.now() - began < 2000, 'it waited for the others');
    const [flooded] = await delivered(shop, endpoints[3], 'completed');
    assert.equal((await one(shop, flooded)).attempts[0].status, 200);
    const [reset] = await until('the one that resets has failed', async () => {
      const found = (await deliveriesOf(shop, endpoints[1])).filter(({ last_error: error }) => error !== null);
      return found.length > 0 ? found : null;
    });
    assert.equal((await one(shop, reset)).attempts[0].status, null);
    await until('the one that hangs has timed out', async () =>
      (await deliveriesOf(shop, endpoints[0])).some(({ last_error: error }) => error !== null),
    );
    good.assertVerified();
    for (const endpoint of endpoints) {
      await disconnect(shop, endpoint);
    }
    [...bad, good].forEach((receiver) => receiver.close());
  });

  test('finds a worker, though others that hang would take all there are', { timeout: 60_000 }, async () => {
    const hanging = await Receiver.open((_, response) => {
      response.held = true;
    });
    const good = await Receiver.open();
    const sku = await shop.sells(1000);
    const bad = await times(3, () => connect(shop, hanging, { types: ['order.created'], concurrency: 100 }));
    await shop.post('/v1/orders/batch', { orders: Array.from({ length: 150 }, () => order('c', { [sku]: 1 })) }, 200);
    await until('they hang', () => hanging.deliveries.length >= 190);
    const endpoint = await connect(shop, good, { types: ['order.created'] });
    const began = Date.now();
    for (let i = 1; i <= 20; i++) {
      await shop.places({ [sku]: 1 });
      await until('it came', () => good.ids.size === i);
    }
    assert.ok(Date.now() - began < 1500, 'it waited for the others');
    for (const one of [...bad, endpoint]) {
      await disconnect(shop, one);
    }
    [hanging, good].forEach((receiver) => receiver.close());
  });

  test('is asked less and less while it fails, and has all soon after it is mended', async () => {
    let isDown = true;
    const receiver = await Receiver.open((_, response) => isDown && response.writeHead(503).end());
    const endpoint = await connect(shop, receiver, { types: ['order.created'] });
    const sku = await shop.sells(1000);
    await shop.post('/v1/orders/batch', { orders: Array.from({ length: 500 }, () => order('c', { [sku]: 1 })) }, 200);
    await sleep(2500);
    const asked = receiver.deliveries.length;
    assert.ok(asked >= 3 && asked <= 20, `asked ${asked} times`);
    const { held_until: heldUntil } = (await shop.get(`/v1/webhook_endpoints/${endpoint.endpoint_id}`)).body;
    assert.ok(heldUntil !== null);
    isDown = false;
    await shop.post(`/v1/webhook_endpoints/${endpoint.endpoint_id}/test`, undefined, 202); /* somebody says so */
    await until('all but what is to be tried later came', () => receiver.ids.size >= 480, 5000);
    const after = (await shop.get(`/v1/webhook_endpoints/${endpoint.endpoint_id}`)).body;
    assert.deepEqual([after.held_until, after.failing_since], [null, null]);
    receiver.assertVerified();
    await disconnect(shop, endpoint);
    receiver.close();
  });

  test('that says how long it wants none gets none for so long', async () => {
    const receiver = await Receiver.open(
      (_, response) => receiver.deliveries.length === 1 && response.writeHead(429, { 'Retry-After': '1' }).end(),
    );
    const endpoint = await connect(shop, receiver, { types: ['order.created'] });
    const sku = await shop.sells(10);
    await times(5, () => shop.places({ [sku]: 1 }));
    await until('all came', () => receiver.ids.size === 5);
    const [first, second] = receiver.deliveries;
    assert.ok(second.at - first.at >= 990, `after ${second.at - first.at} ms`);
    await disconnect(shop, endpoint);
    receiver.close();
  });

  test('of an endpoint that is disabled waits, even where its queue is resumed', async () => {
    const receiver = await Receiver.open();
    const endpoint = await connect(shop, receiver, { types: ['order.created'] });
    const queue = `/v1/queues/webhook:${endpoint.endpoint_id}`;
    const sku = await shop.sells(10);
    await shop.post(`${queue}/pause`, undefined, 200);
    await shop.places({ [sku]: 1 });
    const path = `/v1/webhook_endpoints/${endpoint.endpoint_id}`;
    await shop.patch(path, { status: 'disabled' }, 200);
    await shop.patch(path, { status: 'enabled' }, 200);
    await sleep(200);
    assert.equal(receiver.deliveries.length, 0); /* the pause was not undone */
    await shop.patch(path, { status: 'disabled' }, 200);
    await shop.post(`${queue}/resume`, undefined, 200);
    await sleep(200);
    assert.equal(receiver.deliveries.length, 0);
    await shop.patch(path, { status: 'enabled' }, 200);
    await until('it came', () => receiver.deliveries.length === 1);
    await disconnect(shop, endpoint);
    receiver.close();
  });

  test('is signed by both secrets for a while after a rotation', async () => {
    const receiver = await Receiver.open();
    const endpoint = await connect(shop, receiver, { types: ['order.created'] });
    const { body } = await shop.post(`/v1/webhook_endpoints/${endpoint.endpoint_id}/rotate_secret`, undefined, 200);
    assert.notEqual(body.secret, endpoint.secret);
    receiver.secrets.push(body.secret);
    await sleep(1100); /* the change counts within a second */
    await shop.places({ [await shop.sells(1)]: 1 });
    await until('it came', () => receiver.deliveries.length === 1);
    receiver.assertVerified();
    await disconnect(shop, endpoint);
    receiver.close();
  });

  test('can be tested by hand, and stops with its endpoint', async () => {
    const receiver = await Receiver.open();
    const endpoint = await connect(shop, receiver);
    await shop.post(`/v1/webhook_endpoints/${endpoint.endpoint_id}/test`, undefined, 202);
    await until('the test came', () => receiver.deliveries.some(({ type }) => type === 'webhook.test'));
    receiver.assertVerified();
    await disconnect(shop, endpoint);
    const count = receiver.deliveries.length;
    await shop.places({ [await shop.sells(1)]: 1 });
    await sleep(300);
    assert.equal(receiver.deliveries.length, count);
    receiver.close();
  });

  test('disables an endpoint that is gone, with an event that tells the others', async () => {
    const gone = await Receiver.open((_, response) => response.writeHead(410).end());
    const other = await Receiver.open();
    const endpoint = await connect(shop, gone, { types: ['order.created'] });
    const watcher = await connect(shop, other, { types: ['webhook_endpoint.disabled'] });
    await shop.places({ [await shop.sells(1)]: 1 });
    await until('the other was told', () =>
      other.deliveries.some(({ data }) => data.endpoint_id === endpoint.endpoint_id),
    );
    const { body } = await shop.get(`/v1/webhook_endpoints/${endpoint.endpoint_id}`);
    assert.deepEqual([body.status, body.disabled_reason], ['disabled', 'it answered 410 Gone']);
    const { body: queue } = await shop.post(`/v1/queues/webhook:${endpoint.endpoint_id}/resume`, undefined, 200);
    assert.equal(queue.paused, false);
    await disconnect(shop, endpoint);
    await disconnect(shop, watcher);
    [gone, other].forEach((receiver) => receiver.close());
  });

  test('that is promoted does not wait for its time', async () => {
    let works = false;
    const receiver = await Receiver.open((_, response) => works || response.writeHead(429, { 'Retry-After': '600' }).end());
    const endpoint = await connect(shop, receiver, { types: ['stock.adjusted'] });
    const sku = await shop.sells(1, { sku: newSku('promoted') });
    await shop.post(`/v1/stock/${sku}/adjustments`, { delta: 3 }, 201);
    const waiting = await until('it failed once', async () =>
      (await deliveriesOf(shop, endpoint)).find(({ last_error: error }) => error !== null),
    );
    assert.ok(Date.parse(waiting.next_attempt_at) > Date.now() + 500_000, 'Retry-After was heard');
    works = true;
    await shop.post(`/v1/jobs/${waiting.delivery_id}/promote`, undefined, 200);
    await delivered(shop, endpoint, 'completed');
    await disconnect(shop, endpoint);
    receiver.close();
  });
});
