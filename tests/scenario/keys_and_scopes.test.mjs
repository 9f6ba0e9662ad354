import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { createKey, run, runs, Server } from './support/program.mjs';
import { euro, newSku, order, Shop, sleep, until, useShop } from './support/shop.mjs';

describe('a server on loopback without keys', () => {
  const shop = useShop();

  test('is open, until the first key is made', async () => {
    const sku = await shop.sells(5);
    await shop.places({ [sku]: 1 });
    const key = await createKey(shop.database, 'admin');
    assert.match(key, /^hf_[A-Za-z0-9_-]{32,}$/);
    await sleep(1000);
    const { headers } = await shop.get(`/v1/stock/${sku}`, '401 unauthenticated');
    assert.match(headers['www-authenticate'], /^Bearer/);
    await shop.get(`/v1/stock/${sku}`, 200, { bearer: key });
    shop.bearer = key;
  });
});

describe('scopes', () => {
  const shop = useShop();
  const keys = {};

  test('keys of each scope are made', async () => {
    for (const scope of ['read', 'write', 'admin']) {
      keys[scope] = await createKey(shop.database, scope);
    }
    shop.bearer = keys.admin;
    await until(
      'the keys count',
      async () => (await shop.get('/v1/orders', undefined, { bearer: keys.read })).status === 200,
      1000,
    );
    await sleep(600);
  });

  test('each includes the one before, and no more', async () => {
    const sku = await shop.sells(50);
    const {
      body: { product_id: product },
    } = await shop.get(`/v1/variants/${sku}`);
    const placed = await shop.places({ [sku]: 1 });
    const path = `/v1/orders/${placed.order_id}`;
    const read = [
      '/v1/products',
      `/v1/products/${product}`,
      `/v1/variants/${sku}`,
      `/v1/stock/${sku}`,
      `/v1/stock/${sku}/movements`,
      '/v1/orders',
      path,
      `${path}/events`,
      '/v1/reservations',
      '/v1/events',
      '/v1/jobs',
      `/v1/jobs/${placed.order_id}`,
      '/v1/queues',
      '/v1/schedules',
      '/v1/webhook_endpoints',
      '/v1/webhook_deliveries',
    ];
    for (const target of read) {
      for (const bearer of Object.values(keys)) {
        await shop.get(target, 200, { bearer });
      }
      await shop.get(target, '401 unauthenticated', { headers: { Authorization: undefined } });
    }
    const write = [
      ['POST', '/v1/orders', order('c', { [sku]: 1 })],
      ['POST', '/v1/orders/batch', { orders: [order('c', { [sku]: 1 })] }],
      ['POST', `/v1/stock/${sku}/adjustments`, { delta: 1 }],
      ['POST', `${path}/extend`, { seconds: 1 }],
      ['POST', `${path}/pay`, { payment_reference: `pi-${sku}` }],
      ['POST', `${path}/cancel`, undefined],
    ];
    const admin = [
      ['POST', '/v1/products', { title: 'T', sku: newSku(), price: euro(1) }],
      ['PATCH', `/v1/products/${product}`, { title: 'T' }],
      ['PATCH', `/v1/variants/${sku}`, { title: 'T' }],
      ['POST', '/v1/webhook_endpoints', { url: 'https://no-such-host.invalid/' }],
      ['POST', '/v1/queues/maintenance/pause', undefined],
      ['POST', '/v1/queues/maintenance/resume', undefined],
      ['PATCH', '/v1/queues/maintenance', { concurrency: 1 }],
    ];
    for (const [method, target, body] of [...write, ...admin]) {
      const { body: problem } = await shop.call(method, target, body, '403 forbidden', { bearer: keys.read });
      assert.match(problem.detail, /write|admin/);
    }
    for (const [method, target, body] of admin) {
      await shop.call(method, target, body, '403 forbidden', { bearer: keys.write });
      assert.ok((await shop.call(method, target, body, undefined, { bearer: keys.admin })).status < 300);
    }
    const bound = ['retry', 'cancel', 'promote'].map((action) => `/v1/jobs/${placed.order_id}/${action}`);
    for (const target of bound) {
      await shop.post(target, undefined, '403 forbidden', { bearer: keys.write });
      await shop.post(target, undefined, '409 job_is_bound', { bearer: keys.admin });
    }
    for (const [method, target, body] of write) {
      const { status } = await shop.call(method, target, body, undefined, { bearer: keys.write });
      assert.ok(status < 300 || target.endsWith('cancel'), `${target} answered ${status}`);
    }
  });

  test('credentials that are no key are refused', async () => {
    for (const value of [
      '',
      'Bearer',
      'Bearer ',
      'Bearer nonsense',
      `Basic ${keys.admin}`,
      keys.admin,
      `Bearer ${keys.admin}x`,
      `Bearer ${keys.admin.slice(0, -1)}`,
      `Bearer ${keys.admin} ${keys.admin}`,
      `Bearer ${'x'.repeat(4000)}`,
    ]) {
      await shop.get('/v1/orders', '401 unauthenticated', { bearer: undefined, headers: { Authorization: value } });
    }
    await shop.get('/v1/orders', 200, { headers: { Authorization: `bearer ${keys.read}` } });
  });

  test('the key is judged before the body, the path before the key', async () => {
    const anonymous = { headers: { Authorization: '' } };
    await shop.post('/v1/orders', undefined, '401 unauthenticated', { ...anonymous, raw: '{' });
    await shop.post('/v1/orders', { items: 7 }, '403 forbidden', { bearer: keys.read });
    await shop.get('/v1/nowhere', '404 not_found', anonymous);
    await shop.call('DELETE', '/v1/orders', undefined, '405 method_not_allowed', anonymous);
  });

  test("health, readiness, metrics and the API's description need no key", async () => {
    for (const target of ['/healthz', '/readyz', '/metrics', '/openapi.json']) {
      await shop.get(target, 200, { headers: { Authorization: '' } });
    }
  });

  test('a new key counts within a second, a revoked one no longer', async () => {
    const key = await createKey(shop.database, 'read', 'short-lived');
    await sleep(1000);
    await shop.get('/v1/orders', 200, { bearer: key });
    await runs(['keys', 'revoke', 'short-lived', '--database', shop.database]);
    await sleep(1000);
    await shop.get('/v1/orders', '401 unauthenticated', { bearer: key });
  });

  test('keys are listed without their secret', async () => {
    const { stdout } = await runs(['keys', 'list', '--database', shop.database]);
    for (const name of ['read', 'write', 'admin', 'short-lived']) {
      assert.match(stdout, new RegExp(name));
    }
    for (const key of Object.values(keys)) {
      assert.ok(!stdout.includes(key));
      assert.ok(!shop.server.logText().includes(key));
    }
  });
});

