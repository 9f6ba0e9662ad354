/* A client of /v1/events/stream: bytes on a socket, so that a thousand of them fit into one process. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';

import { until } from './shop.mjs';

const parseEvent = (text) => {
  const fields = Object.fromEntries(text.split('\n').map((line) => line.split(/: (.*)/)));
  return { ...fields, id: Number(fields.id), data: JSON.parse(fields.data) };
};

export class Listener {
  events = [];
  comments = 0;
  count = 0; /* of events */
  head = '';
  isClosed = false;
  hasEnded = false; /* by its last chunk */

  #size = ''; /* a chunk's first line as far as it came; null: its bytes follow */
  #left = 0;
  #text = '';

  /* Resolves once the server has said that it is connected. options: after (Last-Event-ID), bearer, target, isCounting:
   * events are not kept. That their numbers follow one another is looked at in any case. */
  static async open(shop, options = {}) {
    const listener = new Listener();
    listener.lastId = options.after === '' ? undefined : options.after;
    listener.isCounting = options.isCounting ?? false;
    listener.socket = net.connect({ port: shop.server.port, host: '127.0.0.1' });
    listener.socket.unref(); /* one that a failed scenario left behind must not keep its file from ending */
    listener.socket.on('error', () => {}); /* 'close' follows */
    listener.socket.on('data', (bytes) => listener.#take(bytes));
    listener.closed = once(listener.socket, 'close').then(() => {
      listener.isClosed = true;
    });
    const bearer = options.bearer ?? shop.bearer;
    const lines = [
      `GET ${options.target ?? '/v1/events/stream'} HTTP/1.1`,
      'Host: shop',
      ...(options.after === undefined ? [] : [`Last-Event-ID: ${options.after}`]),
      ...(bearer === undefined ? [] : [`Authorization: Bearer ${bearer}`]),
    ];
    listener.socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    await Promise.race([
      new Promise((resolve) => {
        listener.connected = resolve;
      }),
      listener.closed.then(() => assert.fail(`no stream: ${listener.head}`)),
    ]);
    return listener;
  }

  #take(bytes) {
    let at = 0;
    if (!this.head.endsWith('\r\n\r\n')) {
      const end = (this.head + bytes.toString('latin1')).indexOf('\r\n\r\n');
      const headEnd = end < 0 ? bytes.length : end + 4 - this.head.length;
      this.head += bytes.toString('latin1', 0, headEnd);
      at = headEnd;
    }
    while (at < bytes.length) {
      at = this.#size === null ? this.#takeChunk(bytes, at) : this.#takeSize(bytes, at);
    }
  }

  #takeSize(bytes, at) {
    const end = bytes.indexOf('\n', at);
    this.#size += bytes.toString('latin1', at, end < 0 ? bytes.length : end + 1);
    if (end < 0) {
      return bytes.length;
    }
    if (/^[0-9a-f]+\r\n$/.test(this.#size)) {
      this.#left = parseInt(this.#size, 16) + 2; /* and what ends it */
      this.hasEnded = this.#left === 2;
      this.#size = null;
    } else {
      assert.fail(`no chunk: ${this.head}${this.#size}`);
    }
    return end + 1;
  }

  #takeChunk(bytes, at) {
    const end = Math.min(bytes.length, at + this.#left);
    this.#text += bytes.toString('utf8', at, end); /* scenarios speak ASCII: a character is a byte */
    this.#left -= end - at;
    if (this.#left === 0) {
      this.#size = '';
      this.#text = this.#text.slice(0, -2);
      this.#takeText();
    }
    return end;
  }

  #takeText() {
    let from = 0;
    for (let end; (end = this.#text.indexOf('\n\n', from)) >= 0; from = end + 2) {
      if (this.#text.startsWith('id: ', from)) {
        this.#takeEvent(from, end);
      } else {
        this.comments += 1;
        this.connected();
      }
    }
    this.#text = this.#text.slice(from);
  }

  #takeEvent(from, end) {
    const id = parseInt(this.#text.slice(from + 4, from + 24), 10);
    assert.ok(this.lastId === undefined || id === this.lastId + 1, `event ${id} came after ${this.lastId}`);
    this.lastId = id;
    this.count += 1;
    if (!this.isCounting) {
      this.events.push(parseEvent(this.#text.slice(from, end)));
    }
  }

  header(name) {
    return new RegExp(`^${name}: (.*)\r$`, 'im').exec(this.head)?.[1];
  }

  until(count, limitMs) {
    return until(`${count} events came`, () => this.count >= count, limitMs);
  }

  /* Reads no more; what comes fills the socket. */
  stall() {
    this.socket.pause();
  }

  close() {
    this.socket.destroy();
  }
}
