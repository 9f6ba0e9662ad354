/* Jobs as people look at them and act on them. No server here runs any, so that each stays as it was left; what happens
 * where they run is told in webhook_deliveries and background_jobs. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';

import { newKey, times, until, useShop } from './support/shop.mjs';

const SETTINGS = { parameters: ['--no-jobs', '--webhook-allow-private'] };
const NOWHERE = 'http://127.0.0.1:9/';

const connect = async (shop, more = {}) =>
  (await shop.post('/v1/webhook_endpoints', { url: NOWHERE, types: ['order.created'], ...more }, 201)).body;
const disconnect = (shop, { endpoint_id: id }) => shop.call('DELETE', `/v1/webhook_endpoints/${id}`, undefined, 204);
const queueName = ({ endpoint_id: id }) => `webhook:${id}`;
const jobsOf = (shop, endpoint, more = '') => shop.all(`/v1/jobs?queue=${queueName(endpoint)}${more}`);
const ids = (rows) => rows.map(({ job_id: id }) => id);

describe('jobs', () => {
  const shop = useShop(SETTINGS);

  test('a payment timeout is a job of its order', async () => {
    const placed = await shop.places({ [await shop.sells(5)]: 1 });
    const expected = {
      job_id: placed.order_id,
      queue: 'orders',
      kind: 'payment_timeout',
      key: null,
      payload: { order_id: placed.order_id },
      state: 'scheduled',
      run_at: placed.expires_at,
      priority: 0,
      attempt: 0,
      max_attempts: 1,
      progress: null,
      last_error: null,
      created_at: placed.created_at,
      started_at: null,
      finished_at: null,
    };
    const path = `/v1/jobs/${placed.order_id}`;
    assert.deepEqual((await shop.get(path)).body, { ...expected, log: [] });
    assert.deepEqual((await shop.get('/v1/jobs?queue=orders&limit=1')).body.data, [expected]);
    for (const action of ['retry', 'cancel', 'promote']) {
      await shop.post(`${path}/${action}`, undefined, '409 job_is_bound');
    }
    const { body: extended } = await shop.post(`/v1/orders/${placed.order_id}/extend`, { seconds: 60 }, 200);
    assert.equal((await shop.get(path)).body.run_at, extended.expires_at);
    await shop.pays(placed);
    await shop.get(path, '404 job_not_found');
    await shop.post(`${path}/cancel`, undefined, '404 job_not_found');
    assert.ok(!ids(await shop.all('/v1/jobs')).includes(placed.order_id));
  });

  test('a delivery is a job of its endpoint, and shows which event it is about', async () => {
    const endpoint = await connect(shop);
    const placed = await shop.places({ [await shop.sells(5)]: 1 });
    const [event] = (await shop.get(`/v1/orders/${placed.order_id}/events`)).body.data;
    const [job] = await jobsOf(shop, endpoint);
    assert.deepEqual(
      [job.kind, job.state, job.attempt, job.payload],
      ['webhook_delivery', 'scheduled', 0, { endpoint_id: endpoint.endpoint_id, sequence: event.sequence }],
    );
    assert.deepEqual((await shop.get(`/v1/jobs/${job.job_id}`)).body, { ...job, log: [] });
    await disconnect(shop, endpoint);
  });

  test('lists merge both kinds, newest first, under one cursor', async () => {
    const endpoint = await connect(shop);
    const sku = await shop.sells(50);
    for (let i = 0; i < 3; i += 1) {
      await times(3, () => shop.places({ [sku]: 1 }));
    }
    const all = await shop.all('/v1/jobs?state=scheduled');
    const placed = await shop.all('/v1/orders?status=draft');
    assert.deepEqual(ids(all), [...ids(all)].sort().reverse());
    assert.deepEqual(
      ids(all.filter(({ queue }) => queue === 'orders')),
      placed.map(({ order_id: id }) => id),
    );
    assert.equal(all.filter(({ queue }) => queue === queueName(endpoint)).length, 9);
    for (const limit of [1, 2, 7]) {
      assert.deepEqual(await shop.all('/v1/jobs?state=scheduled', limit), all);
    }
    await disconnect(shop, endpoint);
  });

  test('pages are stable while jobs come and go', async () => {
    const sku = await shop.sells(50);
    const placed = [];
    for (let i = 0; i < 6; i += 1) {
      placed.push(await shop.places({ [sku]: 1 }));
    }
    const { body: first } = await shop.get('/v1/jobs?kind=payment_timeout&limit=2');
    assert.deepEqual(ids(first.data), [placed[5].order_id, placed[4].order_id]);
    await shop.places({ [sku]: 1 });
    await shop.pays(placed[4]); /* where the page stopped */
    const { body: second } = await shop.get(
      `/v1/jobs?kind=payment_timeout&limit=2&cursor=${encodeURIComponent(first.next_cursor)}`,
    );
    assert.deepEqual(ids(second.data), [placed[3].order_id, placed[2].order_id]);
  });

  test('filters combine, and those that are wrong are refused', async () => {
    const endpoint = await connect(shop);
    await times(2, async () => shop.places({ [await shop.sells(5)]: 1 }));
    const [first, second] = await jobsOf(shop, endpoint);
    await shop.post(`/v1/jobs/${first.job_id}/cancel`, undefined, 200);
    assert.deepEqual(ids(await jobsOf(shop, endpoint, '&state=cancelled')), [first.job_id]);
    assert.deepEqual(ids(await jobsOf(shop, endpoint, '&state=scheduled&kind=webhook_delivery')), [second.job_id]);
    for (const none of [
      'state=running&queue=orders',
      'kind=payment_timeout&state=dead',
      'queue=orders&kind=webhook_delivery',
      'key=no-such-key',
      'kind=no_such_kind',
      `queue=${queueName(endpoint)}&kind=payment_timeout`,
    ]) {
      assert.deepEqual((await shop.get(`/v1/jobs?${none}`)).body, { data: [], next_cursor: null }, none);
    }
    for (const wrong of ['state=lost', 'kind=', `queue=${'x'.repeat(65)}`, 'limit=0', 'cursor=x']) {
      await shop.get(`/v1/jobs?${wrong}`, '422 invalid_request');
    }
    await shop.get('/v1/jobs?colour=red', '422 unknown_parameter');
    const { body } = await shop.get('/v1/jobs?limit=1');
    await shop.get(`/v1/jobs?state=dead&cursor=${encodeURIComponent(body.next_cursor)}`, '422 invalid_request');
    await disconnect(shop, endpoint);
  });

  test('a scheduled one can be cancelled and promoted, and what a state does not allow says which it is', async () => {
    const endpoint = await connect(shop);
    await shop.places({ [await shop.sells(5)]: 1 });
    const [job] = await jobsOf(shop, endpoint);
    const path = `/v1/jobs/${job.job_id}`;
    const { body: refused } = await shop.post(`${path}/retry`, undefined, '409 job_state');
    assert.deepEqual(refused.job, job);
    const { body: promoted } = await shop.post(`${path}/promote`, undefined, 200);
    assert.equal(promoted.state, 'scheduled');
    const { body: cancelled } = await shop.post(`${path}/cancel`, {}, 200);
    assert.equal(cancelled.state, 'cancelled');
    assert.notEqual(cancelled.finished_at, null);
    assert.deepEqual((await shop.post(`${path}/cancel`, undefined, 200)).body, cancelled);
    await shop.post(`${path}/promote`, undefined, '409 job_state');
    await disconnect(shop, endpoint);
  });

  test('under a key an action has one effect, and its answer stays', async () => {
    const endpoint = await connect(shop);
    await shop.places({ [await shop.sells(5)]: 1 });
    const [job] = await jobsOf(shop, endpoint);
    const key = newKey();
    const path = `/v1/jobs/${job.job_id}`;
    const { body: promoted } = await shop.post(`${path}/promote`, undefined, 200, { key });
    await shop.post(`${path}/cancel`, undefined, 200);
    const again = await shop.post(`${path}/promote`, undefined, 200, { key });
    assert.deepEqual(again.body, promoted);
    assert.equal(again.headers['idempotency-replayed'], 'true');
    await shop.post(`${path}/cancel`, undefined, '422 idempotency_key_reused', { key });
    await disconnect(shop, endpoint);
  });

  test('what is not there is not found, and bodies say nothing', async () => {
    for (const id of [randomUUID(), 'x', '%20']) {
      await shop.get(`/v1/jobs/${id}`, '404 job_not_found');
      await shop.post(`/v1/jobs/${id}/retry`, undefined, '404 job_not_found');
    }
    const placed = await shop.places({ [await shop.sells(5)]: 1 });
    await shop.post(`/v1/jobs/${placed.order_id}/cancel`, { reason: 'x' }, '422 unknown_field');
    await shop.post(`/v1/jobs/${placed.order_id}/cancel`, [], '422 invalid_request');
    await shop.post(`/v1/jobs/${placed.order_id}/explode`, undefined, '404 not_found');
    await shop.call('DELETE', `/v1/jobs/${placed.order_id}`, undefined, '405 method_not_allowed');
  });
});

