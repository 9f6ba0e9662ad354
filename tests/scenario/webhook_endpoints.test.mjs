/* Where events are to be delivered: making, changing and ending endpoints. No server here delivers anything. */

import assert from 'node:assert/strict';
import { lookup } from 'node:dns/promises';
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { describe, test } from 'node:test';

import { newKey, Shop, times, useShop } from './support/shop.mjs';

const URL = 'http://127.0.0.1:9/hook';
const PATH = '/v1/webhook_endpoints';

const remove = (shop, { endpoint_id: id }) => shop.call('DELETE', `${PATH}/${id}`, undefined, 204);
const withMatch = (value) => ({ headers: { 'If-Match': value } });

describe('webhook endpoints', () => {
  const shop = useShop({ parameters: ['--no-jobs', '--webhook-allow-private'] });
  const make = async (more = {}, options = {}) => (await shop.post(PATH, { url: URL, ...more }, 201, options)).body;
  const get = async ({ endpoint_id: id }) => (await shop.get(`${PATH}/${id}`)).body;

  test('are made with a secret that is shown once', async () => {
    const { body, headers } = await shop.post(PATH, { url: URL }, 201);
    const { secret, ...shown } = body;
    assert.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/);
    assert.equal(headers.location, `${PATH}/${body.endpoint_id}`);
    assert.equal(headers.etag, '"1"');
    assert.ok(Math.abs(Date.parse(body.created_at) - Date.now()) < 10_000);
    assert.deepEqual(shown, {
      endpoint_id: body.endpoint_id,
      url: URL,
      types: null,
      description: null,
      status: 'enabled',
      disabled_reason: null,
      concurrency: 1,
      failing_since: null,
      held_until: null,
      created_at: body.created_at,
      version: 1,
    });
    assert.deepEqual(await get(body), shown);
    assert.deepEqual((await shop.get(PATH)).body.data, [shown]);
    assert.notEqual((await make()).secret, secret);
    assert.ok(!shop.server.logText().includes(secret));
  });

  test('choose among the types of events', async () => {
    const types = ['order.paid', 'stock.sold_out', 'webhook_endpoint.disabled'];
    const endpoint = await make({ types, description: 'warehouse', concurrency: 5 });
    assert.deepEqual([endpoint.types, endpoint.description, endpoint.concurrency], [types, 'warehouse', 5]);
    assert.equal((await make({ types: null, description: null })).types, null);
    for (const [wrong, field, code] of [
      [[], 'types', 'invalid_length'],
      ['order.paid', 'types', 'invalid_type'],
      [['order.lost'], 'types[0]', 'invalid_value'],
      [['order.paid', 7], 'types[1]', 'invalid_type'],
      [['order.paid', 'order.paid'], 'types[1]', 'repeated'],
    ]) {
      const { body } = await shop.post(PATH, { url: URL, types: wrong }, '422 invalid_request');
      assert.deepEqual([body.errors[0].field, body.errors[0].code], [field, code]);
    }
  });

  test('want the other fields right, too', async () => {
    for (const [body, field, code] of [
      [{}, 'url', 'required'],
      [{ url: 7 }, 'url', 'invalid_type'],
      [{ url: '' }, 'url', 'invalid_length'],
      [{ url: `http://x/${'y'.repeat(2048)}` }, 'url', 'invalid_length'],
      [{ url: 'ftp://shop.example/' }, 'url', 'invalid_url'],
      [{ url: 'https://user@shop.example/' }, 'url', 'invalid_url'],
      [{ url: 'https://shop.example/#part' }, 'url', 'invalid_url'],
      [{ url: 'shop.example' }, 'url', 'invalid_url'],
      [{ url: URL, concurrency: 0 }, 'concurrency', 'out_of_range'],
      [{ url: URL, concurrency: 101 }, 'concurrency', 'out_of_range'],
      [{ url: URL, concurrency: null }, 'concurrency', 'invalid_type'],
      [{ url: URL, description: 'x'.repeat(501) }, 'description', 'invalid_length'],
    ]) {
      const { body: problem } = await shop.post(PATH, body, '422 invalid_request');
      assert.deepEqual([problem.errors[0].field, problem.errors[0].code], [field, code], JSON.stringify(body));
    }
    await shop.post(PATH, { url: URL, secret: 'mine' }, '422 unknown_field');
    await shop.post(PATH, { url: URL, status: 'disabled' }, '422 unknown_field');
  });

  test('change field by field, guarded by their version', async () => {
    const endpoint = await make({ types: ['order.paid'], description: 'old' });
    const path = `${PATH}/${endpoint.endpoint_id}`;
    const { body: moved, headers } = await shop.patch(path, { url: `${URL}2` }, 200, withMatch('"1"'));
    assert.equal(headers.etag, '"2"');
    assert.deepEqual([moved.url, moved.types, moved.description], [`${URL}2`, ['order.paid'], 'old']);
    const { body: refused } = await shop.patch(path, { description: 'x' }, '412 version_mismatch', withMatch('"1"'));
    assert.equal(refused.version, 2);
    const { body: opened } = await shop.patch(path, { types: null, description: null, concurrency: 9 }, 200);
    assert.deepEqual([opened.types, opened.description, opened.concurrency], [null, null, 9]);
    assert.deepEqual(await get(endpoint), opened);
    assert.equal(opened.secret, undefined);
    for (const wrong of [{ status: 'asleep' }, { url: null }, { concurrency: null }, { types: [] }]) {
      await shop.patch(path, wrong, '422 invalid_request');
    }
    await shop.patch(path, { secret: 'mine' }, '422 unknown_field');
    await shop.patch(path, {}, '422 invalid_request', withMatch('2'));
  });

  test('that are disabled keep what is queued, and get nothing new', async () => {
    const endpoint = await make({ types: ['order.created'] });
    const sku = await shop.sells(5);
    const path = `${PATH}/${endpoint.endpoint_id}`;
    const deliveries = () => shop.all(`/v1/webhook_deliveries?endpoint_id=${endpoint.endpoint_id}`);
    await shop.places({ [sku]: 1 });
    const { body: disabled } = await shop.patch(path, { status: 'disabled' }, 200);
    assert.deepEqual([disabled.status, disabled.disabled_reason], ['disabled', 'by hand']);
    await shop.places({ [sku]: 1 });
    assert.equal((await deliveries()).length, 1);
    await shop.post(`${path}/test`, undefined, '409 webhook_endpoint_disabled');
    const { body: enabled } = await shop.patch(path, { status: 'enabled' }, 200);
    assert.deepEqual([enabled.status, enabled.disabled_reason], ['enabled', null]);
    await shop.places({ [sku]: 1 });
    assert.equal((await deliveries()).length, 2);
  });

  test('get a new secret on request', async () => {
    const endpoint = await make();
    const { body } = await shop.post(`${PATH}/${endpoint.endpoint_id}/rotate_secret`, undefined, 200);
    assert.match(body.secret, /^whsec_/);
    assert.notEqual(body.secret, endpoint.secret);
    const hours = (Date.parse(body.previous_secret_expires_at) - Date.now()) / 3_600_000;
    assert.ok(hours > 23.9 && hours < 24.1, `${hours} hours`);
    assert.equal((await get(endpoint)).version, 2);
  });

  test('are made once under a key, and its answer keeps the secret', async () => {
    const key = newKey();
    const answers = await times(5, () => shop.post(PATH, { url: URL, description: 'keyed' }, 201, { key }));
    const [{ body: endpoint, headers }] = answers;
    for (const answer of answers) {
      assert.deepEqual(answer.body, endpoint);
      assert.equal(answer.headers.location, headers.location);
    }
    assert.equal(answers.filter((answer) => answer.headers['idempotency-replayed'] === 'true').length, 4);
    await shop.patch(`${PATH}/${endpoint.endpoint_id}`, { description: 'changed' }, 200);
    assert.deepEqual((await shop.post(PATH, { url: URL, description: 'keyed' }, 201, { key })).body, endpoint);
    await shop.post(PATH, { url: URL }, '422 idempotency_key_reused', { key });
    const rotation = newKey();
    const rotate = () => shop.post(`${PATH}/${endpoint.endpoint_id}/rotate_secret`, undefined, 200, { key: rotation });
    assert.deepEqual((await rotate()).body, (await rotate()).body);
  });

  test('are deleted with what was queued for them', async () => {
    const endpoint = await make();
    const path = `${PATH}/${endpoint.endpoint_id}`;
    const { headers, text } = await shop.call('DELETE', path, undefined, 204);
    assert.deepEqual([text, headers['content-type'], headers['content-length']], ['', undefined, undefined]);
    await shop.get(path, '404 webhook_endpoint_not_found');
    await shop.call('DELETE', path, undefined, '404 webhook_endpoint_not_found');
    await shop.patch(path, { description: 'x' }, '404 webhook_endpoint_not_found');
    for (const action of ['test', 'rotate_secret']) {
      await shop.post(`${path}/${action}`, undefined, '404 webhook_endpoint_not_found');
    }
    await shop.get(`${PATH}/x`, '404 webhook_endpoint_not_found');
    await shop.call('DELETE', PATH, undefined, '405 method_not_allowed');
  });

  test('can be tested, and deliveries looked at and repeated', async () => {
    const endpoint = await make({ types: ['order.created'] });
    const { body: job, headers } = await shop.post(`${PATH}/${endpoint.endpoint_id}/test`, undefined, 202);
    assert.equal(headers.location, `/v1/webhook_deliveries/${job.job_id}`);
    assert.deepEqual(
      [job.kind, job.max_attempts, job.payload],
      ['webhook_delivery', 1, { type: 'webhook.test', data: { endpoint_id: endpoint.endpoint_id } }],
    );
    const placed = await shop.places({ [await shop.sells(5)]: 1 });
    const [event] = (await shop.get(`/v1/orders/${placed.order_id}/events`)).body.data;
    const list = `/v1/webhook_deliveries?endpoint_id=${endpoint.endpoint_id}`;
    const [delivery, tested] = await shop.all(list, 1);
    assert.deepEqual([delivery.event_sequence, tested.event_sequence], [event.sequence, null]);
    assert.deepEqual([tested.delivery_id, tested.endpoint_id], [job.job_id, endpoint.endpoint_id]);
    assert.notEqual(delivery.next_attempt_at, null);
    const path = `/v1/webhook_deliveries/${delivery.delivery_id}`;
    assert.deepEqual((await shop.get(path)).body, { ...delivery, attempts: [] });
    const { body: refused } = await shop.post(`${path}/redeliver`, undefined, '409 job_state');
    assert.equal(refused.job.job_id, delivery.delivery_id);
    await shop.post(`/v1/jobs/${delivery.delivery_id}/cancel`, undefined, 200);
    const again = await shop.post(`${path}/redeliver`, undefined, 201);
    assert.equal(again.headers.location, `/v1/webhook_deliveries/${again.body.delivery_id}`);
    assert.deepEqual([again.body.event_sequence, again.body.state], [event.sequence, 'scheduled']);
    assert.equal((await shop.all(`${list}&state=cancelled`)).length, 1);
    assert.equal((await shop.all(`${list}&state=scheduled`)).length, 2);
    await remove(shop, endpoint);
    await shop.post(`${path}/redeliver`, undefined, '404 webhook_endpoint_not_found');
  });

  test('deliveries that are not there are not found', async () => {
    const placed = await shop.places({ [await shop.sells(5)]: 1 });
    for (const id of [randomUUID(), 'x', placed.order_id]) {
      await shop.get(`/v1/webhook_deliveries/${id}`, '404 job_not_found');
      await shop.post(`/v1/webhook_deliveries/${id}/redeliver`, undefined, '404 job_not_found');
    }
    assert.deepEqual(await shop.all(`/v1/webhook_deliveries?endpoint_id=${randomUUID()}`), []);
    await shop.get('/v1/webhook_deliveries?endpoint_id=x', '422 invalid_request');
    await shop.get('/v1/webhook_deliveries?state=lost', '422 invalid_request');
    await shop.get('/v1/webhook_deliveries?queue=orders', '422 unknown_parameter');
  });

  test('are a hundred at most, listed newest first and page by page', async () => {
    for (const endpoint of await shop.all(PATH)) {
      await remove(shop, endpoint);
    }
    const answers = await times(105, () => shop.post(PATH, { url: URL }, undefined));
    assert.equal(answers.filter(({ status }) => status === 201).length, 100);
    const refused = answers.filter(({ status }) => status !== 201);
    assert.ok(refused.every(({ status, body }) => status === 409 && body.code === 'webhook_endpoint_limit'));
    const all = (await shop.all(PATH)).map(({ endpoint_id: id }) => id);
    assert.deepEqual(all, [...all].sort().reverse());
    assert.deepEqual(
      (await shop.all(PATH, 7)).map(({ endpoint_id: id }) => id),
      all,
    );
    await times(100, (i) => remove(shop, { endpoint_id: all[i] }));
  });
});

