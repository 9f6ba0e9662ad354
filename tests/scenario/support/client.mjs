/* A client of the API. What it expects of an answer is part of the call: a status (`201`), or a status and a problem's
 * code (`'409 insufficient_stock'`). Every answer is held against openapi.json. */

import assert from 'node:assert/strict';
import http from 'node:http';

import { checkResponse } from './openapi.mjs';

/* A connection that was cut tells nothing of what became of the request. */
export class ConnectionLost extends Error {}

export class Client {
  /* `base`: a function, since a restarted server has another port. */
  constructor(base, { key, connections = 128 } = {}) {
    this.base = base;
    this.bearer = key;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  }

  close() {
    this.agent.destroy();
  }

  /* options: key (Idempotency-Key), headers, bearer, raw (a body that is sent as it is). */
  send(method, target, body, options = {}) {
    const payload = options.raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const bearer = options.bearer ?? this.bearer;
    const headers = {
      ...(payload === undefined
        ? {}
        : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) }),
      ...(options.key === undefined ? {} : { 'Idempotency-Key': options.key }),
      ...(bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }),
      ...options.headers,
    };
    for (const name of Object.keys(headers)) {
      if (headers[name] === undefined) {
        delete headers[name];
      }
    }
    return new Promise((resolve, reject) => {
      const lost = (error) => reject(new ConnectionLost(`${method} ${target}: ${error.message}`, { cause: error }));
      const request = http.request(`${this.base()}${target}`, { method, headers, agent: this.agent }, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', lost);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const isJson = /json/.test(response.headers['content-type'] ?? '') && text !== '';
          try {
            resolve({
              status: response.statusCode,
              headers: response.headers,
              text,
              body: isJson ? JSON.parse(text) : undefined,
            });
          } catch (error) {
            reject(new Error(`${method} ${target} answered broken JSON: ${text}`, { cause: error }));
          }
        });
      });
      request.on('error', lost);
      request.end(payload);
    });
  }

  async call(method, target, body, expected, options = {}) {
    const answer = await this.send(method, target, body, options);
    checkResponse(method, target, body, answer);
    if (expected !== undefined) {
      const actual = typeof expected === 'string' ? `${answer.status} ${answer.body?.code}` : answer.status;
      assert.equal(actual, expected, `${method} ${target} answered ${answer.status}: ${answer.text.slice(0, 2000)}`);
    }
    return answer;
  }

  get(target, expected = 200, options) {
    return this.call('GET', target, undefined, expected, options);
  }

  /* Whatever it is that comes. */
  look(target, options) {
    return this.call('GET', target, undefined, undefined, options);
  }

  head(target, expected = 200, options) {
    return this.call('HEAD', target, undefined, expected, options);
  }

  post(target, body, expected, options) {
    return this.call('POST', target, body, expected, options);
  }

  patch(target, body, expected, options) {
    return this.call('PATCH', target, body, expected, options);
  }

  /* All rows of a list, page by page. */
  async all(target, limit = 1000) {
    const rows = [];
    let cursor = null;
    do {
      const separator = target.includes('?') ? '&' : '?';
      const behind = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const { body } = await this.get(`${target}${separator}limit=${limit}${behind}`);
      rows.push(...body.data);
      cursor = body.next_cursor;
    } while (cursor !== null);
    return rows;
  }
}