describe('a server that is not on loopback', () => {
  test('refuses to start without a key', async () => {
    const shop = new Shop();
    await shop.migrate();
    const server = new Server(shop.database, { listen: '0.0.0.0:0' });
    assert.equal((await server.listening())?.status, 1);
    assert.match(server.logText(), /keys create/);
    assert.match(server.logText(), /--insecure/);
  });

  test('starts where it is told to', async () => {
    const shop = new Shop();
    await shop.start({ listen: '0.0.0.0:0', parameters: ['--insecure'] });
    await shop.get('/v1/orders');
    await shop.stop();
    shop.close();
  });

  test('starts with a key, and asks for it', async () => {
    const shop = new Shop();
    await shop.migrate();
    shop.bearer = await createKey(shop.database, 'read');
    await shop.start({ listen: '0.0.0.0:0' });
    await shop.get('/v1/orders');
    await shop.get('/v1/orders', '401 unauthenticated', { bearer: 'hf_no' });
    await shop.stop();
    shop.close();
  });
});

describe('keys on the command line', () => {
  test('wrong usage exits with 2 and says what to do', async () => {
    const shop = new Shop();
    await shop.migrate();
    for (const parameters of [
      ['keys'],
      ['keys', 'create'],
      ['keys', 'create', '--name', 'x', '--scope', 'root'],
      ['keys', 'lose'],
    ]) {
      const { status, stdout, stderr } = await run([
        ...parameters,
        ...(parameters.length > 1 ? ['--database', shop.database] : []),
      ]);
      assert.deepEqual([status, stdout], [2, ''], parameters.join(' '));
      assert.notEqual(stderr, '');
    }
    const { status } = await run(['keys', 'revoke', 'nobody', '--database', shop.database]);
    assert.equal(status, 1);
  });
});