describe('without --webhook-allow-private', () => {
  const shop = useShop({ parameters: ['--no-jobs'] });
  const refusal = async (url) => {
    const { body } = await shop.post(PATH, { url }, '422 invalid_request');
    assert.deepEqual([body.errors.length, body.errors[0].field], [1, 'url'], url);
    return body.errors[0].code;
  };

  test('a URL begins with https', async () => {
    assert.equal(await refusal('http://shop.example/'), 'https_required');
    assert.equal(await refusal('http://127.0.0.1/'), 'https_required');
    assert.equal(await refusal('nonsense'), 'invalid_url');
  });

  test('an address that is not public is refused, however it is written', async () => {
    for (const host of [
      'localhost',
      'shop.localhost',
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f000001',
      '10.1.2.3',
      '192.168.0.1:8443',
      '169.254.169.254',
      '[::1]',
      '[::ffff:10.0.0.1]',
      '[fe80::1]',
    ]) {
      assert.equal(await refusal(`https://${host}/hook`), 'private_address', host);
    }
  });

  test('a name that resolves to one is refused, too', async (context) => {
    const address = await lookup(hostname()).catch(() => null);
    if (address === null || !/^(10|127|172|192)\./.test(address.address)) {
      context.skip('no name of this machine resolves to a private address');
      return;
    }
    assert.equal(await refusal(`https://${hostname().toLowerCase()}/hook`), 'private_address');
    const { body } = await shop.post(PATH, { url: 'https://198.51.100.7.example.invalid/' }, 201);
    const refused = await shop.patch(
      `${PATH}/${body.endpoint_id}`,
      { url: `https://${hostname().toLowerCase()}/` },
      '422 invalid_request',
    );
    assert.equal(refused.body.errors[0].code, 'private_address');
  });

  test('a public address and a name that nobody knows pass: each delivery checks again', async () => {
    await shop.post(PATH, { url: 'https://93.184.215.14/hook' }, 201);
    await shop.post(PATH, { url: 'https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/hook' }, 201);
    await shop.post(PATH, { url: 'https://no-such-host.invalid/hook' }, 201);
  });

  test('a server that stops answers those that wait for a name server first', async () => {
    const stopping = new Shop({ parameters: ['--no-jobs'] });
    await stopping.start();
    const asked = stopping.post(PATH, { url: 'https://slow.no-such-host.invalid/' }, undefined).catch((error) => error);
    await stopping.stop();
    const answer = await asked;
    assert.ok(answer instanceof Error || [201, 503].includes(answer.status), answer);
    stopping.close();
  });
});
