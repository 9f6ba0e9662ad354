/* A TCP proxy in front of PostgreSQL that reads its protocol, to do to a connection what networks do: cut it, or fall
 * silent, at the one moment that matters. The prepared statement that commits is called "commit".
 *
 * It asks for connections without TLS, which it could not read. */

import net from 'node:net';

import { newSchema, POSTGRES, withParameter } from './database.mjs';
import { endShops, Shop } from './shop.mjs';

/* Splits a stream into messages: a type (but for the first one of a frontend), and a length that counts itself. Hands
 * over those that came together as [{type, bytes}]. */
class Messages {
  constructor(handle, { isFrontend }) {
    this.handle = handle;
    this.isStarting = isFrontend;
    this.pending = Buffer.alloc(0);
  }

  add(chunk) {
    this.pending = Buffer.concat([this.pending, chunk]);
    const messages = [];
    for (;;) {
      const head = this.isStarting ? 0 : 1;
      const end = this.pending.length < head + 4 ? Infinity : head + this.pending.readInt32BE(head);
      if (this.pending.length < end) {
        break;
      }
      const bytes = this.pending.subarray(0, end);
      this.pending = this.pending.subarray(end);
      messages.push({ type: this.isStarting ? 'startup' : String.fromCharCode(bytes[0]), bytes });
      this.isStarting = false;
    }
    this.handle(messages);
  }
}

/* Bind: portal, statement, ... each ended by a zero. */
function statementOf({ type, bytes }) {
  const portalEnd = bytes.indexOf(0, 5);
  return type === 'B' ? bytes.toString('latin1', portalEnd + 1, bytes.indexOf(0, portalEnd + 1)) : null;
}

/* Of which message a transaction is committed that tells of something: the server's own housekeeping has no events, and
 * may come at any time. Sees all that a connection's client sends. */
function commitWatch() {
  let hasEvents = false;
  return (message) => {
    const statement = statementOf(message);
    const isCommit = statement === 'commit' && hasEvents;
    hasEvents = statement === 'insert_events' || (hasEvents && !['begin', 'commit'].includes(statement));
    return isCommit;
  };
}

/* ErrorResponse, as PgBouncer words it. */
const serverCrashed = () => {
  const fields = Buffer.from('SFATAL\0VFATAL\0C08P01\0Mserver conn crashed?\0\0', 'latin1');
  const head = Buffer.alloc(5);
  head.write('E', 'latin1');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
};

/* CommandComplete with its tag. */
const isCommitted = ({ type, bytes }) => type === 'C' && bytes.toString('latin1', 5, bytes.length - 1) === 'COMMIT';

