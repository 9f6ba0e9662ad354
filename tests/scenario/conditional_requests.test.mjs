import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { times, useShop } from './support/shop.mjs';

describe('ETag and If-Match', () => {
  const shop = useShop();

  const variant = async () => `/v1/variants/${await shop.sells(5)}`;
  const withMatch = (value) => ({ headers: { 'If-Match': value } });

  test('every resource with a version mirrors it in its ETag', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 });
    const { body } = await shop.get(`/v1/variants/${sku}`);
    for (const path of [
      `/v1/variants/${sku}`,
      `/v1/stock/${sku}`,
      `/v1/products/${body.product_id}`,
      `/v1/orders/${placed.order_id}`,
    ]) {
      const answer = await shop.get(path);
      assert.equal(answer.headers.etag, `"${answer.body.version}"`, path);
    }
  });

  test('a patch goes through where its tag is the present one', async () => {
    const path = await variant();
    assert.equal((await shop.patch(path, { title: 'A' }, 200, withMatch('"1"'))).headers.etag, '"2"');
    await shop.patch(path, { title: 'B' }, 200, withMatch('"7", "2"'));
    await shop.patch(path, { title: 'C' }, 200, withMatch('*'));
    await shop.patch(path, { title: 'D' }, 200);
  });

  test('a stale tag is refused and changes nothing', async () => {
    const path = await variant();
    await shop.patch(path, { title: 'A' }, 200);
    const { body: problem } = await shop.patch(path, { title: 'B' }, '412 version_mismatch', withMatch('"1"'));
    assert.equal(problem.version, 2);
    assert.equal((await shop.get(path)).body.title, 'A');
  });

  test('a weak tag never matches', async () => {
    await shop.patch(await variant(), { title: 'A' }, '412 version_mismatch', withMatch('W/"1"'));
  });

  test('products have the same protection', async () => {
    const { body } = await shop.get(await variant());
    const path = `/v1/products/${body.product_id}`;
    await shop.patch(path, { title: 'A' }, '412 version_mismatch', withMatch('"9"'));
    await shop.patch(path, { title: 'A' }, 200, withMatch('"1"'));
  });

  test('of many patches with one tag, one wins', async () => {
    const path = await variant();
    const answers = await times(20, (i) => shop.patch(path, { title: `T${i}` }, undefined, withMatch('"1"')));
    assert.equal(answers.filter((answer) => answer.status === 200).length, 1);
    assert.equal(answers.filter((answer) => answer.status === 412).length, 19);
    assert.equal((await shop.get(path)).body.version, 2);
  });

  test('the fields are judged before the tag', async () => {
    await shop.patch(await variant(), { title: '' }, '422 invalid_request', withMatch('"9"'));
  });
});
