/* A server with a database of its own and the words that scenarios are told in. Made by useShop() inside a describe(),
 * it starts before the first test; after the last it is drained, its database audited, and it must have been asked
 * something. */

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { Client } from './client.mjs';
import { newDatabase } from './database.mjs';
import { checkedResponses } from './openapi.mjs';
import { run, runs, serve, temporaryFolder } from './program.mjs';

export { sleep };
export const euro = (amount) => ({ amount, currency: 'EUR' });

let skuCount = 0;
export const newSku = (name = 'sku') => `${name}-${process.pid}-${++skuCount}`;

let keyCount = 0;
export const newKey = (name = 'key') => `${name}-${process.pid}-${++keyCount}`;

export const order = (customer, lines, more = {}) => ({
  customer_id: customer,
  items: Object.entries(lines).map(([sku, quantity]) => ({ sku, quantity })),
  ...more,
});

export const times = (count, make) => Promise.all(Array.from({ length: count }, (_, i) => make(i)));

/* Counts answers by what they say: {'201': 50, '409 insufficient_stock': 50}. */
export function tally(answers) {
  const counts = {};
  for (const { status, body } of answers) {
    const name = body?.code === undefined ? String(status) : `${status} ${body.code}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

export async function until(what, condition, limitMs = 5000) {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const result = await condition();
    if (result) {
      return result;
    }
    assert.ok(Date.now() < deadline, `waited ${limitMs} ms in vain until ${what}`);
    await sleep(10);
  }
}

/* Until the clock shows the time, give or take nothing: deadlines are of the same clock. */
export async function untilTime(time) {
  const due = Date.parse(time);
  while (Date.now() < due) {
    await sleep(Math.max(1, due - Date.now()));
  }
}

export class Shop extends Client {
  /* options: those of serve(); connections; database (one of its own, if not given); via (the same database by the
   * address that the server is to take). */
  constructor(options = {}) {
    super(() => this.server.url, { key: options.key, connections: options.connections });
    this.options = options;
    this.folder = temporaryFolder();
    this.database = options.database ?? newDatabase();
  }

  /* What a server does by itself where its database is a file. */
  async migrate() {
    if (!this.database.startsWith('sqlite:') && !this.isMigrated) {
      await runs(['migrate', '--database', this.database]);
      this.isMigrated = true;
    }
  }

  async start(options = this.options) {
    await this.migrate();
    await this.serve(options);
  }

  /* The database as it is. */
  async serve(options = this.options) {
    this.server = await serve(options.via ?? this.options.via ?? this.database, options);
  }

  /* Another server on the same database. */
  async twin(options = this.options) {
    const twin = new Shop({ ...options, database: this.database });
    await twin.start();
    return twin;
  }

  async stop() {
    const end = await this.server.stop();
    assert.deepEqual(end, { status: 0, signal: null }, `the server did not drain:\n${this.server.logText()}`);
  }

  async kill() {
    await this.server.kill();
  }

  async audit() {
    const { status, stdout, stderr } = await run(['audit', '--database', this.database]);
    assert.equal(status, 0, `the audit found something:\n${stdout}${stderr}`);
  }

  /* Makes a product of one variant and returns its SKU. */
  async sells(stock, { sku = newSku(), price = euro(1999), ...more } = {}) {
    await this.post('/v1/products', { title: `Product ${sku}`, sku, price, stock_quantity: stock, ...more }, 201);
    return sku;
  }

  async places(lines, { customer = 'c-1', key, ...more } = {}) {
    return (await this.post('/v1/orders', order(customer, lines, more), 201, { key })).body;
  }

  async pays({ order_id: id }, reference = newKey('pi'), expected = 200, more = {}) {
    return (await this.post(`/v1/orders/${id}/pay`, { payment_reference: reference, ...more }, expected)).body;
  }

  async sees({ order_id: id }) {
    return (await this.get(`/v1/orders/${id}`)).body;
  }

  /* "50 on hand, 2 reserved" */
  async stock(sku) {
    const { body } = await this.get(`/v1/stock/${encodeURIComponent(sku)}`);
    assert.equal(body.available_quantity, body.stock_quantity - body.reserved_quantity);
    return `${body.stock_quantity} on hand, ${body.reserved_quantity} reserved`;
  }

  async eventTypes({ order_id: id }) {
    return (await this.all(`/v1/orders/${id}/events`)).map((event) => event.type);
  }

  async expired(placed, limitMs) {
    return until(
      `order ${placed.order_id} expired`,
      async () => {
        const seen = await this.sees(placed);
        return seen.status === 'expired' ? seen : null;
      },
      limitMs,
    );
  }
}

/* A shop of the deed's own, whose server the deed may end; audited afterwards. */
export async function withShop(deed, options) {
  const shop = new Shop(options);
  await shop.start();
  try {
    await deed(shop);
  } finally {
    shop.server.signal('SIGKILL');
    await shop.server.ended();
    shop.close();
  }
  await shop.audit();
}

/* Drained, and nothing is wrong in the database. */
export async function endShops(...shops) {
  for (const shop of shops) {
    await shop.stop();
    shop.close();
  }
  await shops[0].audit();
}

export function useShop(options) {
  return useShops(1, options)[0];
}

/* Servers on one database. */
export function useShops(count, options) {
  const first = new Shop(options);
  const shops = [first, ...Array.from({ length: count - 1 }, () => new Shop({ ...options, database: first.database }))];
  before(async () => {
    for (const shop of shops) {
      await shop.start();
    }
  });
  after(async () => {
    await endShops(...shops);
    assert.ok(checkedResponses() > 0, 'no response was held against openapi.json');
  });
  return shops;
}
