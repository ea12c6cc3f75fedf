// kill -9 of a process in mid-append: what it was told is logged must be there afterwards, in order, each record once.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { readLogFile } from '../../src/purge/lines.ts';
import { type LocalLogEvent, openLocalLog } from '../../src/purge/local.ts';
import { entry } from './purge-log-entry.ts';

// maxBytes, and how many acknowledgements are waited for before the kill: in the first batch, in the stream, across compactions.
for (const [maxBytes, count] of [
  [1_048_576, 1],
  [1_048_576, 57],
  [1_048_576, 400],
  [4_096, 300],
  [4_096, 611],
] as const) {
  test(`kill -9 after ${count} acknowledgements, file of ${maxBytes} bytes: none of them is lost`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'deckle-kill-'));
    t.after(() => rm(folder, { recursive: true }));
    const script = join(import.meta.dirname, 'purge-log-child.ts');
    const child = spawn(process.execPath, [script, folder, String(maxBytes)], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    let text = '';
    child.stdout.setEncoding('latin1');
    child.stdout.on('data', (chunk: string) => {
      text += chunk;
      if (text.split('\n').length > count) child.kill('SIGKILL');
    });
    await new Promise((resolve) => child.once('close', resolve));
    const acknowledged = text.split('\n').slice(0, -1).map(Number);
    assert.ok(acknowledged.length >= count);
    const events: LocalLogEvent[] = [];
    const log = await openLocalLog({ folder, maxBytes, randomBytes, clock: systemClock, report: (event) => events.push(event) });
    assert.ok(events.every((event) => event.kind === 'cut'));
    const file = readLogFile(await readFile(join(folder, 'purge.log')));
    assert.equal(file.kind, 'whole');
    const kept = new Set(file.kind === 'whole' ? file.records.map((record) => Number(record.position.low)) : []);
    const base = file.kind === 'whole' ? Number(file.base.low) : 0;
    assert.equal(base > 0, maxBytes === 4_096);
    for (const low of acknowledged) assert.ok(low <= base || kept.has(low), `record ${low}`);
    await log.append(entry(0));
    await log.close();
  });
}
