import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { order, sleep, useShop } from './support/shop.mjs';
import { Wire } from './support/wire.mjs';

describe('HTTP', () => {
  const shop = useShop({ parameters: ['--request-timeout', '3'] });
  const get = (path = '/healthz', more = '') => `GET ${path} HTTP/1.1\r\nHost: shop\r\n${more}\r\n`;
  const post = (headers, body = '') =>
    `POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n${headers}\r\n${body}`;
  const withWire = async (deed) => {
    const wire = await Wire.open(shop.server.port);
    try {
      return await deed(wire);
    } finally {
      wire.close();
    }
  };
  /* One request on a connection of its own; also whether the connection was closed behind the answer. */
  const ask = (text) =>
    withWire(async (wire) => {
      wire.send(text);
      const answer = await wire.answer();
      return { ...answer, closed: await wire.isClosed(answer?.status < 400 ? 50 : 2000) };
    });
  const isProblem = (answer) => {
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    const problem = JSON.parse(answer.body);
    assert.equal(problem.status, answer.status);
    assert.equal(problem.type, `urn:holdfast:problem:${problem.code}`);
    assert.ok(answer.headers['x-request-id']);
    return problem;
  };

  const hostile = {
    'two lengths that differ': post('Content-Length: 2\r\nContent-Length: 3\r\n', '{}'),
    'two lengths that agree': post('Content-Length: 2\r\nContent-Length: 2\r\n', '{}'),
    'a list of lengths': post('Content-Length: 2, 2\r\n', '{}'),
    'a length and chunks': post('Content-Length: 2\r\nTransfer-Encoding: chunked\r\n', '2\r\n{}\r\n0\r\n\r\n'),
    'chunks and a length': post('Transfer-Encoding: chunked\r\nContent-Length: 2\r\n', '2\r\n{}\r\n0\r\n\r\n'),
    'a signed length': post('Content-Length: +2\r\n', '{}'),
    'a negative length': post('Content-Length: -2\r\n', '{}'),
    'a hexadecimal length': post('Content-Length: 0x2\r\n', '{}'),
    'a length with letters': post('Content-Length: 2x\r\n', '{}'),
    'an empty length': post('Content-Length: \r\n', '{}'),
    'a length beyond 64 bits': post('Content-Length: 18446744073709551618\r\n', '{}'),
    'a chunk size that is no number': post('Transfer-Encoding: chunked\r\n', 'zz\r\n{}\r\n0\r\n\r\n'),
    'a signed chunk size': post('Transfer-Encoding: chunked\r\n', '+2\r\n{}\r\n0\r\n\r\n'),
    'a chunk size beyond 64 bits': post('Transfer-Encoding: chunked\r\n', '10000000000000002\r\n{}\r\n0\r\n\r\n'),
    'a chunk longer than it said': post('Transfer-Encoding: chunked\r\n', '2\r\n{}x\r\n0\r\n\r\n'),
    'chunks that end in bare line feeds': post('Transfer-Encoding: chunked\r\n', '2\n{}\n0\n\n'),
    'chunked twice': post('Transfer-Encoding: chunked, chunked\r\n', '2\r\n{}\r\n0\r\n\r\n'),
    'two transfer encodings': post(
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
      '2\r\n{}\r\n0\r\n\r\n',
    ),
    'bare line feeds': 'GET /healthz HTTP/1.1\nHost: shop\n\n',
    'one bare line feed': 'GET /healthz HTTP/1.1\r\nHost: shop\nX: y\r\n\r\n',
    'a bare carriage return': 'GET /healthz HTTP/1.1\r\nHost: shop\r\nX: a\rb\r\n\r\n',
    'a folded header': 'GET /healthz HTTP/1.1\r\nHost: shop\r\nX: a\r\n b\r\n\r\n',
    'a space before the colon': 'GET /healthz HTTP/1.1\r\nHost : shop\r\n\r\n',
    'a space before the first header': 'GET /healthz HTTP/1.1\r\n Host: shop\r\n\r\n',
    'a header without a name': get('/healthz', ': x\r\n'),
    'a header without a colon': get('/healthz', 'nonsense\r\n'),
    'a header name with a bracket': get('/healthz', 'X(y): z\r\n'),
    'a NUL in a header': get('/healthz', 'X: a\u0000b\r\n'),
    'a control character in a header': get('/healthz', 'X: a\u0001b\r\n'),
    'no Host': 'GET /healthz HTTP/1.1\r\n\r\n',
    'two Hosts': 'GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'two equal Hosts': 'GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n',
    'a Host with a path': 'GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n',
    'a NUL in the path': 'GET /heal\u0000thz HTTP/1.1\r\nHost: shop\r\n\r\n',
    'a space in the path': 'GET /heal thz HTTP/1.1\r\nHost: shop\r\n\r\n',
    'bytes beyond ASCII in the path': 'GET /\u00e9 HTTP/1.1\r\nHost: shop\r\n\r\n',
    'a fragment in the path': 'GET /healthz#x HTTP/1.1\r\nHost: shop\r\n\r\n',
    'a path without a slash': 'GET healthz HTTP/1.1\r\nHost: shop\r\n\r\n',
    'a tunnel': 'CONNECT shop:80 HTTP/1.1\r\nHost: shop\r\n\r\n',
    'no version': 'GET /healthz\r\nHost: shop\r\n\r\n',
    'a broken version': 'GET /healthz HTTP/1.x\r\nHost: shop\r\n\r\n',
    TLS: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
    noise: `${'\xff\xfe'.repeat(50)}\r\n\r\n`,
  };
  for (const [name, text] of Object.entries(hostile)) {
    test(`${name}: 400, and the connection closes`, async () => {
      const answer = await ask(text);
      assert.equal(answer.status, 400);
      assert.equal(isProblem(answer).code, 'bad_request');
      assert.ok(answer.closed, 'the connection stays open');
    });
  }

  const refused = {
    'another transfer coding': [
      post('Transfer-Encoding: gzip, chunked\r\n', '2\r\n{}\r\n0\r\n\r\n'),
      501,
      'not_implemented',
    ],
    'an unknown method': ['BREW /healthz HTTP/1.1\r\nHost: shop\r\n\r\n', 501, 'not_implemented'],
    'a method in lower case': ['get /healthz HTTP/1.1\r\nHost: shop\r\n\r\n', 501, 'not_implemented'],
    'another version': ['GET /healthz HTTP/2.0\r\nHost: shop\r\n\r\n', 505, 'http_version_not_supported'],
    'a path that is too long': [get(`/${'x'.repeat(9000)}`), 414, 'uri_too_long'],
    'headers that are too large': [get('/healthz', `X: ${'y'.repeat(20_000)}\r\n`), 431, 'headers_too_large'],
    'too many headers': [get('/healthz', 'X: y\r\n'.repeat(200)), 431, 'headers_too_large'],
    'a body that says it is too large': [post(`Content-Length: ${1024 * 1024 + 1}\r\n`), 413, 'body_too_large'],
    'an expectation nobody meets': [post('Expect: miracles\r\nContent-Length: 2\r\n', '{}'), 417, 'expectation_failed'],
  };
  for (const [name, [text, status, code]] of Object.entries(refused)) {
    test(`${name}: ${status}`, async () => {
      const answer = await ask(text);
      assert.equal(answer.status, status);
      assert.equal(isProblem(answer).code, code);
    });
  }

  test('a body of chunks that grows too large is refused on its way', () =>
    withWire(async (wire) => {
      wire.send(post('Transfer-Encoding: chunked\r\n'));
      const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
      for (let i = 0; i < 17; i += 1) {
        wire.send(chunk);
      }
      const answer = await wire.answer();
      assert.equal(answer.status, 413);
      assert.equal(isProblem(answer).code, 'body_too_large');
    }));

  test('a body of just 1 MiB is read', async () => {
    const sku = await shop.sells(5);
    const raw = JSON.stringify(order('c-1', { [sku]: 1 }));
    await shop.post('/v1/orders', undefined, 201, { raw: raw.padEnd(1024 * 1024, ' ') });
    await shop.post('/v1/orders', undefined, '413 body_too_large', { raw: raw.padEnd(1024 * 1024 + 1, ' ') });
  });

  test('chunks with extensions and trailers are put together', async () => {
    const sku = await shop.sells(5);
    const body = JSON.stringify(order('c-1', { [sku]: 1 }));
    const [head, tail] = [body.slice(0, 10), body.slice(10)];
    const answer = await ask(
      post(
        'Transfer-Encoding: chunked\r\n',
        `a;name=value\r\n${head}\r\n${tail.length.toString(16)}\r\n${tail}\r\n0\r\nX-Trailer: y\r\n\r\n`,
      ),
    );
    assert.equal(answer.status, 201);
    assert.equal(await shop.stock(sku), '5 on hand, 1 reserved');
  });

  test('a request that arrives byte by byte is understood', () =>
    withWire(async (wire) => {
      const sku = await shop.sells(5);
      const body = JSON.stringify(order('c-1', { [sku]: 1 }));
      for (const byte of post(`Content-Length: ${body.length}\r\n`, body)) {
        wire.send(byte);
        await new Promise(setImmediate);
      }
      assert.equal((await wire.answer()).status, 201);
    }));

  test('pipelined requests are answered in order, fast ones behind slow ones', () =>
    withWire(async (wire) => {
      const sku = await shop.sells(5);
      const body = JSON.stringify(order('c-1', { [sku]: 1 }));
      const write = post(`Content-Length: ${body.length}\r\n`, body);
      wire.send([write, get(), get('/nowhere'), write, get(`/v1/stock/${sku}`), get('/readyz')].join(''));
      const statuses = [];
      for (let i = 0; i < 6; i += 1) {
        statuses.push((await wire.answer()).status);
      }
      assert.deepEqual(statuses, [201, 200, 404, 201, 200, 200]);
    }));

  test('a hundred pipelined requests come back in their order', () =>
    withWire(async (wire) => {
      wire.send(
        Array.from({ length: 100 }, (_, i) =>
          get(i % 3 === 0 ? '/v1/orders?limit=1' : '/healthz', `X-Request-Id: r-${i}\r\n`),
        ).join(''),
      );
      for (let i = 0; i < 100; i += 1) {
        assert.equal((await wire.answer()).headers['x-request-id'], `r-${i}`);
      }
    }));

  test('what was pipelined in front of a malformed request is answered', () =>
    withWire(async (wire) => {
      wire.send(`${get()}${get()}nonsense\r\n\r\n`);
      assert.deepEqual(
        [(await wire.answer()).status, (await wire.answer()).status, (await wire.answer()).status],
        [200, 200, 400],
      );
      assert.ok(await wire.isClosed());
    }));

  test('a connection is kept until it is asked to close', () =>
    withWire(async (wire) => {
      wire.send(get());
      assert.equal((await wire.answer()).status, 200);
      await sleep(50);
      wire.send(get('/healthz', 'Connection: close\r\n'));
      const last = await wire.answer();
      assert.deepEqual([last.status, last.headers.connection?.toLowerCase()], [200, 'close']);
      assert.ok(await wire.isClosed());
    }));

  test('HTTP/1.0 closes unless it asks to be kept', () =>
    withWire(async (wire) => {
      wire.send('GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
      assert.equal((await wire.answer()).headers.connection?.toLowerCase(), 'keep-alive');
      wire.send('GET /healthz HTTP/1.0\r\n\r\n');
      assert.equal((await wire.answer()).status, 200);
      assert.ok(await wire.isClosed());
    }));

  test('100-continue is said before the body is sent', () =>
    withWire(async (wire) => {
      const sku = await shop.sells(5);
      const body = JSON.stringify(order('c-1', { [sku]: 1 }));
      wire.send(post(`Expect: 100-continue\r\nContent-Length: ${body.length}\r\n`));
      assert.equal((await wire.answer()).status, 100);
      wire.send(body);
      assert.equal((await wire.answer()).status, 201);
    }));

  test('a client that has finished sending still gets its answer', () =>
    withWire(async (wire) => {
      wire.send(get('/v1/orders?limit=1'));
      wire.finish();
      assert.equal((await wire.answer()).status, 200);
    }));

  test('a client that hangs up changes nothing about its order', async () => {
    const sku = await shop.sells(100);
    const body = JSON.stringify(order('c-1', { [sku]: 1 }));
    for (let i = 0; i < 20; i += 1) {
      const wire = await Wire.open(shop.server.port);
      wire.send(post(`Content-Length: ${body.length}\r\n`, body));
      wire.finish();
      await wire.answer();
      wire.close();
    }
    assert.equal(await shop.stock(sku), '100 on hand, 20 reserved');
    const wire = await Wire.open(shop.server.port);
    wire.send(post(`Content-Length: ${body.length}\r\n`, body).repeat(20));
    await sleep(5);
    wire.close();
    await sleep(200);
    const orders = await shop.all(`/v1/orders?sku=${sku}`);
    assert.equal(await shop.stock(sku), `100 on hand, ${orders.length} reserved`);
  });

  test('a whole URL as target is its path', async () => {
    const answer = await ask('GET http://shop/healthz HTTP/1.1\r\nHost: shop\r\n\r\n');
    assert.ok([200, 400].includes(answer.status), `answered ${answer.status}`);
  });

  test('HEAD answers as GET without a body', () =>
    withWire(async (wire) => {
      const sku = await shop.sells(5);
      for (const path of ['/healthz', `/v1/stock/${sku}`, '/v1/nowhere', '/v1/orders', '/metrics', '/openapi.json']) {
        wire.send(get(path));
        const full = await wire.answer();
        wire.send(get(path).replace('GET', 'HEAD'));
        const bare = await wire.answer({ isHead: true });
        assert.equal(bare.status, full.status, path);
        assert.equal(bare.headers['content-type'], full.headers['content-type'], path);
        assert.equal(bare.headers.etag, full.headers.etag, path);
        if (path !== '/metrics') {
          assert.equal(bare.headers['content-length'], full.headers['content-length'], path);
        }
      }
      wire.send(get());
      assert.equal((await wire.answer()).body.length > 0, true, 'no stray body in front');
    }));

  test('another method: 405, with those that the path allows', async () => {
    const allowed = {
      '/v1/products': 'GET, HEAD, POST',
      '/v1/orders': 'GET, HEAD, POST',
      '/v1/orders/batch': 'POST',
      '/v1/variants/x': 'GET, HEAD, PATCH',
      '/v1/products/x': 'GET, HEAD, PATCH',
      '/v1/stock/x': 'GET, HEAD',
      '/v1/stock/x/adjustments': 'POST',
      '/v1/orders/x': 'GET, HEAD',
      '/v1/orders/x/pay': 'POST',
      '/v1/events': 'GET, HEAD',
      '/healthz': 'GET, HEAD',
    };
    for (const [path, methods] of Object.entries(allowed)) {
      for (const method of ['DELETE', 'PUT']) {
        const { headers } = await shop.call(method, path, undefined, '405 method_not_allowed');
        assert.deepEqual(headers.allow.split(', ').sort(), methods.split(', ').sort(), path);
      }
    }
  });

  test('an unknown path: 404', async () => {
    for (const path of [
      '/',
      '/v1',
      '/v1/',
      '/v2/orders',
      '/v1/orders/',
      '/v1//orders',
      '/v1/orders/x/y/z',
      '/healthz/',
      '/v1/ORDERS',
      '/v1/orders/x/refund',
      '/../etc/passwd',
      '/v1/stock',
      '/v1/variants/',
    ]) {
      await shop.get(path, '404 not_found');
    }
  });

  test('a path is compared as it was sent: encodings, dots and slashes lead nowhere else', () =>
    withWire(async (wire) => {
      const refused = async (path, code) => {
        wire.send(get(path));
        const answer = await wire.answer();
        assert.deepEqual([answer?.status, isProblem(answer).code], [404, code], path);
      };
      for (const path of [
        '/%68ealthz',
        '/healthz%00',
        '/healthz%2f',
        '/healthz;x',
        '/./healthz',
        '/v1/../healthz',
        '//healthz',
        '/v1/%6frders',
        '/v1/orders/../products',
        '/v1/orders%2f..%2fproducts',
      ]) {
        await refused(path, 'not_found');
      }
      for (const sku of ['%00', '%0a', '%c0%ae', '%ed%a0%80', '%ff', '%', '%zz', '%2', '%u0041', '..%2f..%2fetc', '..']) {
        await refused(`/v1/stock/${sku}`, 'unknown_sku');
      }
      wire.send(get());
      assert.equal((await wire.answer()).status, 200);
    }));

  test('a body that is not JSON by its type: 415', async () => {
    const sku = await shop.sells(50);
    const body = JSON.stringify(order('c-1', { [sku]: 1 }));
    const typed = (type, expected) =>
      shop.post('/v1/orders', undefined, expected, { raw: body, headers: { 'Content-Type': type } });
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/xml',
      'application/json; charset=latin1',
      'json',
      'application/jsonx',
      'multipart/form-data',
    ]) {
      await typed(type, '415 unsupported_media_type');
    }
    for (const type of [
      'application/json',
      'Application/JSON',
      'application/json; charset=utf-8',
      'application/json;charset="UTF-8"',
    ]) {
      await typed(type, 201);
    }
    await shop.patch(`/v1/variants/${sku}`, undefined, '415 unsupported_media_type', {
      raw: '{}',
      headers: { 'Content-Type': 'text/plain' },
    });
  });

  test('a decent X-Request-Id comes back, another is replaced', async () => {
    const id = async (value) =>
      (await shop.get('/healthz', 200, { headers: { 'X-Request-Id': value } })).headers['x-request-id'];
    for (const value of ['a', 'Req_7.b-2', 'x'.repeat(64)]) {
      assert.equal(await id(value), value);
    }
    const made = new Set();
    for (const value of ['', 'x'.repeat(65), 'a b', 'a"b', 'a;b', undefined, undefined]) {
      const other = await id(value);
      assert.notEqual(other, value);
      assert.match(other, /^[A-Za-z0-9._-]{1,64}$/);
      made.add(other);
    }
    assert.equal(made.size, 7);
    const problem = await shop.get('/v1/nowhere', '404 not_found', { headers: { 'X-Request-Id': 'mine' } });
    assert.equal(problem.headers['x-request-id'], 'mine');
  });

  test('a trickling request is cut off, others are served meanwhile', { timeout: 60_000 }, () =>
    withWire(async (wire) => {
      wire.send('GET /healthz HTTP/1.1\r\nHost: shop\r\n');
      const started = Date.now();
      let answer = null;
      while (answer === null && Date.now() - started < 40_000) {
        wire.send('X: y\r\n');
        await shop.get('/healthz');
        answer = await wire.answer({ limitMs: 500 });
      }
      assert.equal(answer?.status, 408);
      assert.ok(await wire.isClosed());
    }),
  );
});
