import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { ConnectionLost } from './support/client.mjs';
import { ONLY_SQLITE } from './support/database.mjs';
import { order, Shop, sleep, times, until, withShop } from './support/shop.mjs';
import { run } from './support/program.mjs';
import { Wire } from './support/wire.mjs';

const request = (body, more = '') =>
  `POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n` +
  `Content-Length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`;

describe('stopping', () => {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    test(`${signal}: what is in flight is answered, then the server exits with 0`, () =>
      withShop(async (shop) => {
        const sku = await shop.sells(5000);
        const wires = await times(20, () => Wire.open(shop.server.port));
        const body = JSON.stringify(order('c-1', { [sku]: 1 }));
        wires.forEach((wire) => wire.send(request(body).repeat(10)));
        assert.equal((await wires[0].answer()).status, 201);
        shop.server.signal(signal);
        let answered = 1;
        for (const wire of wires) {
          for (let answer = await wire.answer(); answer !== null; answer = await wire.answer()) {
            assert.equal(answer.status, 201);
            answered += 1;
          }
          assert.ok(await wire.isClosed());
        }
        assert.deepEqual(await shop.server.ended(), { status: 0, signal: null });
        await shop.start();
        const orders = await shop.all(`/v1/orders?sku=${sku}`);
        assert.ok(orders.length >= answered, `${answered} were answered, ${orders.length} are there`);
        assert.equal(await shop.stock(sku), `5000 on hand, ${orders.length} reserved`);
      }));
  }

  test('a request that is being sent gets its answer, and its connection closes', () =>
    withShop(async (shop) => {
      const sku = await shop.sells(5);
      const body = JSON.stringify(order('c-1', { [sku]: 1 }));
      const text = request(body);
      const wire = await Wire.open(shop.server.port);
      wire.send(text.slice(0, 60));
      await sleep(100);
      shop.server.signal('SIGTERM');
      await sleep(200);
      wire.send(text.slice(60));
      const answer = await wire.answer();
      assert.deepEqual([answer?.status, answer?.headers.connection?.toLowerCase()], [201, 'close']);
      assert.ok(await wire.isClosed());
      assert.equal((await shop.server.ended()).status, 0);
    }));

  test('idle connections do not hold it up, new ones are not taken', () =>
    withShop(async (shop) => {
      const wires = await times(10, () => Wire.open(shop.server.port));
      await shop.get('/healthz');
      const started = Date.now();
      shop.server.signal('SIGTERM');
      assert.equal((await shop.server.ended()).status, 0);
      assert.ok(Date.now() - started < 2000, `took ${Date.now() - started} ms`);
      wires.forEach((wire) => wire.close());
      await assert.rejects(shop.send('GET', '/healthz'), ConnectionLost);
    }));

  test('while it drains it says that it is not ready', () =>
    withShop(async (shop) => {
      const waiting = await Wire.open(shop.server.port);
      waiting.send('GET /readyz HTTP/1.1\r\nHost: shop\r\n');
      await sleep(50);
      shop.server.signal('SIGTERM');
      await sleep(100);
      waiting.send('\r\n');
      const answer = await waiting.answer();
      assert.equal(answer.status, 503);
      assert.equal(JSON.parse(answer.body).code, 'draining');
      assert.equal((await shop.server.ended()).status, 0);
    }));

  test('with --drain-delay it serves on meanwhile, and says that it is not ready', () =>
    withShop(
      async (shop) => {
        const sku = await shop.sells(10);
        const started = Date.now();
        shop.server.signal('SIGTERM');
        await until('it says so', async () => (await shop.send('GET', '/readyz')).body.code === 'draining');
        const wire = await Wire.open(shop.server.port); /* a new connection */
        wire.send('GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n');
        assert.equal((await wire.answer()).status, 200);
        await shop.places({ [sku]: 1 });
        assert.equal((await shop.server.ended()).status, 0);
        const took = Date.now() - started;
        assert.ok(took >= 1900 && took < 6000, `took ${took} ms`);
        wire.close();
      },
      { parameters: ['--drain-delay', '2'] },
    ));

  test('and before that, where nobody reads its log, it serves on and can be stopped', () =>
    withShop(
      async (shop) => {
        const { stderr } = shop.server.process;
        stderr.pause();
        for (let i = 0; i < 4000; i += 1) {
          await shop.get('/v1/events?limit=1');
        }
        const { text } = await shop.get('/metrics');
        assert.match(text, /^holdfast_log_lines_dropped_total [1-9]/m);
        stderr.resume();
        await until('the reader is told', async () => {
          await shop.get('/v1/events?limit=1');
          return shop.server.log.some(({ event }) => event === 'log_lines_dropped');
        });
        assert.ok(shop.server.log.every(({ event }) => event !== 'not_json'));
        stderr.pause();
        for (let i = 0; i < 4000; i += 1) {
          await shop.get('/v1/events?limit=1');
        }
        const ended = new Promise((resolve) => {
          shop.server.process.once('exit', resolve);
        });
        shop.server.signal('SIGTERM');
        assert.equal(await ended, 0);
        stderr.resume();
      },
      { parameters: ['--log-requests'] },
    ));

  test('a client that never finishes is not waited for longer than --drain-seconds', () =>
    withShop(
      async (shop) => {
        const wire = await Wire.open(shop.server.port);
        wire.send('POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Length: 100\r\n\r\n{');
        await sleep(50);
        const started = Date.now();
        shop.server.signal('SIGTERM');
        assert.equal((await shop.server.ended()).status, 0);
        assert.ok(Date.now() - started < 4000, `took ${Date.now() - started} ms`);
        wire.close();
      },
      { parameters: ['--drain-seconds', '1'] },
    ));

  test('a second signal exits at once', () =>
    withShop(async (shop) => {
      const wire = await Wire.open(shop.server.port);
      wire.send('POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Length: 100\r\n\r\n{');
      await sleep(50);
      shop.server.signal('SIGTERM');
      await until('it drains', () => shop.server.log.some((entry) => entry.event === 'server_draining'));
      const started = Date.now();
      shop.server.signal('SIGTERM');
      const end = await shop.server.ended();
      assert.ok(Date.now() - started < 5000, 'it waited for the client');
      assert.deepEqual(end, { status: 143, signal: null });
      wire.close();
    }));
});

