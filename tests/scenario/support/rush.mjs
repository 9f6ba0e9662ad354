/* Customers who order and pay without a pause while the scenario breaks something, and the reckoning afterwards: what
 * was answered with success is there, what was refused is not, and what was answered by nobody has one effect at most.
 * Every attempt is a customer of its own, so that the orders that are there can be told from those that are not. */

import assert from 'node:assert/strict';
import { after } from 'node:test';

import { Client, ConnectionLost } from './client.mjs';
import { newKey, order, sleep } from './shop.mjs';

/* Answers that promise that nothing has happened, and the one that promises nothing. */
const REFUSALS = ['503 store_unavailable', '503 busy'];
const UNKNOWN = '503 outcome_unknown';
const LOST = 'connection lost';

const PAUSE_MS = 20; /* after a failure, as a client with manners makes it */
const PAID_EVERY = 3;

/* Customers of a scenario that failed would keep its file from ending. */
const rushes = new Set();
after(() => rushes.forEach((rush) => {
  rush.isOver = true;
}));

export class Rush {
  /* `shops`: servers on one database; a customer whose connection is lost goes to the next. */
  constructor(shops, sku, { customers = 20 } = {}) {
    this.shops = shops;
    this.sku = sku;
    this.attempts = [];
    this.payments = [];
    this.counts = {};
    this.successes = [];
    this.slowestMs = 0;
    this.isOver = false;
    rushes.add(this);
    this.running = Promise.all(Array.from({ length: customers }, (_, i) => this.#shopOn(i)));
  }

  async #shopOn(number) {
    let turn = number;
    const clients = this.shops.map((shop) => new Client(() => shop.server.url, { connections: 1 }));
    try {
      for (let i = 0; !this.isOver; i += 1) {
        const client = clients[turn % clients.length];
        const attempt = { customer: newKey('rush'), key: newKey('rush') };
        attempt.body = order(attempt.customer, { [this.sku]: 1 });
        this.attempts.push(attempt);
        await this.#ask(client, '/v1/orders', attempt, 201);
        if (attempt.said === '201' && i % PAID_EVERY === 0) {
          const payment = { attempt, key: newKey('rush'), body: { payment_reference: newKey('pi') } };
          this.payments.push(payment);
          await this.#ask(client, `/v1/orders/${attempt.answer.order_id}/pay`, payment, 200);
        }
        if (attempt.said !== '201') {
          turn += attempt.said === LOST ? 1 : 0;
          await sleep(PAUSE_MS);
        }
      }
    } finally {
      clients.forEach((client) => client.close());
    }
  }

  async #ask(client, target, request, success) {
    const started = Date.now();
    try {
      const { status, body } = await client.post(target, request.body, undefined, { key: request.key });
      request.said = status === success ? String(status) : `${status} ${body?.code}`;
      request.answer = body;
    } catch (error) {
      if (!(error instanceof ConnectionLost)) {
        throw error;
      }
      request.said = LOST;
    }
    const now = Date.now();
    request.ms = now - started;
    this.slowestMs = Math.max(this.slowestMs, request.ms);
    this.counts[request.said] = (this.counts[request.said] ?? 0) + 1;
    if (request.said === String(success)) {
      this.successes.push(now);
    }
  }

  /* How many orders and payments have gone through so far. */
  get done() {
    return this.successes.length;
  }

  /* Until so many more have gone through. */
  async goesOn(count = 50, limitMs = 15_000) {
    const goal = this.done + count;
    const deadline = Date.now() + limitMs;
    while (this.done < goal) {
      if (Date.now() >= deadline) {
        this.isOver = true; /* the next scenario's database is not theirs */
        assert.fail(`in ${limitMs} ms ${count - goal + this.done} of ${count}: ${this}`);
      }
      await sleep(5);
    }
  }

  /* The longest time without a success from `since` to the last one. */
  longestPauseMs(since = 0) {
    const times = this.successes.filter((time) => time >= since);
    return times.reduce((longest, time, i) => Math.max(longest, time - (times[i - 1] ?? (since || time))), 0);
  }

  async stop() {
    this.isOver = true;
    await this.running;
  }

  toString() {
    return JSON.stringify({ ...this.counts, slowestMs: this.slowestMs });
  }

  /* Holds what the customers were told against what is there; the rush has been stopped. `others`: rushes on the same
   * SKU. */
  async reckon(shop, ...others) {
    const allowed = new Set(['201', '200', ...REFUSALS, UNKNOWN, LOST]);
    assert.deepEqual(
      Object.keys(this.counts).filter((said) => !allowed.has(said)),
      [],
      `answers that nobody expected: ${this}`,
    );
    const foreign = new Set(others.flatMap((rush) => rush.attempts.map(({ customer }) => customer)));
    await this.#reckonOrders(shop, foreign);
    await this.#reckonPayments(shop, foreign);
  }

  async #orders(shop, foreign) {
    const orders = (await shop.all(`/v1/orders?sku=${this.sku}`)).filter((one) => !foreign.has(one.customer_id));
    const byCustomer = new Map(orders.map((one) => [one.customer_id, one]));
    assert.equal(byCustomer.size, orders.length, 'an attempt has two orders');
    return byCustomer;
  }

  async #reckonOrders(shop, foreign) {
    const before = await this.#orders(shop, foreign);
    for (const { said, customer, answer } of this.attempts) {
      const there = before.get(customer);
      if (said === '201') {
        assert.equal(there?.order_id, answer.order_id, `${customer} was answered 201, and the order is gone`);
        assert.deepEqual([there.total, there.created_at], [answer.total, answer.created_at]);
      } else if (REFUSALS.includes(said)) {
        assert.equal(there, undefined, `${customer} was answered ${said}, and the order is there`);
      }
    }
    /* The key of an attempt that nobody answered proves what became of it. */
    const unanswered = this.attempts.filter(({ said }) => said === UNKNOWN || said === LOST);
    for (const { customer, key, body } of unanswered) {
      const again = await shop.post('/v1/orders', body, 201, { key });
      const there = before.get(customer);
      assert.equal(again.headers['idempotency-replayed'], there && 'true', `${customer}: a retry was taken for new`);
      assert.ok(there === undefined || again.body.order_id === there.order_id, `${customer} has a second order`);
    }
    const after = await this.#orders(shop, foreign);
    const answered = this.attempts.filter(({ said }) => said === '201').length;
    assert.equal(after.size, answered + unanswered.length, 'orders are there that nobody asked for');
  }

  async #reckonPayments(shop, foreign) {
    const orders = await this.#orders(shop, foreign);
    for (const { said, attempt, body, key } of this.payments) {
      const there = orders.get(attempt.customer);
      if (said === '200') {
        assert.equal(there.status, 'paid', `${attempt.customer} has paid, and the order is ${there.status}`);
        assert.deepEqual([there.payments.length, there.payments[0].payment_reference], [1, body.payment_reference]);
      } else if (REFUSALS.includes(said)) {
        assert.equal(there.status, 'draft', `${attempt.customer}'s payment was answered ${said}, and is there`);
      } else {
        await shop.post(`/v1/orders/${there.order_id}/pay`, body, 200, { key });
      }
    }
  }
}
