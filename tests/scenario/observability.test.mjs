import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { order, until, useShop } from './support/shop.mjs';

describe('observability', () => {
  const shop = useShop({ parameters: ['--log-requests'] });

  /* {'holdfast_x{a="b"}': 7} */
  const metrics = async () => {
    const { text, headers } = await shop.get('/metrics');
    assert.match(headers['content-type'], /^text\/plain/);
    const values = {};
    const types = {};
    for (const line of text.split('\n').filter((one) => one !== '')) {
      const meta = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
      if (meta !== null) {
        types[meta[2]] = meta[3];
        continue;
      }
      const sample = /^([a-z_]+(?:\{(?:[^"}]|"[^"]*")*\})?) ([-+0-9.eInf]+)$/.exec(line);
      assert.ok(sample, `no sample: ${line}`);
      assert.ok(!(sample[1] in values), `twice: ${sample[1]}`);
      values[sample[1]] = Number(sample[2]);
      const family = sample[1].replace(/\{.*/, '').replace(/_(bucket|sum|count)$/, '');
      assert.ok(types[family] ?? types[sample[1].replace(/\{.*/, '')], `no TYPE before ${sample[1]}`);
    }
    return values;
  };
  const family = (values, name) =>
    Object.keys(values).filter((key) => key.replace(/\{.*/, '').replace(/_(bucket|sum|count)$/, '') === name);

  test('every promised metric is there', async () => {
    await shop.places({ [await shop.sells(5)]: 1 });
    const values = await until('the queues were looked at', async () => {
      const all = await metrics();
      return family(all, 'holdfast_jobs').length > 0 ? all : null;
    });
    for (const name of [
      'holdfast_job_oldest_due_seconds',
      'holdfast_http_requests_total',
      'holdfast_http_request_duration_seconds',
      'holdfast_http_connections',
      'holdfast_queue_depth',
      'holdfast_batch_size',
      'holdfast_commit_duration_seconds',
      'holdfast_orders_total',
      'holdfast_live_holds',
      'holdfast_timeout_lateness_seconds',
      'holdfast_stock_outs_total',
      'holdfast_store_errors_total',
      'holdfast_event_stream_listeners',
      'holdfast_read_database_fallbacks_total',
      'holdfast_event_stream_dropped_total',
      'holdfast_event_stream_events_sent_total',
    ]) {
      assert.ok(family(values, name).length > 0, `${name} is missing`);
    }
  });

  test('they move with what happens', async () => {
    const before = await metrics();
    const sku = await shop.sells(2);
    const paid = await shop.places({ [sku]: 1 });
    await shop.pays(paid);
    await shop.expired(await shop.places({ [sku]: 1 }, { hold_seconds: 1 }));
    await shop.post('/v1/orders', order('c', { [sku]: 5 }), '409 insufficient_stock');
    const cancelled = await shop.places({ [sku]: 1 });
    await shop.post(`/v1/orders/${cancelled.order_id}/cancel`, {}, 200);
    const after = await metrics();
    const moved = (key) => (after[key] ?? 0) - (before[key] ?? 0);
    assert.equal(moved('holdfast_orders_total{outcome="placed"}'), 3);
    assert.equal(moved('holdfast_orders_total{outcome="paid"}'), 1);
    assert.equal(moved('holdfast_orders_total{outcome="expired"}'), 1);
    assert.equal(moved('holdfast_orders_total{outcome="cancelled"}'), 1);
    assert.equal(moved('holdfast_orders_total{outcome="refused_stock"}'), 1);
    assert.equal(moved('holdfast_http_requests_total{route="/v1/orders",method="POST",status="201"}'), 3);
    assert.equal(moved('holdfast_http_requests_total{route="/v1/orders",method="POST",status="409"}'), 1);
    assert.equal(moved('holdfast_timeout_lateness_seconds_count'), 1);
    assert.equal(moved('holdfast_timeout_lateness_seconds_bucket{le="3600"}'), 1);
    assert.equal(moved('holdfast_stock_outs_total'), 2);
    assert.ok(moved('holdfast_commit_duration_seconds_count') >= 5);
  });

  test('live holds are counted', async () => {
    const sku = await shop.sells(100);
    const before = (await metrics()).holdfast_live_holds;
    const placed = await shop.places({ [sku]: 1 });
    await shop.places({ [sku]: 1 });
    await until('both are counted', async () => (await metrics()).holdfast_live_holds === before + 2);
    await shop.post(`/v1/orders/${placed.order_id}/cancel`, {}, 200);
    await until('one is gone', async () => (await metrics()).holdfast_live_holds === before + 1);
  });

  test('histograms are cumulative and add up', async () => {
    const values = await metrics();
    const series = new Map();
    for (const [key, value] of Object.entries(values)) {
      const bucket = /^(\w+)_bucket\{(.*?),?le="([^"]+)"\}$/.exec(key);
      if (bucket !== null) {
        const name = bucket[2] === '' ? bucket[1] : `${bucket[1]}{${bucket[2]}}`;
        series.set(name, [
          ...(series.get(name) ?? []),
          { bound: Number(bucket[3].replace('+Inf', 'Infinity')), value },
        ]);
      }
    }
    assert.ok(series.size > 0);
    for (const [name, buckets] of series) {
      assert.deepEqual(
        buckets.map(({ bound }) => bound),
        buckets.map(({ bound }) => bound).sort((a, b) => a - b),
        name,
      );
      assert.deepEqual(
        buckets.map(({ value }) => value),
        buckets.map(({ value }) => value).sort((a, b) => a - b),
        name,
      );
      assert.equal(buckets.at(-1).bound, Infinity, name);
      const count = name.replace(/(?=\{)|$/, '_count');
      assert.equal(values[count], buckets.at(-1).value, name);
    }
  });

  test('health and readiness', async () => {
    assert.equal((await shop.get('/healthz')).body.status, 'ok');
    assert.equal((await shop.get('/readyz')).body.status, 'ready');
  });

  test('the served description is the file that these scenarios are held against', async () => {
    const { body } = await shop.get('/openapi.json');
    const file = JSON.parse(readFileSync(new URL('../../docs/api/openapi.json', import.meta.url), 'utf8'));
    assert.deepEqual(body, file);
    assert.equal(body.openapi, '3.1.0');
  });

  test("the log is JSON, a line an event, with the request's id", async () => {
    await shop.get('/v1/orders?limit=1', 200, { headers: { 'X-Request-Id': 'find-me' } });
    const entry = await until('the request is logged', () =>
      shop.server.log.find((one) => one.request_id === 'find-me'),
    );
    assert.deepEqual([entry.method, entry.path, entry.status], ['GET', '/v1/orders', 200]);
    for (const one of shop.server.log) {
      assert.notEqual(one.event, 'not_json', one.line);
      assert.match(one.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.ok(one.level && one.event);
    }
  });

  test('what a client sends cannot forge a log line', async () => {
    await shop.get('/v1/orders/%0A%7B%22event%22%3A%22forged%22%7D', '404 order_not_found');
    await shop.get('/healthz');
    assert.ok(!shop.server.log.some((entry) => entry.event === 'forged' || entry.event === 'not_json'));
  });
});
