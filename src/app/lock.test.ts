// The lock of the state folder: one holder, however the last one died.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { lockState } from './lock.ts';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'deckle-lock-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'state', 'deep');
}

test('one holder at a time; the second is told who holds it', (t) => {
  const folder = folderOf(t);
  const first = lockState(folder, 4711);
  assert.equal(first.kind, 'locked');
  assert.ok(existsSync(folder), 'the folder is made');
  const second = lockState(folder, 4712);
  assert.equal(second.kind, 'refused');
  assert.equal(second.kind === 'refused' && second.why, `state folder ${folder} is in use by another deckle (process 4711)`);
  if (first.kind === 'locked') first.release();
  const third = lockState(folder, 4713);
  assert.equal(third.kind, 'locked');
  if (third.kind === 'locked') third.release();
});

test('a lock dies with its holder, also by SIGKILL', async (t) => {
  const folder = folderOf(t);
  const source = new URL('./lock.ts', import.meta.url).href;
  const holder = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      // A lock that nobody holds on to may be collected.
      `import { lockState } from '${source}'; const held = lockState('${folder}', process.pid); console.log(held.kind); setInterval(() => held, 1e6);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.after(() => holder.kill('SIGKILL'));
  const [said] = (await once(holder.stdout, 'data')) as [Buffer];
  assert.equal(said.toString(), 'locked\n');
  const held = lockState(folder, 1);
  assert.match(held.kind === 'refused' ? held.why : '', new RegExp(`process ${holder.pid}`));
  const exited = once(holder, 'exit');
  holder.kill('SIGKILL');
  await exited;
  const mine = lockState(folder, 2);
  assert.equal(mine.kind, 'locked');
  if (mine.kind === 'locked') mine.release();
});

test('a folder that cannot be made is a refusal in one line', () => {
  const refused = lockState('/etc/passwd/state', 1);
  assert.equal(refused.kind, 'refused');
  assert.match(refused.kind === 'refused' ? refused.why : '', /^state folder \/etc\/passwd\/state: .+$/);
});

test('a folder that cannot be made is refused, also where the file system denies that its parent is there', () => {
  const locked = lockState('/proc/deckle/state', 4711);
  assert.match(locked.kind === 'refused' ? locked.why : '', /^state folder \/proc\/deckle\/state: ENOENT/);
});
