/* The document itself: whole, and its examples true. What the server answers is held against it everywhere else. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { mismatch } from './support/openapi.mjs';

const document = JSON.parse(readFileSync(new URL('../../docs/api/openapi.json', import.meta.url), 'utf8'));

function* nodes(node, path = '#') {
  if (node !== null && typeof node === 'object') {
    yield [path, node];
    for (const [key, inner] of Object.entries(node)) {
      yield* nodes(inner, `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
    }
  }
}
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  ['get', 'post', 'patch', 'delete']
    .filter((method) => item[method])
    .map((method) => [`${method} ${path}`, item[method], item]),
);

describe('openapi.json', () => {
  test('every reference leads somewhere, every component is used', () => {
    const used = new Set();
    for (const [path, node] of nodes(document)) {
      if (node.$ref !== undefined) {
        const found = node.$ref
          .slice(2)
          .split('/')
          .reduce((inner, name) => inner?.[name], document);
        assert.ok(found, `${path} refers to ${node.$ref}`);
        assert.deepEqual(Object.keys(node), ['$ref'], `${path} has more than its reference`);
        used.add(node.$ref);
      }
    }
    for (const [kind, components] of Object.entries(document.components)) {
      for (const name of Object.keys(components)) {
        assert.ok(
          kind === 'securitySchemes' || used.has(`#/components/${kind}/${name}`),
          `${kind}/${name} is not used`,
        );
      }
    }
  });

  test('every operation has a name of its own, a summary, a tag, a security and a default answer', () => {
    const tags = document.tags.map((tag) => tag.name);
    const names = new Set();
    for (const [where, operation] of operations) {
      assert.match(operation.operationId, /^[a-z][A-Za-z]+$/, where);
      assert.ok(!names.has(operation.operationId), `${operation.operationId} twice`);
      names.add(operation.operationId);
      assert.ok(operation.summary && operation.security && operation.responses.default, where);
      assert.ok(
        operation.tags.every((tag) => tags.includes(tag)),
        where,
      );
    }
  });

  test('every path parameter is declared', () => {
    for (const [path, item] of Object.entries(document.paths)) {
      const wanted = [...path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1]);
      const declared = (item.parameters ?? []).map(
        (one) => document.components.parameters[one.$ref.split('/').at(-1)].name,
      );
      assert.deepEqual(declared, wanted, path);
    }
  });

  test('every POST takes an Idempotency-Key, and request objects are closed', () => {
    for (const [where, operation] of operations.filter(([name]) => name.startsWith('post'))) {
      assert.ok(
        operation.parameters.some((one) => one.$ref?.endsWith('/IdempotencyKey')),
        where,
      );
    }
    for (const name of [
      'CreateSimpleProduct',
      'CreateProductWithVariants',
      'CreateVariant',
      'UpdateProduct',
      'UpdateVariant',
      'AdjustStockByDelta',
      'AdjustStockToCount',
      'PlaceOrder',
      'PlaceOrderItem',
      'PlaceOrders',
      'PlaceOrdersMember',
      'PayOrder',
      'CancelOrder',
      'ExtendHold',
      'Price',
      'UpdateQueue',
      'RateLimit',
      'CreateWebhookEndpoint',
      'UpdateWebhookEndpoint',
    ]) {
      assert.equal(document.components.schemas[name].additionalProperties, false, name);
    }
  });

  test('every example is true to its schema', () => {
    let count = 0;
    for (const [path, node] of nodes(document)) {
      if (node.schema !== undefined && (node.example !== undefined || node.examples !== undefined)) {
        for (const value of [node.example, ...Object.values(node.examples ?? {}).map((one) => one.value)]) {
          if (value !== undefined) {
            assert.equal(mismatch(node.schema, true, value), null, path);
            count += 1;
          }
        }
      }
    }
    assert.ok(count > 10);
  });

  test('the validator refuses what the document does not say', () => {
    const order = { $ref: '#/components/schemas/Order' };
    const { example } = document.paths['/v1/orders'].post.responses[201].content['application/json'];
    assert.equal(mismatch(order, true, example), null);
    assert.match(mismatch(order, true, { ...example, colour: 'red' }), /propert/);
    assert.match(mismatch(order, true, { ...example, status: 'lost' }), /status/);
    const { version, ...incomplete } = example;
    assert.match(mismatch(order, true, incomplete), /version/);
    assert.match(mismatch(order, true, { ...example, total: { amount: 19.99, currency: 'EUR' } }), /amount/);
  });
});
