/* A shop's day, with everything that goes wrong on one, at the most talkative level of the log; afterwards every secret
 * that passed by is looked for wherever others can look: the log, the metrics, the command line, answers to others. */

import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { describe, test } from 'node:test';

import { IS_POSTGRES, newDatabase, sql } from './support/database.mjs';
import { createKey, PROGRAM, run, runs, Server } from './support/program.mjs';
import { Receiver } from './support/receiver.mjs';
import { euro, newSku, order, Shop, sleep, until } from './support/shop.mjs';
import { Wire } from './support/wire.mjs';

const ENDPOINTS = '/v1/webhook_endpoints';

/* What must not be seen by others, by what it is. */
const secrets = new Map();
const secret = (name, value) => {
  secrets.set(name, value);
  return value;
};
const looked = (where, text, except = []) => {
  for (const [name, value] of secrets) {
    assert.ok(except.includes(name) || !text.includes(value), `the ${name} is in ${where}:\n${text.slice(0, 4000)}`);
  }
};

/* The password is of no use to a cluster that lets everybody in; but it is a password. */
const withPassword = (uri) => uri.replace(/\/\/([^@/]*)@/, `//$1:${secrets.get('database password')}@`);

describe('no secret is told to those whom it is not for', () => {
  secret('database password', 'pa55-of-the-database');
  const database = newDatabase();
  const shop = new Shop({
    database,
    parameters: [
      '--log-level=debug',
      '--log-requests',
      '--webhook-allow-private',
      '--webhook-attempts=2',
      '--webhook-backoff-ms=50',
    ],
  });
  const answers = []; /* of refusals and of reads */
  const told = async (method, target, body, options) => {
    const answer = await shop.call(method, target, body, undefined, options);
    answers.push(`${method} ${target.split('?')[0]}: ${JSON.stringify(answer.headers)} ${answer.text}`);
    return answer;
  };

  test('a day goes by', async () => {
    await shop.migrate();
    for (const scope of ['admin', 'write', 'read']) {
      secret(`${scope} key`, await createKey(database, scope));
    }
    shop.bearer = secrets.get('admin key');
    /* The address comes by the environment, where `ps` does not show it. */
    shop.server = new Server(undefined, { ...shop.options, env: { HOLDFAST_DATABASE: withPassword(database) } });
    assert.equal(await shop.server.listening(), undefined, shop.server.logText());
    const receiver = await Receiver.open((delivery, response) => {
      response.writeHead(500); /* one that repeats what it was told */
      response.end(`no: ${delivery.data.customer_id} ${response.req.headers['webhook-signature']}`);
    });
    const url = `${receiver.url}?token=${secret('token in an URL', 'tok-in-the-url')}`;
    const key = secret('idempotency key', 'idem-of-a-shopper');
    const { body: endpoint } = await shop.post(ENDPOINTS, { url, types: ['order.created'] }, 201, {
      key: secret('idempotency key of an endpoint', 'idem-of-an-endpoint'),
    });
    secret('webhook secret', endpoint.secret);
    const path = `${ENDPOINTS}/${endpoint.endpoint_id}`;
    const { body: rotated } = await shop.post(`${path}/rotate_secret`, undefined, 200);
    secret('second webhook secret', rotated.secret);
    receiver.secrets = [endpoint.secret, rotated.secret];

    const sku = newSku();
    await shop.post('/v1/products', { title: 'T', sku, price: euro(1), stock_quantity: 50 }, 201);
    const customer = secret('customer', 'ada.lovelace@example.org');
    const body = order(customer, { [sku]: 1 }, { metadata: { note: secret('metadata', 'ring-the-bell-twice') } });
    const { body: placed } = await shop.post('/v1/orders', body, 201, { key, bearer: secrets.get('write key') });
    await shop.post('/v1/orders', body, 201, { key });
    await shop.post(`/v1/orders/${placed.order_id}/pay`, { payment_reference: secret('payment', 'pi_of_ada') }, 200);
    await shop.get(`/v1/orders?customer_id=${encodeURIComponent(customer)}`);

    /* What goes wrong. */
    await told('POST', '/v1/orders', { ...body, items: [{ sku, quantity: 0 }] }, { key });
    await told('POST', '/v1/orders', { ...body, hold_seconds: 60 }, { key });
    await told('POST', '/v1/orders', order(customer, { [sku]: 1000 }));
    await told('POST', '/v1/orders', undefined, { raw: `{"customer_id": "${customer}", ` });
    await told('POST', '/v1/orders', undefined, { raw: customer, headers: { 'Content-Type': 'text/plain' } });
    await told('POST', '/v1/orders', body, { bearer: secrets.get('read key') });
    await told('GET', '/v1/orders', undefined, { bearer: secret('wrong key', 'hf_0123456789abcdef') });
    await told('GET', `/v1/orders?api_key=${secrets.get('read key')}&customer_id=${encodeURIComponent(customer)}`);
    await told('GET', '/v1/nowhere', undefined, { headers: { 'X-Request-Id': 'mine' } });
    for (const lines of [
      `Authorization: Bearer ${shop.bearer}\r\nX: ${'y'.repeat(20_000)}`,
      `Authorization: Bearer ${shop.bearer}\r\nContent-Length: -1`,
      `Authorization : Bearer ${shop.bearer}`,
      `Authorization: Bearer ${shop.bearer}\r\nAuthorization: Bearer ${shop.bearer}`,
      `Authorization: Bearer ${shop.bearer}\u0001`,
    ]) {
      const wire = await Wire.open(shop.server.port);
      wire.send(`GET /v1/orders HTTP/1.1\r\nHost: shop\r\n${lines}\r\n\r\n`);
      const answer = await wire.answer();
      assert.ok(answer.status >= 400);
      answers.push(`${JSON.stringify(answer.headers)} ${answer.body}`);
      wire.close();
    }

    /* A row that the database refuses: PostgreSQL shows it whole, to whoever asks for the detail. */
    const unlucky = secret('unlucky customer', 'unlucky.customer@example.org');
    sql(
      database,
      IS_POSTGRES
        ? `ALTER TABLE orders ADD CONSTRAINT no_luck CHECK (customer_id NOT LIKE 'unlucky%') NOT VALID;`
        : `CREATE TRIGGER no_luck BEFORE INSERT ON orders WHEN NEW.customer_id LIKE 'unlucky%'
           BEGIN SELECT RAISE(ABORT, 'no luck'); END;`,
    );
    assert.equal((await told('POST', '/v1/orders', order(unlucky, { [sku]: 1 }))).status, 500);
    await until('the log knows', () => shop.server.logText().includes('no_luck') || shop.server.logText().includes('no luck'));

    /* Deliveries fail until they are dead. */
    await until('the delivery is dead', () => shop.server.log.some(({ event }) => event === 'job_dead'));
    receiver.assertVerified();
  });

  test('the log', async () => {
    await sleep(50);
    assert.ok(shop.server.log.some(({ event, status }) => event === 'request' && status === 201));
    assert.ok(shop.server.log.some(({ event }) => event === 'http_refused'));
    assert.ok(shop.server.log.some(({ event }) => event === 'job_failed'));
    looked('the log', shop.server.logText());
  });

  test('the metrics, and what every process sees of this one', async () => {
    looked('/metrics', (await shop.get('/metrics')).text);
    const commandLine = readFileSync(`/proc/${shop.server.process.pid}/cmdline`, 'utf8');
    assert.ok(commandLine.includes(PROGRAM) && commandLine.includes('serve'));
    looked('the command line', commandLine);
  });

  test('answers to failures', () => {
    assert.ok(answers.length >= 12);
    looked('an answer', answers.join('\n'), ['customer']); /* his own */
  });

  test('what keys that read are shown', async () => {
    const bearer = secrets.get('read key');
    const own = ['customer', 'metadata', 'payment'];
    for (const target of ['/v1/events', '/v1/orders']) {
      looked(target, (await shop.get(target, 200, { bearer })).text, own);
    }
    for (const target of [ENDPOINTS, '/v1/jobs', '/v1/queues', '/v1/webhook_deliveries']) {
      looked(target, (await shop.get(target, 200, { bearer })).text, [...own, 'token in an URL']);
    }
  });

  test('what commands print', async () => {
    const env = { HOLDFAST_DATABASE: withPassword(database) };
    const { stdout: dead } = await runs(['jobs', 'list', '--state', 'dead'], { env });
    const [id] = /[0-9a-f-]{36}/.exec(dead);
    for (const command of [['jobs', 'show', id], ['jobs', 'queues'], ['keys', 'list'], ['audit']]) {
      const { stdout, stderr } = await runs(command, { env });
      assert.notEqual(stdout, '');
      looked(command.join(' '), stdout + stderr, ['customer', 'metadata']);
    }
  });

  test('what is in the database: no key, but its hash', async () => {
    const keys = [...secrets].filter(([name]) => name.endsWith(' key') && !name.startsWith('idempotency'));
    if (IS_POSTGRES) {
      const rows = sql(database, 'SELECT k::text FROM api_keys k;').join('\n');
      assert.match(rows, /admin/);
      keys.forEach(([name, value]) => assert.ok(!rows.includes(value), name));
    } else {
      const path = database.replace('sqlite:', '');
      const files = ['', '-wal', '-shm'].map((suffix) => path + suffix);
      assert.deepEqual(files.map((file) => statSync(file).mode & 0o027), [0, 0, 0], 'not for everybody to read');
      const bytes = Buffer.concat(files.slice(0, 2).map((file) => readFileSync(file)));
      assert.ok(bytes.includes('ada.lovelace@example.org'));
      keys.forEach(([name, value]) => assert.ok(!bytes.includes(value.slice(10)), name));
    }
  });

  test('a database that cannot be reached', async () => {
    const uri = `postgresql://shop:${secrets.get('database password')}@127.0.0.1:1/shop?sslpassword=${secret('TLS password', 'pa55-of-tls')}`;
    for (const parameters of [['serve', '--listen', '127.0.0.1:0'], ['work'], ['audit'], ['keys', 'list'], ['migrate']]) {
      const { status, stdout, stderr } = await run(parameters, { env: { HOLDFAST_DATABASE: uri } });
      assert.equal(status, 1, parameters.join(' '));
      assert.notEqual(stderr, '');
      looked(parameters.join(' '), stdout + stderr);
    }
    const { status, stderr } = await run(['serve', '--database', uri.replace('@', '@@')]);
    assert.equal(status, 2);
    looked('wrong usage', stderr);
  });

  test('the day ends', async () => {
    sql(database, IS_POSTGRES ? 'ALTER TABLE orders DROP CONSTRAINT no_luck;' : 'DROP TRIGGER no_luck;');
    await shop.stop();
    shop.close();
    looked('the whole log', shop.server.logText());
    await shop.audit();
  });
});
