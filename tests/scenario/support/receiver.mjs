/* A webhook receiver that behaves as it is told, and remembers what it was sent. Signatures are checked twice: as the
 * specification of Standard Webhooks words it, and, where ./dev test has installed it, by the package of that name. */

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { after } from 'node:test';

const { Webhook } = await import('standardwebhooks').catch(() => ({}));

function verify(secrets, headers, body) {
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const given = headers['webhook-signature'].split(' ');
  for (const secret of secrets) {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
    const expected = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
    assert.ok(given.includes(expected), `no signature by ${secret.slice(0, 10)}... among ${given.length}`);
    if (Webhook !== undefined) {
      new Webhook(secret).verify(body, headers);
    }
  }
}

const open = new Set();
after(() => open.forEach((receiver) => receiver.close()));

export class Receiver {
  /* `answer(delivery, response)` may answer as it likes; if it does not, 200 is answered. */
  static async open(answer = () => {}) {
    const receiver = new Receiver();
    receiver.answer = answer;
    receiver.deliveries = [];
    receiver.secrets = [];
    receiver.failures = [];
    receiver.server = http.createServer((request, response) => receiver.#take(request, response));
    receiver.server.keepAliveTimeout = 60_000;
    receiver.server.listen(0, '127.0.0.1');
    await once(receiver.server, 'listening');
    receiver.url = `http://127.0.0.1:${receiver.server.address().port}/hook`;
    open.add(receiver);
    return receiver;
  }

  async #take(request, response) {
    const chunks = [];
    request.on('error', () => {});
    response.on('error', () => {});
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    const body = Buffer.concat(chunks).toString('utf8');
    try {
      assert.equal(request.method, 'POST');
      assert.equal(request.headers['content-type'], 'application/json');
      verify(this.secrets, request.headers, body);
    } catch (error) {
      this.failures.push(error);
    }
    const delivery = { id: request.headers['webhook-id'], at: Date.now(), ...JSON.parse(body) };
    this.deliveries.push(delivery);
    await this.answer(delivery, response);
    if (!response.headersSent && !response.destroyed && !response.held) {
      response.writeHead(200).end();
    }
  }

  /* Each once, however often it came. */
  get ids() {
    return new Set(this.deliveries.map((delivery) => delivery.id));
  }

  assertVerified() {
    assert.deepEqual(this.failures, []);
  }

  close() {
    open.delete(this);
    this.server.closeAllConnections();
    this.server.close();
  }
}
