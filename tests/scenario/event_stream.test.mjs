/* Server-Sent Events: every listener gets every event once, in order, whatever the others do. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { describe, test } from 'node:test';

import { createKey, run } from './support/program.mjs';
import { order, Shop, sleep, until, useShop } from './support/shop.mjs';

const PATH = '/v1/events/stream';

/* One that only counts, and checks that numbers ascend by one. */
class Listener {
  constructor(shop, { headers = {}, path = PATH } = {}) {
    this.sequences = [];
    this.text = '';
    this.gaps = 0;
    this.ended = new Promise((resolve) => {
      this.onEnd = resolve;
    });
    this.connected = new Promise((resolve, reject) => {
      this.request = http.get(`${shop.server.url}${path}`, { headers, agent: false }, (response) => {
        this.response = response;
        response.setEncoding('utf8');
        response.on('data', (text) => this.#take(text, resolve));
        response.on('close', () => this.onEnd());
        response.on('error', () => {});
        if (response.statusCode !== 200) {
          reject(new Error(`the stream answered ${response.statusCode}`));
        }
      });
      this.request.on('error', (error) => {
        reject(error);
        this.onEnd();
      });
    });
    this.connected.catch(() => {});
  }

  #take(text, connected) {
    this.text += text;
    const end = this.text.lastIndexOf('\n\n');
    if (end === -1) {
      return;
    }
    for (const block of this.text.slice(0, end).split('\n\n')) {
      if (block.includes(': connected')) {
        connected();
      }
      const id = block.match(/^id: (\d+)$/m);
      if (id !== null) {
        this.gaps += this.sequences.length > 0 && Number(id[1]) !== this.sequences.at(-1) + 1;
        this.sequences.push(Number(id[1]));
        this.last = block;
      }
    }
    this.text = this.text.slice(end + 2);
  }

  close() {
    this.request.destroy();
  }
}

async function listen(shop, options) {
  const listener = new Listener(shop, options);
  await listener.connected;
  return listener;
}

async function placesMany(shop, sku, count) {
  for (let left = count; left > 0; left -= 200) {
    const orders = Array.from({ length: Math.min(left, 200) }, (_, i) => order(`c-${i}`, { [sku]: 1 }));
    await shop.post('/v1/orders/batch', { orders }, 200);
  }
}

describe('the event stream', () => {
  const shop = useShop();

  test('shows each event as the log does, from now on', async () => {
    const sku = await shop.sells(10);
    await shop.places({ [sku]: 1 });
    const listener = await listen(shop);
    assert.match(listener.response.headers['content-type'], /^text\/event-stream/);
    assert.equal(listener.response.headers['cache-control'], 'no-cache');
    const placed = await shop.places({ [sku]: 1 });
    await until('it came', () => listener.sequences.length === 1);
    const [event] = await shop.all(`/v1/orders/${placed.order_id}/events`);
    assert.equal(listener.last, `id: ${event.sequence}\nevent: order.created\ndata: ${JSON.stringify(event)}`);
    listener.close();
  });

  test('resumes behind Last-Event-ID without a gap or a repeat, from however far back', async () => {
    const sku = await shop.sells(5000);
    await placesMany(shop, sku, 2500);
    const first = await listen(shop, { headers: { 'Last-Event-ID': '0' } });
    const { body } = await shop.get('/v1/events?limit=1');
    assert.equal(body.data[0].sequence, 1);
    await until('it has caught up', () => first.sequences.length > 2500, 10_000);
    const second = await listen(shop, { headers: { 'Last-Event-ID': '100' } });
    const third = await listen(shop, { path: `${PATH}?after=100` });
    await placesMany(shop, sku, 200);
    const newest = await until('all are at the tip', () => {
      const last = first.sequences.at(-1);
      return [second, third].every((one) => one.sequences.at(-1) === last) && first.sequences.length >= 2700 && last;
    });
    assert.deepEqual([first.sequences[0], second.sequences[0], third.sequences[0]], [1, 101, 101]);
    for (const listener of [first, second, third]) {
      assert.equal(listener.gaps, 0);
      assert.equal(listener.sequences.length, newest - listener.sequences[0] + 1);
      listener.close();
    }
  });

  test('refuses a position that is none, and answers HEAD without a stream', async () => {
    await shop.get(`${PATH}?after=-1`, 422);
    await shop.get(PATH, 422, { headers: { 'Last-Event-ID': 'yesterday' } });
    await shop.get(`${PATH}?type=order.paid`, '422 unknown_parameter');
    const { status, text } = await shop.send('HEAD', PATH);
    assert.deepEqual([status, text], [200, '']);
  });

  test('cuts off a listener that takes nothing, and lets the others go on', { timeout: 90_000 }, async () => {
    const impatient = new Shop({ parameters: ['--request-timeout=2'] });
    await impatient.start();
    const sku = await impatient.sells(100_000);
    const slow = await listen(impatient);
    slow.response.pause();
    slow.response.socket.pause();
    const good = await listen(impatient);
    await placesMany(impatient, sku, 40_000);
    await until('the good one has all', () => good.sequences.length === 40_000, 30_000);
    await until(
      'the other is cut off',
      async () => /event_stream_dropped_total\{reason="timeout"\} 1/.test((await impatient.get('/metrics')).text),
      20_000,
    );
    assert.equal(good.gaps, 0);
    good.close();
    slow.close();
    await impatient.stop();
    impatient.close();
  });

  test('gives 1,000 listeners every event of a rush, once', { timeout: 120_000 }, async () => {
    const LISTENERS = 1000;
    const ORDERS = 2000;
    const sku = await shop.sells(ORDERS);
    const listeners = [];
    for (let i = 0; i < LISTENERS; i += 100) {
      listeners.push(...(await Promise.all(Array.from({ length: 100 }, () => listen(shop)))));
    }
    await placesMany(shop, sku, ORDERS);
    /* One that takes the last unit makes stock.sold_out, too. */
    await until('all have all', () => listeners.every((one) => one.sequences.length === ORDERS + 1), 100_000);
    assert.equal(listeners.filter((one) => one.gaps > 0).length, 0);
    assert.equal(new Set(listeners.map((one) => one.sequences[0])).size, 1);
    listeners.forEach((one) => one.close());
    await until('nobody listens any more', async () =>
      /event_stream_listeners 0/.test((await shop.get('/metrics')).text),
    );
  });
});

describe('the event stream and the life of its server', () => {
  test('ends with its key, and at once when the server stops', async () => {
    const shop = new Shop();
    await shop.migrate();
    await run(['migrate', '--database', shop.database]);
    const key = await createKey(shop.database, 'read', 'listener');
    const other = await createKey(shop.database, 'read', 'other');
    await shop.start();
    const refused = new Listener(shop);
    await assert.rejects(refused.connected, /401/);
    const listener = await listen(shop, { headers: { Authorization: `Bearer ${key}` } });
    const stays = await listen(shop, { headers: { Authorization: `Bearer ${other}` } });
    await run(['keys', 'revoke', 'listener', '--database', shop.database]);
    await Promise.race([listener.ended, sleep(3000).then(() => assert.fail('it outlived its key'))]);
    const began = Date.now();
    await Promise.all([shop.stop(), stays.ended]);
    assert.ok(Date.now() - began < 3000, 'it held the server up');
    shop.close();
  });
});