describe('queues', () => {
  const shop = useShop(SETTINGS);

  const queue = async (name) => (await shop.get('/v1/queues')).body.data.find((one) => one.queue === name);

  test('the payment timeouts have one, though there is no order yet', async () => {
    assert.equal((await shop.get('/v1/queues')).body.next_cursor, null);
    assert.deepEqual(await queue('orders'), {
      queue: 'orders',
      paused: false,
      concurrency: null,
      rate_limit: null,
      counts: { scheduled: 0, running: 0, completed: 0, dead: 0, cancelled: 0 },
      oldest_due_at: null,
    });
    await shop.places({ [await shop.sells(5)]: 1 });
    await until('it is counted', async () => (await queue('orders')).counts.scheduled === 1);
    assert.equal((await queue('orders')).oldest_due_at, null);
  });

  test('an endpoint has one, with what waits in it', async () => {
    const endpoint = await connect(shop);
    assert.equal((await queue(queueName(endpoint))).concurrency, 1);
    await times(3, async () => shop.places({ [await shop.sells(5)]: 1 }));
    const jobs = await jobsOf(shop, endpoint);
    await shop.post(`/v1/jobs/${jobs[0].job_id}/cancel`, undefined, 200);
    const { counts, oldest_due_at: oldest } = await queue(queueName(endpoint));
    assert.deepEqual(counts, { scheduled: 2, running: 0, completed: 0, dead: 0, cancelled: 1 });
    assert.equal(oldest, jobs[2].run_at);
    const names = (await shop.get('/v1/queues')).body.data.map((one) => one.queue);
    assert.deepEqual(names, [...names].sort());
    await disconnect(shop, endpoint);
  });

  test('can be paused, resumed and limited', async () => {
    const endpoint = await connect(shop);
    const name = queueName(endpoint);
    const path = `/v1/queues/${encodeURIComponent(name)}`;
    const settings = { queue: name, paused: false, concurrency: 1, rate_limit: null };
    assert.deepEqual((await shop.post(`${path}/pause`, undefined, 200)).body, { ...settings, paused: true });
    assert.deepEqual((await shop.post(`${path}/pause`, {}, 200)).body, { ...settings, paused: true });
    assert.equal((await queue(name)).paused, true);
    assert.deepEqual((await shop.post(`${path}/resume`, undefined, 200)).body, settings);
    const limits = { concurrency: 7, rate_limit: { max: 100, period_ms: 1000 } };
    assert.deepEqual((await shop.patch(path, limits, 200)).body, { ...settings, ...limits });
    assert.deepEqual((await shop.patch(path, { concurrency: null }, 200)).body, {
      ...settings,
      ...limits,
      concurrency: null,
    });
    const { rate_limit: rate, concurrency } = await queue(name);
    assert.deepEqual([rate, concurrency], [limits.rate_limit, null]);
    assert.equal((await shop.patch(path, { rate_limit: null }, 200)).body.rate_limit, null);
    await shop.patch(path, {}, 200);
    await disconnect(shop, endpoint);
  });

  test('all of them together can be paused and limited, and are shown once they were', async () => {
    const endpoint = await connect(shop);
    assert.equal(await queue('all'), undefined);
    const settings = { queue: 'all', paused: false, concurrency: 20, rate_limit: null };
    assert.deepEqual((await shop.patch('/v1/queues/all', { concurrency: 20 }, 200)).body, settings);
    assert.equal((await shop.post('/v1/queues/all/pause', undefined, 200)).body.paused, true);
    await times(2, async () => shop.places({ [await shop.sells(5)]: 1 }));
    const others = (await shop.get('/v1/queues')).body.data.filter((one) => !['all', 'orders'].includes(one.queue));
    const { counts, paused } = await queue('all');
    assert.ok(paused);
    for (const [state, count] of Object.entries(counts)) {
      assert.equal(count, others.reduce((sum, one) => sum + one.counts[state], 0), state);
    }
    assert.doesNotMatch((await shop.get('/metrics')).text, /queue="all"/);
    await shop.post('/v1/queues/all/resume', undefined, 200);
    await shop.patch('/v1/queues/all', { concurrency: null }, 200);
    await disconnect(shop, endpoint);
  });

  test('wrong limits are refused', async () => {
    const endpoint = await connect(shop);
    const path = `/v1/queues/${queueName(endpoint)}`;
    for (const [body, field] of [
      [{ concurrency: 0 }, 'concurrency'],
      [{ concurrency: 10001 }, 'concurrency'],
      [{ concurrency: 'many' }, 'concurrency'],
      [{ rate_limit: 7 }, 'rate_limit'],
      [{ rate_limit: {} }, 'rate_limit.max'],
      [{ rate_limit: { max: 0, period_ms: 1 } }, 'rate_limit.max'],
      [{ rate_limit: { max: 1, period_ms: 86400001 } }, 'rate_limit.period_ms'],
    ]) {
      assert.equal((await shop.patch(path, body, '422 invalid_request')).body.field, field);
    }
    await shop.patch(path, { paused: true }, '422 unknown_field');
    await shop.patch(path, { rate_limit: { max: 1, period_ms: 1, burst: 2 } }, '422 unknown_field');
    await disconnect(shop, endpoint);
  });

  test('those that are not there are not found, and the payment timeouts have nothing to set', async () => {
    for (const name of ['no-such-queue', `webhook:${randomUUID()}`, 'Orders', '%FF']) {
      await shop.post(`/v1/queues/${name}/pause`, undefined, '404 queue_not_found');
      await shop.patch(`/v1/queues/${name}`, { concurrency: 1 }, '404 queue_not_found');
    }
    await shop.post('/v1/queues/orders/pause', undefined, '409 job_is_bound');
    await shop.post('/v1/queues/orders/resume', undefined, '409 job_is_bound');
    await shop.patch('/v1/queues/orders', { concurrency: 1 }, '409 job_is_bound');
    await shop.get('/v1/queues?limit=1', '422 unknown_parameter');
  });

  test('a backlog that nobody works on shows in the metrics', async () => {
    const endpoint = await connect(shop);
    await times(2, async () => shop.places({ [await shop.sells(5)]: 1 }));
    const value = (text, name, labels) =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${name}{${labels}} `))
          ?.split(' ')[1],
      );
    const label = `queue="${queueName(endpoint)}"`;
    await until(
      'it has been seen',
      async () => {
        const { text } = await shop.get('/metrics');
        return (
          value(text, 'holdfast_jobs', `${label},state="scheduled"`) === 2 &&
          value(text, 'holdfast_jobs', `${label},state="dead"`) === 0 &&
          value(text, 'holdfast_job_oldest_due_seconds', label) > 0 &&
          value(text, 'holdfast_jobs', 'queue="orders",state="scheduled"') >= 2 &&
          value(text, 'holdfast_job_oldest_due_seconds', 'queue="orders"') === 0
        );
      },
      12_000,
    );
    await disconnect(shop, endpoint);
  });
});

describe('periodic jobs', () => {
  const shop = useShop({ parameters: ['--time-zone=Europe/Berlin', '--prune-schedule=30 4 * * *'] });

  test('are listed with when they run next', async () => {
    const schedules = await until('one is known', async () => {
      const { body } = await shop.get('/v1/schedules');
      assert.equal(body.next_cursor, null);
      return body.data.length > 0 ? body.data : null;
    });
    const prune = schedules.find(({ name }) => name === 'prune');
    assert.deepEqual([prune.cron, prune.time_zone], ['30 4 * * *', 'Europe/Berlin']);
    assert.match(prune.next_run_at, /T0[23]:30:00\.000Z$/);
    assert.ok(Date.parse(prune.next_run_at) > Date.now());
  });
});
