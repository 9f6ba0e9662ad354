/* Bytes on a socket, for what an HTTP library would never send. */

import { once } from 'node:events';
import net from 'node:net';

export class Wire {
  static async open(port) {
    const wire = new Wire();
    wire.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    wire.socket.setNoDelay(true);
    wire.received = Buffer.alloc(0);
    wire.closed = false;
    wire.socket.on('data', (chunk) => {
      wire.received = Buffer.concat([wire.received, chunk]);
      wire.wake?.();
    });
    wire.socket.on('error', () => {});
    wire.socket.on('end', () => wire.socket.end()); /* the server has said its last word */
    for (const event of ['end', 'close']) {
      wire.socket.on(event, () => {
        wire.closed = true;
        wire.wake?.();
      });
    }
    await once(wire.socket, 'connect');
    return wire;
  }

  send(text) {
    this.socket.write(Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1'));
  }

  /* No more will be sent; answers are still read. */
  finish() {
    this.socket.end();
  }

  close() {
    this.socket.destroy();
  }

  async #more(deadline) {
    const left = deadline - Date.now();
    if (this.closed || left <= 0) {
      return false;
    }
    const woken = new Promise((resolve) => {
      this.wake = resolve;
    });
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, left);
    });
    await Promise.race([woken, late]);
    clearTimeout(timer);
    return true;
  }

  /* The next answer as {status, headers, body}; null where the connection closed or was silent for too long. */
  async answer({ isHead = false, limitMs = 3000 } = {}) {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const headEnd = this.received.indexOf('\r\n\r\n');
      if (headEnd >= 0) {
        const [statusLine, ...lines] = this.received.subarray(0, headEnd).toString('latin1').split('\r\n');
        const headers = Object.fromEntries(
          lines.map((line) => {
            const colon = line.indexOf(':');
            return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
          }),
        );
        const status = Number(statusLine.split(' ')[1]);
        const hasBody = !isHead && status >= 200 && status !== 204 && status !== 304;
        const end = headEnd + 4 + (hasBody ? Number(headers['content-length'] ?? 0) : 0);
        if (this.received.length >= end) {
          const body = this.received.subarray(headEnd + 4, end).toString('utf8');
          this.received = this.received.subarray(end);
          return { status, headers, body };
        }
      }
      if (!(await this.#more(deadline))) {
        return null;
      }
    }
  }

  /* True where the server closes the connection in time. */
  async isClosed(limitMs = 3000) {
    const deadline = Date.now() + limitMs;
    while (!this.closed) {
      if (!(await this.#more(deadline))) {
        break;
      }
    }
    return this.closed;
  }
}
