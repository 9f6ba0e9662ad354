/* A wall clock that a scenario sets, by Debian's libfaketime: what is started with its environment goes by it, while it
 * runs, too. The monotonic clock stays as it is. */

import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { temporaryFolder } from './program.mjs';

function findLibrary() {
  const found = readdirSync('/usr/lib')
    .map((folder) => join('/usr/lib', folder, 'faketime/libfaketimeMT.so.1'))
    .find(existsSync);
  assert.ok(found, 'no libfaketime under /usr/lib: Debian has a package of that name');
  return found;
}

export class Clock {
  constructor(offsetSeconds = 0) {
    const folder = temporaryFolder();
    chmodSync(folder, 0o755); /* a database server runs as a user of its own */
    this.file = join(folder, 'offset');
    this.set(offsetSeconds);
    this.env = {
      LD_PRELOAD: findLibrary(),
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      ASAN_OPTIONS: 'verify_asan_link_order=0', /* a sanitized program wants its own library first */
      FAKETIME_FORCE_MONOTONIC_FIX: '0', /* else waits on the monotonic clock end at once, again and again */
    };
  }

  /* So much before or behind the true time. Nobody ever reads half of it. */
  set(offsetSeconds) {
    this.offsetMs = offsetSeconds * 1000;
    writeFileSync(`${this.file}.new`, `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}s\n`, { mode: 0o644 });
    renameSync(`${this.file}.new`, this.file);
  }

  now() {
    return Date.now() + this.offsetMs;
  }
}
