// What stands in examples/ can be used as it stands: every YAML file there passes `deckle check`.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from '../src/cli/check.ts';

const root = join(import.meta.dirname, '..');
const files = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.yaml'));

test('there are examples', () => assert.ok(files.length >= 2));

for (const name of files) {
  test(`examples/${name} passes deckle check`, async () => {
    const out: string[] = [];
    const err: string[] = [];
    const io = {
      out: (text: string) => void out.push(text),
      err: (text: string) => void err.push(text),
      env: {},
      cwd: root,
    };
    const code = await check(['-c', `examples/${name}`], io);
    assert.deepEqual(err, []);
    assert.equal(code, 0);
    assert.equal(out.join('').split('\n')[0], `examples/${name}: ok`);
  });
}
