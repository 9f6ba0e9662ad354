/* packaging/holdfast.service: what it forbids, the program does not need. The kernel enforces its filter of system calls
 * here, its address families, its limits; folders and users are systemd's own. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { IS_POSTGRES } from './support/database.mjs';
import { PROGRAM, temporaryFolder } from './support/program.mjs';
import { Receiver } from './support/receiver.mjs';
import { Shop, until } from './support/shop.mjs';

const SANDBOX = fileURLToPath(new URL('support/unit_sandbox.py', import.meta.url));
const UNIT = fileURLToPath(new URL('../../packaging/holdfast.service', import.meta.url));
const CANNOT = 77;

const isSanitized = /-(asan|tsan)\//.test(PROGRAM);
const tried = spawnSync('python3', [SANDBOX, UNIT, PROGRAM, 'version'], { encoding: 'utf8' });
const SKIP = { skip: isSanitized ? 'a sanitizer needs more' : tried.status === CANNOT && tried.stderr };

/* The same, but for a line. */
const unitWith = (line) => {
  const path = join(temporaryFolder(), 'holdfast.service');
  writeFileSync(path, readFileSync(UNIT, 'utf8').replace('[Install]', `${line}\n[Install]`));
  return path;
};
const within = (unit) => `set -- '${SANDBOX}' '${unit}' "$0" "$@"; set -- python3 "$@"; exec "$@"`;
const statusOf = (shop, name) =>
  new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(readFileSync(`/proc/${shop.server.process.pid}/status`, 'utf8'))[1];

describe('within its unit', SKIP, () => {
  test('the server takes orders, delivers, lets holds expire, drains', { timeout: 60_000 }, async () => {
    const shop = new Shop({ shell: within(UNIT), parameters: ['--webhook-allow-private', '--log-level=debug'] });
    await shop.start();
    assert.deepEqual([statusOf(shop, 'Seccomp'), statusOf(shop, 'NoNewPrivs')], ['2', '1']);
    assert.match(statusOf(shop, 'CapBnd'), /^0+$/);
    assert.match(readFileSync(`/proc/${shop.server.process.pid}/limits`, 'utf8'), /Max core file size +0 +0/);
    const receiver = await Receiver.open();
    const url = receiver.url.replace('127.0.0.1', 'localhost'); /* a name that has to be looked up */
    const { body } = await shop.post('/v1/webhook_endpoints', { url }, 201);
    receiver.secrets = [body.secret];
    const sku = await shop.sells(100);
    await shop.pays(await shop.places({ [sku]: 1 }));
    await shop.expired(await shop.places({ [sku]: 1 }, { hold_seconds: 1 }));
    for (const path of ['/v1/orders', '/v1/events', '/readyz', '/metrics']) {
      await shop.get(path);
    }
    await until('deliveries came', () => receiver.deliveries.length >= 4, 15_000);
    receiver.assertVerified();
    if (!IS_POSTGRES) {
      assert.equal(statSync(shop.database.replace('sqlite:', '')).mode & 0o777, 0o600);
    }
    await shop.stop();
    shop.close();
    const wrong = shop.server.log.filter(({ level, event }) => level !== 'info' || event === 'not_json');
    assert.deepEqual(wrong, []);
    await shop.audit();
  });

  test('so do the other commands', () => {
    const database = `sqlite:${temporaryFolder()}/shop.db`;
    const runs = (...command) => execFileSync('python3', [SANDBOX, UNIT, PROGRAM, ...command], { encoding: 'utf8' });
    runs('keys', 'create', '--name', 'shop', '--scope', 'write', '--database', database);
    assert.match(runs('keys', 'list', '--database', database), /shop/);
    runs('audit', '--database', database);
  });

  test('a setting that is not understood is not tried again for ever', () => {
    const env = { ...process.env, HOLDFAST_LISTEN: 'nonsense' };
    const { status } = spawnSync('python3', [SANDBOX, UNIT, PROGRAM, 'serve'], { env });
    assert.match(readFileSync(UNIT, 'utf8'), new RegExp(`^RestartPreventExitStatus=${status}$`, 'm'));
  });

  test('what it forbids is refused: the filter is at work', () => {
    for (const [line, answer] of [
      ['SystemCallFilter=~@network-io', /Operation not permitted|operation not permitted/],
      ['RestrictAddressFamilies=AF_UNIX', /address family not supported/],
    ]) {
      const parameters = [SANDBOX, unitWith(line), PROGRAM, 'serve', '--listen', '127.0.0.1:0'];
      const database = ['--database', `sqlite:${temporaryFolder()}/shop.db`];
      const { status, stderr } = spawnSync('python3', [...parameters, ...database], { encoding: 'utf8' });
      assert.equal(status, 1, stderr);
      assert.match(stderr, answer);
    }
  });
});
