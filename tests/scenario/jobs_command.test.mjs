/* Background jobs from the command line, beside a live server. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { newDatabase } from './support/database.mjs';
import { run, runs } from './support/program.mjs';
import { Receiver } from './support/receiver.mjs';
import { sleep, until, useShop } from './support/shop.mjs';

const SETTINGS = {
  parameters: ['--webhook-allow-private', '--webhook-attempts=1', '--webhook-backoff-ms=50'],
};
const ACTIONS = ['list', 'show', 'retry', 'cancel', 'promote', 'pause', 'resume', 'queues'];
const NOBODY = '0193f2a0-5c1e-7d3b-8a44-2f6b1c9e0d11';

async function connect(shop, receiver) {
  const { body } = await shop.post('/v1/webhook_endpoints', { url: receiver.url, types: ['order.created'] }, 201);
  receiver.secrets = [body.secret];
  return `webhook:${body.endpoint_id}`;
}

const disconnect = (shop, queue) =>
  shop.call('DELETE', `/v1/webhook_endpoints/${queue.slice('webhook:'.length)}`, undefined, 204);

const jobs = async (shop, ...parameters) =>
  (await runs(['jobs', ...parameters, '--database', shop.database])).stdout.trimEnd();

async function refused(shop, parameters, ...words) {
  const { status, stdout, stderr } = await run(['jobs', ...parameters, '--database', shop.database]);
  assert.deepEqual([status, stdout], [1, ''], parameters.join(' '));
  words.forEach((word) => assert.match(stderr, word));
}

/* A table's rows as objects, by the names of the columns. */
async function table(shop, ...parameters) {
  const [head, ...rows] = (await jobs(shop, ...parameters)).split('\n');
  const columns = [...head.matchAll(/\S+/g)].map(({ 0: name, index }) => ({ name, index }));
  return rows.map((row) =>
    Object.fromEntries(
      columns.map(({ name, index }, i) => [name.toLowerCase(), row.slice(index, columns[i + 1]?.index).trim()]),
    ),
  );
}

const listed = (shop, queue, ...more) => table(shop, 'list', '--queue', queue, ...more);
const only = (shop, queue, state) =>
  until(
    `one job is ${state}`,
    async () => {
      const [job] = await listed(shop, queue);
      return job?.state === state ? job : null;
    },
    15_000,
  );

async function fields(shop, id) {
  const lines = (await jobs(shop, 'show', id)).split('\n');
  const at = lines.findIndex((line) => line.startsWith('log'));
  return {
    ...Object.fromEntries(lines.slice(0, at).map((line) => line.match(/^(\w+) +(.*)$/).slice(1))),
    log: lines.slice(at + 1).map((line) => JSON.parse(line)),
  };
}

