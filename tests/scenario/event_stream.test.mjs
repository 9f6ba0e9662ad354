import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { Listener } from './support/listener.mjs';
import { checkResponse } from './support/openapi.mjs';
import { createKey, runs } from './support/program.mjs';
import { newSku, sleep, times, until, useShop, withShop } from './support/shop.mjs';
import { Wire } from './support/wire.mjs';

const TARGET = '/v1/events/stream';

const lastSequence = async (shop) => (await shop.all('/v1/events')).at(-1)?.sequence ?? 0;
const since = (shop, sequence) => shop.all(`/v1/events?after=${sequence}`);
const idsOf = (events) => events.map((event) => event.id);
const range = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

const metric = async (shop, name) => {
  const { text } = await shop.get('/metrics');
  return Number(text.split('\n').find((line) => line.startsWith(`${name} `))?.slice(name.length));
};

const peakMib = (shop) =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${shop.server.process.pid}/status`, 'utf8'))[1]) / 1024;
const cpuSeconds = (shop) => {
  const fields = readFileSync(`/proc/${shop.server.process.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

const wideSku = (shop) => shop.sells(1_000_000_000, { sku: newSku('wide').padEnd(128, '-') });

/* So many orders, a multiple of 50, of a hundred long lines each: 15 KiB an event. */
async function wideOrders(shop, sku, count) {
  const wide = { customer_id: 'c-wide', items: Array(100).fill({ sku, quantity: 1 }) };
  for (let made = 0; made < count; made += 50) {
    await shop.post('/v1/orders/batch', { orders: Array(50).fill(wide) }, 200);
  }
}

describe('the event stream', () => {
  const shop = useShop();

  test('shows each event as the log does, as it happens', async () => {
    const sku = await shop.sells(1);
    const start = await lastSequence(shop);
    const listener = await Listener.open(shop);
    assert.equal(listener.comments, 1, 'the greeting');
    const placed = await shop.places({ [sku]: 1 });
    const heard = Date.now();
    await listener.until(2);
    assert.ok(Date.now() - heard < 1000);
    await shop.pays(placed);
    await listener.until(3);
    const log = await since(shop, start);
    assert.deepEqual(
      log.map((event) => event.type),
      ['order.created', 'stock.sold_out', 'order.paid'],
    );
    assert.deepEqual(
      listener.events.map(({ id, event, data }) => ({ id, event, data })),
      log.map((event) => ({ id: event.sequence, event: event.type, data: event })),
    );
    listener.close();
  });

  test('is what the document says, by its headers too', async () => {
    const listener = await Listener.open(shop);
    const names = ['x-request-id', 'content-type'];
    const headers = Object.fromEntries(names.map((name) => [name, listener.header(name)]));
    checkResponse('GET', TARGET, undefined, { status: 200, headers, text: '' });
    assert.match(listener.head, /^HTTP\/1.1 200 OK\r\n/);
    assert.equal(listener.header('Content-Type'), 'text/event-stream');
    assert.equal(listener.header('Cache-Control'), 'no-cache');
    assert.equal(listener.header('X-Accel-Buffering'), 'no');
    listener.close();
  });

  test('begins with a time to wait before connecting again, and a comment', async () => {
    const wire = await Wire.open(shop.server.port);
    wire.send(`GET ${TARGET} HTTP/1.0\r\n\r\n`);
    await until('it is connected', () => wire.received.includes(': connected'));
    assert.equal(wire.received.toString().split('\r\n\r\n')[1], 'retry: 1000\n: connected\n\n');
    wire.close();
  });

  test('goes on where Last-Event-ID says, or ?after=; the header wins', async () => {
    const sku = await shop.sells(100);
    const start = await lastSequence(shop);
    await times(20, () => shop.places({ [sku]: 1 }));
    const all = range(start + 1, start + 20);
    for (const [options, expected] of [
      [{ after: start + 5 }, all.slice(5)],
      [{ target: `${TARGET}?after=${start + 7}` }, all.slice(7)],
      [{ target: `${TARGET}?after=${start + 15}`, after: start + 3 }, all.slice(3)],
      [{ target: `${TARGET}?after=${start + 9}`, after: '' }, all.slice(9)],
      [{ after: start }, all],
    ]) {
      const listener = await Listener.open(shop, options);
      await listener.until(expected.length);
      assert.deepEqual(idsOf(listener.events), expected);
      listener.close();
    }
    const whole = await Listener.open(shop, { after: 0 });
    await whole.until(start + 20);
    assert.deepEqual(idsOf(whole.events), range(1, start + 20));
    whole.close();
  });

  test('who is ahead of the log waits for what follows', async () => {
    const sku = await shop.sells(100);
    const start = await lastSequence(shop);
    const listener = await Listener.open(shop, { after: start + 2 });
    await times(4, () => shop.places({ [sku]: 1 }));
    await listener.until(2);
    assert.deepEqual(idsOf(listener.events), [start + 3, start + 4]);
    listener.close();
  });

  test('nothing is lost or repeated by clients that come and go', async () => {
    const sku = await shop.sells(100_000);
    const start = await lastSequence(shop);
    let isOver = false;
    const comeAndGo = async () => {
      const seen = [];
      while (!isOver || (seen.at(-1)?.id ?? start) < (await lastSequence(shop))) {
        const listener = await Listener.open(shop, { after: seen.at(-1)?.id ?? start });
        await sleep(Math.random() * 60);
        listener.close();
        seen.push(...listener.events);
      }
      return idsOf(seen);
    };
    const clients = times(20, comeAndGo);
    for (let i = 0; i < 10; i += 1) {
      await times(50, () => shop.places({ [sku]: 1 }));
    }
    isOver = true;
    for (const ids of await clients) {
      assert.deepEqual(ids, range(start + 1, start + 500));
    }
  });

  test('a position that is none is refused', async () => {
    for (const id of ['x', '-1', '1.5', '99999999999999999999']) {
      const { body } = await shop.get(TARGET, '422 invalid_request', { headers: { 'Last-Event-ID': id } });
      assert.equal(body.errors[0].field, 'Last-Event-ID');
    }
    const { body } = await shop.get(`${TARGET}?after=-1`, '422 invalid_request', { headers: { 'Last-Event-ID': 'x' } });
    assert.deepEqual(body.errors.map((error) => error.field).sort(), ['Last-Event-ID', 'after']);
    await shop.get(`${TARGET}?type=order.paid`, '422 unknown_parameter');
    const wire = await Wire.open(shop.server.port);
    wire.send(`GET ${TARGET} HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1\r\nLast-Event-ID: 2\r\n\r\n`);
    assert.equal(JSON.parse((await wire.answer()).body).errors[0].code, 'repeated');
    wire.close();
  });

  test('HEAD answers the headers only', async () => {
    const { headers } = await shop.head(TARGET);
    assert.equal(headers['content-type'], 'text/event-stream');
    assert.equal(headers['cache-control'], 'no-cache');
    await shop.head(`${TARGET}?after=x`, 422);
    await shop.post(TARGET, {}, '405 method_not_allowed');
  });

  test('is counted while it lasts, and its time is no latency', async () => {
    const before = await metric(shop, 'holdfast_event_stream_events_sent_total');
    const answered = `holdfast_http_requests_total{route="${TARGET}",method="GET",status="200"}`;
    const ended = (await metric(shop, answered)) || 0;
    const timed = `holdfast_http_request_duration_seconds_count{route="${TARGET}",method="GET"}`;
    const observed = (await metric(shop, timed)) || 0;
    const listeners = await times(5, () => Listener.open(shop));
    assert.equal(await metric(shop, 'holdfast_event_stream_listeners'), 5);
    const sku = await shop.sells(10);
    await times(2, () => shop.places({ [sku]: 1 }));
    await Promise.all(listeners.map((listener) => listener.until(2)));
    const sent = async () => (await metric(shop, 'holdfast_event_stream_events_sent_total')) - before;
    await until('they are counted', async () => (await sent()) === 10);
    listeners.forEach((listener) => listener.close());
    await until('they are gone', async () => (await metric(shop, 'holdfast_event_stream_listeners')) === 0);
    assert.equal(await metric(shop, answered), ended + 5);
    assert.equal((await metric(shop, timed)) || 0, observed);
  });
});

describe('a silent stream', () => {
  const shop = useShop({ parameters: ['--stream-heartbeat-seconds', '1', '--log-requests'] });

  test('says now and then that it lives', async () => {
    const sku = await shop.sells(10);
    const listener = await Listener.open(shop);
    await sleep(700);
    await shop.places({ [sku]: 1 });
    await listener.until(1);
    await sleep(700);
    assert.equal(listener.comments, 1, 'it was not silent for a second');
    await until('there are heartbeats', () => listener.comments >= 3, 3000);
    await shop.places({ [sku]: 1 });
    await listener.until(2);
    listener.close();
  });

  test('has a line in the log of requests when it has ended', async () => {
    const listener = await Listener.open(shop);
    const id = listener.header('X-Request-Id');
    const logged = () => shop.server.log.find((entry) => entry.event === 'request' && entry.request_id === id);
    await sleep(300);
    assert.equal(logged(), undefined);
    listener.close();
    const line = await until('it is logged', logged);
    assert.deepEqual([line.route, line.status], [TARGET, 200]);
    assert.ok(line.duration_ms >= 290 && line.body_bytes > 0);
  });
});

describe('who may listen', () => {
  const shop = useShop();

  test('whoever has a key that reads, until it is revoked', async () => {
    const revoked = await createKey(shop.database, 'read', 'revoked');
    const kept = await createKey(shop.database, 'read', 'kept');
    shop.bearer = await createKey(shop.database, 'admin');
    const anybody = { headers: { Authorization: undefined } };
    await until('the keys count', async () => (await shop.look('/v1/orders', anybody)).status === 401);
    await shop.get(TARGET, '401 unauthenticated', anybody);
    const listeners = {
      revoked: await Listener.open(shop, { bearer: revoked }),
      kept: await Listener.open(shop, { bearer: kept }),
    };
    await runs(['keys', 'revoke', '--database', shop.database, 'revoked']);
    await until('its stream ends', () => listeners.revoked.isClosed, 2000);
    assert.ok(listeners.revoked.hasEnded, 'in order');
    await shop.get(TARGET, '401 unauthenticated', { bearer: revoked });
    const sku = await shop.sells(10);
    await shop.places({ [sku]: 1 });
    await listeners.kept.until(1);
    assert.equal(listeners.revoked.count, 0);
    assert.equal(await metric(shop, 'holdfast_event_stream_dropped_total{reason="revoked"}'), 1);
    listeners.kept.close();
  });
});

describe('a server with listeners', () => {
  test('that stops ends their streams at once, whatever they do', () =>
    withShop(async (shop) => {
      const sku = await wideSku(shop);
      const listeners = await times(20, () => Listener.open(shop));
      const stalled = await Listener.open(shop);
      stalled.stall();
      await wideOrders(shop, sku, 600);
      await Promise.all(listeners.map((listener) => listener.until(600, 10_000)));
      const started = Date.now();
      assert.deepEqual(await shop.server.stop(), { status: 0, signal: null });
      assert.ok(Date.now() - started < 1500, `took ${Date.now() - started} ms`);
      await Promise.all(listeners.map((listener) => listener.closed));
      assert.ok(listeners.every((listener) => listener.hasEnded));
      stalled.close();
    }));

  test('lets none of them hold up the others, and keeps its memory', (t) =>
    withShop(async (shop) => {
      const sku = await wideSku(shop);
      await wideOrders(shop, sku, 50);
      const start = await lastSequence(shop);
      const before = peakMib(shop);
      const quick = await times(3, () => Listener.open(shop, { isCounting: true }));
      const stalled = await times(40, (i) => Listener.open(shop, { after: i % 2 === 0 ? start : 0 }));
      stalled.forEach((listener) => listener.stall());
      await wideOrders(shop, sku, 1500); /* 22 MiB for each */
      await Promise.all(quick.map((listener) => listener.until(1500, 15_000)));
      await until(
        'those that take nothing are dropped',
        async () => (await metric(shop, 'holdfast_event_stream_listeners')) === quick.length,
        10_000,
      );
      const dropped = shop.server.log.filter((entry) => entry.event === 'event_listener_dropped');
      assert.ok(dropped.length > 0 && dropped.every((entry) => ['stalled', 'behind'].includes(entry.reason)));
      const grown = peakMib(shop) - before;
      t.diagnostic(`${grown.toFixed(0)} MiB more at the peak, for ${stalled.length} stalled listeners`);
      assert.ok(grown < 500, `${grown} MiB`); /* a copy for each of them would be 880 */
      await wideOrders(shop, sku, 50);
      await Promise.all(quick.map((listener) => listener.until(1550)));
      const again = await Listener.open(shop, { after: start + 100, isCounting: true });
      await again.until(1450, 10_000);
      [...quick, ...stalled, again].forEach((listener) => listener.close());
    }, { parameters: ['--request-timeout', '2'] }));

  test('a thousand of them get every event of a rush, once and in order', (t) =>
    withShop(async (shop) => {
      const sku = await shop.sells(100_000);
      const start = await lastSequence(shop);
      const connecting = Date.now();
      const listeners = await times(1000, () => Listener.open(shop, { isCounting: true, after: start }));
      const connected = Date.now();
      const cpu = cpuSeconds(shop);
      await times(2000, () => shop.places({ [sku]: 1 }));
      const placed = Date.now();
      await Promise.all(listeners.map((listener) => listener.until(2000, 25_000)));
      const heard = Date.now();
      t.diagnostic(
        `connected in ${connected - connecting} ms; 2,000 orders in ${placed - connected} ms, all heard ` +
          `${heard - placed} ms later; server: ${(cpuSeconds(shop) - cpu).toFixed(1)} s of CPU, ` +
          `${peakMib(shop).toFixed(0)} MiB`,
      );
      await sleep(200);
      for (const listener of listeners) {
        assert.equal(listener.count, 2000);
        assert.equal(listener.lastId, start + 2000);
        assert.ok(!listener.isClosed);
        listener.close();
      }
      assert.equal(await metric(shop, 'holdfast_event_stream_dropped_total{reason="behind"}'), 0);
    }, { connections: 64 }));
});