export class Proxy {
  /* In front of 127.0.0.1:port. */
  static async open(port) {
    const proxy = new Proxy();
    proxy.target = port;
    proxy.connections = new Set();
    proxy.plan = null;
    proxy.isOpen = true;
    proxy.freezesNew = false;
    proxy.delayed = null;
    proxy.server = net.createServer((client) => proxy.#accept(client));
    await new Promise((resolve) => {
      proxy.server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /* The URI by way of the proxy. */
  via(uri) {
    const url = new URL(uri);
    url.port = this.server.address().port;
    return withParameter(withParameter(url.href, 'sslmode', 'disable'), 'gssencmode', 'disable');
  }

  close() {
    this.server.close();
    this.cut();
  }

  /* Cuts every connection. */
  cut() {
    this.connections.forEach((connection) => connection.end());
  }

  /* New connections are taken, and cut at once, until reachable() is called. */
  unreachable() {
    this.isOpen = false;
    this.cut();
  }

  reachable() {
    this.isOpen = true;
  }

  /* The connections that there are forward nothing more, and do not close: a cable is out. `newOnes`: nor do those that
   * come later, from their beginning (true) or once the server has let them in ('ready'). */
  freeze({ newOnes = false } = {}) {
    this.freezesNew = newOnes;
    this.connections.forEach((connection) => connection.freeze());
  }

  /* New connections work; frozen ones stay so. */
  thaw() {
    this.freezesNew = false;
  }

  /* Resolves once the next commit of a transaction with events has met its fate:
   *   unsent      the connection is cut before it reaches the database
   *   unanswered  the connection is cut when the database has committed and says so
   *   frozen      the connection falls silent when the database has committed and says so
   *   bounced     the same as unanswered, and a pooler that knows no better says that the server has crashed
   *   late        the connection is cut, but for the database: for it the commit arrives when deliver() is called
   *   all late    the same with all that came together with the commit
   * `isLast`: and from then on the database is unreachable. */
  atNextCommit(fate, { isLast = false } = {}) {
    return new Promise((resolve) => {
      this.plan = { fate, isLast, resolve };
    });
  }

  /* What was late arrives, and behind it the end of the connection. */
  deliver() {
    this.delayed();
    this.delayed = null;
  }

  #carriedOut() {
    const { isLast, resolve } = this.plan;
    this.plan = null;
    if (isLast) {
      this.isOpen = false;
    }
    resolve();
  }

  #accept(client) {
    if (!this.isOpen) {
      client.destroy();
      return;
    }
    const server = net.connect({ port: this.target, host: '127.0.0.1' });
    const connection = {
      isFrozen: this.freezesNew === true,
      withheld: [],
      end: () => {
        this.connections.delete(connection);
        client.destroy();
        server.destroy();
      },
      freeze: () => {
        connection.isFrozen = true;
      },
      bounce: () => client.end(serverCrashed()),
      isCommit: commitWatch(),
    };
    this.connections.add(connection);
    const forward = (socket) => (message) => {
      if (!connection.isFrozen && !socket.destroyed) {
        socket.write(message);
      }
    };
    const toServer = forward(server);
    const toClient = forward(client);
    const delay = (messages) => {
      connection.isFrozen = true;
      this.connections.delete(connection);
      client.destroy();
      this.delayed = () => server.end(Buffer.concat(messages));
    };
    const frontend = new Messages((messages) => this.#fromClient(connection, messages, toServer, delay), {
      isFrontend: true,
    });
    const backend = new Messages((messages) => this.#fromServer(connection, messages, toClient), { isFrontend: false });
    client.setNoDelay(true);
    server.setNoDelay(true);
    client.on('data', (chunk) => frontend.add(chunk));
    server.on('data', (chunk) => backend.add(chunk));
    for (const socket of [client, server]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        if (!connection.isFrozen) {
          connection.end();
        }
      });
    }
  }

  #fromClient(connection, messages, forward, delay) {
    const commit = messages.map(connection.isCommit).indexOf(true);
    const position = this.plan === null || this.plan.owner !== undefined ? -1 : commit;
    const fate = position < 0 ? undefined : this.plan.fate;
    const before = fate === 'all late' ? 0 : position;
    if (fate === undefined || ['unanswered', 'frozen', 'bounced'].includes(fate)) {
      if (fate !== undefined) {
        this.plan.owner = connection;
      }
      messages.forEach(({ bytes }) => forward(bytes));
      return;
    }
    messages.slice(0, before).forEach(({ bytes }) => forward(bytes));
    if (fate === 'unsent') {
      connection.end();
    } else {
      delay(messages.slice(before).map(({ bytes }) => bytes));
    }
    this.#carriedOut();
  }

  #fromServer(connection, messages, forward) {
    for (const message of messages) {
      if (this.plan?.owner === connection) {
        this.#withhold(connection, message, forward);
      } else {
        forward(message.bytes);
        if (message.type === 'Z' && this.freezesNew === 'ready') {
          connection.freeze();
        }
      }
    }
  }

  /* Until it is known whether the batch has committed. */
  #withhold(connection, message, forward) {
    connection.withheld.push(message.bytes);
    if (isCommitted(message)) {
      if (this.plan.fate === 'frozen') {
        connection.freeze();
      } else if (this.plan.fate === 'bounced') {
        connection.bounce();
      } else {
        connection.end();
      }
      this.#carriedOut();
    } else if (message.type === 'E') {
      /* The batch failed, as it may: the plan is for the next one. */
      this.plan.owner = undefined;
      forward(Buffer.concat(connection.withheld.splice(0)));
    }
  }
}

/* A shop whose server reaches its database through a proxy, for the deed. */
export async function withProxy(deed) {
  const proxy = await Proxy.open(Number(new URL(POSTGRES).port));
  const database = newSchema();
  const shop = new Shop({ database, via: proxy.via(database), connections: 40 });
  try {
    await shop.start();
    await deed(shop, proxy);
    await endShops(shop);
  } finally {
    await shop.kill();
    proxy.close();
  }
}