describe('jobs on the command line', () => {
  const shop = useShop(SETTINGS);

  test('a dead delivery is listed, shown, and retried', async () => {
    let works = false;
    const receiver = await Receiver.open((_, response) => works || response.writeHead(503).end('x\u0007'.repeat(90)));
    const queue = await connect(shop, receiver);
    await shop.places({ [await shop.sells(1)]: 1 });
    const dead = await only(shop, queue, 'dead');
    assert.deepEqual([dead.queue, dead.kind, dead.attempt], [queue, 'webhook_delivery', '1/1']);
    assert.match(dead.last_error, /answered 503.*\.\.\.$/);
    assert.ok(dead.last_error.length <= 60);

    const shown = await fields(shop, dead.job_id);
    assert.deepEqual([shown.job_id, shown.state, shown.key, shown.progress], [dead.job_id, 'dead', '-', '-']);
    assert.ok(shown.last_error.startsWith(dead.last_error.slice(0, -3)));
    assert.ok(Date.parse(shown.created_at) <= Date.parse(shown.finished_at));
    assert.deepEqual(shown.log.map(({ attempt, status }) => [attempt, status]), [[1, 503]]);

    for (const [action, words] of [['cancel', /is dead/], ['promote', /is dead/]]) {
      await refused(shop, [action, dead.job_id], /job_state/, words);
    }
    works = true;
    assert.match(await jobs(shop, 'retry', dead.job_id), new RegExp(`^job ${dead.job_id} is scheduled[^\n]*$`));
    await only(shop, queue, 'completed');
    assert.equal(receiver.ids.size, 1);
    receiver.assertVerified();
    await refused(shop, ['retry', dead.job_id], /job_state/, /is completed/);
    await disconnect(shop, queue);
    receiver.close();
  });

  test('a queue is paused and resumed beside the server; what waits in it can be cancelled and promoted', async () => {
    const receiver = await Receiver.open();
    const queue = await connect(shop, receiver);
    assert.equal(await jobs(shop, 'pause', queue), `queue ${queue} is paused`);
    const sku = await shop.sells(3);
    for (let i = 0; i < 3; i++) {
      await shop.places({ [sku]: 1 });
    }
    await sleep(300);
    assert.equal(receiver.deliveries.length, 0);
    const seen = (await table(shop, 'queues')).find(({ queue: name }) => name === queue);
    assert.deepEqual([seen.paused, seen.scheduled, seen.running, seen.dead], ['yes', '3', '0', '0']);
    assert.ok(Date.parse(seen.oldest_due) <= Date.now());

    const waiting = await listed(shop, queue, '--state', 'scheduled');
    const ids = waiting.map(({ job_id: id }) => id);
    assert.deepEqual(ids, [...ids].sort().reverse(), 'newest first');
    assert.deepEqual((await listed(shop, queue, '--limit', '2')).map(({ job_id: id }) => id), ids.slice(0, 2));
    assert.match((await run(['jobs', 'list', '--limit', '1', '--database', shop.database])).stderr, /--limit/);
    assert.equal((await listed(shop, queue, '--kind', 'webhook_delivery')).length, 3);
    assert.equal((await listed(shop, queue, '--kind', 'other')).length, 0);
    assert.equal((await listed(shop, queue, '--key', 'other')).length, 0);
    assert.equal((await listed(shop, queue, '--state', 'dead')).length, 0);

    for (let i = 0; i < 2; i++) {
      assert.equal(await jobs(shop, 'cancel', ids[0]), `job ${ids[0]} is cancelled`);
    }
    assert.match(await jobs(shop, 'promote', ids[1]), /is scheduled/);
    assert.equal(await jobs(shop, 'resume', queue), `queue ${queue} is not paused`);
    await until('the other two came', () => receiver.deliveries.length === 2);
    await until('they are completed', async () => (await listed(shop, queue, '--state', 'completed')).length === 2);
    assert.deepEqual((await listed(shop, queue, '--state', 'cancelled')).map(({ job_id: id }) => id), [ids[0]]);
    receiver.assertVerified();
    await disconnect(shop, queue);
    receiver.close();
  });

  test('payment timeouts go with their orders', async () => {
    const { order_id: id } = await shop.places({ [await shop.sells(1)]: 1 });
    assert.ok((await table(shop, 'list')).every(({ job_id: listedId }) => listedId !== id));
    for (const parameters of [['cancel', id], ['promote', id], ['pause', 'orders']]) {
      await refused(shop, parameters, /job_is_bound/);
    }
  });

  test('what is not there is refused with exit 1', async () => {
    for (const action of ['show', 'retry', 'cancel', 'promote']) {
      await refused(shop, [action, NOBODY], /job_not_found/, new RegExp(NOBODY));
    }
    for (const name of ['nothing', 'No Name']) {
      await refused(shop, ['pause', name], /queue_not_found/);
      await refused(shop, ['resume', name], /queue_not_found/);
    }
    await refused({ database: newDatabase() }, ['list'], /./);
  });

  test('wrong usage exits with 2 and says what to do', async () => {
    for (const parameters of [
      [],
      ['lose'],
      ['show'],
      ['show', 'x'],
      ['retry', NOBODY, NOBODY],
      ['cancel', '12'],
      ['pause'],
      ['queues', 'x'],
      ['list', '--state', 'lost'],
      ['list', '--limit', '0'],
    ]) {
      const { status, stdout, stderr } = await run(['jobs', ...parameters]);
      assert.deepEqual([status, stdout], [2, ''], parameters.join(' '));
      assert.notEqual(stderr, '', parameters.join(' '));
    }
  });

  test('an API key in the environment is no filter', async () => {
    const env = { HOLDFAST_KEY: 'hf_0123', HOLDFAST_DATABASE: shop.database };
    assert.equal((await runs(['jobs', 'list'], { env })).stdout.trimEnd(), await jobs(shop, 'list'));
    assert.ok((await table(shop, 'list')).length > 0);
  });

  test('each explains itself', async () => {
    for (const action of ['', ...ACTIONS]) {
      const { stdout, stderr } = await runs(['jobs', ...(action === '' ? [] : [action]), '--help']);
      assert.match(stdout, new RegExp(`holdfast jobs ${action}`));
      assert.match(stdout, /Examples:/);
      assert.ok(stdout.split('\n').every((line) => line.length <= 120));
      assert.equal(stderr, '');
    }
    assert.match((await runs(['jobs', 'list', '--help'])).stdout, /see the orders/);
  });
});