describe('starting', () => {
  const serve = (...parameters) => run(['serve', '--listen', '127.0.0.1:0', ...parameters]);

  test('a second server on one file is refused', ONLY_SQLITE, () =>
    withShop(async (shop) => {
      const { status, stderr } = await serve('--database', shop.database);
      assert.equal(status, 1);
      assert.match(stderr, /another|already|use/i);
      await shop.get('/healthz');
    }));

  test('a port in use is refused', () =>
    withShop(async (shop) => {
      const other = new Shop();
      await other.migrate();
      const { status, stderr } = await run([
        'serve',
        '--listen',
        `127.0.0.1:${shop.server.port}`,
        '--database',
        other.database,
      ]);
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`${shop.server.port}`));
    }));

  test('what cannot be opened is said', async () => {
    const { status, stderr } = await serve('--database', 'sqlite:/nonexistent/folder/shop.db');
    assert.equal(status, 1);
    assert.match(stderr, /nonexistent/);
  });

  test('settings that make no sense are wrong usage', async () => {
    for (const parameters of [
      ['--database', 'mysql://x'],
      ['--max-hold', '0'],
      ['--max-hold', 'soon'],
      ['--listen', 'nonsense:port'],
      ['--no-such-option'],
      ['operand'],
    ]) {
      const { status, stderr } = await run(['serve', ...parameters]);
      assert.equal(status, 2, `${parameters.join(' ')}: ${stderr}`);
    }
  });

  test('settings come from the environment too, and the command line wins', async () => {
    const shop = new Shop({ env: { HOLDFAST_MAX_HOLD: '50', HOLDFAST_LOG_LEVEL: 'info' } });
    await shop.start();
    const sku = await shop.sells(5);
    await shop.post('/v1/orders', order('c', { [sku]: 1 }, { hold_seconds: 51 }), '422 invalid_request');
    await shop.stop();
    await shop.start({ env: { HOLDFAST_MAX_HOLD: '50' }, parameters: ['--max-hold', '60'] });
    await shop.post('/v1/orders', order('c', { [sku]: 1 }, { hold_seconds: 60 }), 201);
    await shop.stop();
    shop.close();
  });
});
