// Slots, the queue for them, kept sockets, and how long a node that failed is passed over.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../base/clock.ts';
import type { Fault } from '../base/fault.ts';
import { type LinkOptions, NodeLink } from './link.ts';

const OPTIONS: LinkOptions = {
  host: '127.0.0.1',
  port: 1,
  maxRequests: 2,
  queueMax: 3,
  queueMs: 60_000,
  connectMs: 5_000,
  idleMs: 60_000,
};

function linkOf(options: Partial<LinkOptions> = {}, monoMs: () => number = systemClock.monoMs): NodeLink {
  return new NodeLink('n1', { ...OPTIONS, ...options }, { ...systemClock, monoMs });
}

/** A server that keeps its connections, and a link to it. */
async function connected(t: TestContext, options: Partial<LinkOptions> = {}) {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const link = linkOf({ port: (server.address() as { port: number }).port, ...options });
  t.after(() => {
    link.close();
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const dial = async (): Promise<{ readonly mine: Socket; readonly theirs: Socket }> => {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const mine = await new Promise<Socket | undefined>((resolve) => link.dial(resolve));
    assert.ok(mine !== undefined);
    return { mine, theirs: (await accepted)[0] };
  };
  return { link, dial };
}

test('slots are given up to the bound, then the queue, then nothing', () => {
  const link = linkOf();
  const granted: (Fault | undefined)[] = [];
  const backs = Array.from({ length: 6 }, () => link.acquire((fault) => granted.push(fault)));
  assert.deepEqual(
    granted.map((fault) => fault?.code),
    [undefined, undefined, 'DECKLE_QUEUE_FULL'],
  );
  assert.equal(link.inFlight, 2);
  assert.equal(link.queued, 3);
  assert.equal(link.full, true);
  for (const back of backs) back();
  assert.equal(link.queued, 0);
  assert.equal(link.inFlight, 2, 'taking a question back is not giving a slot back');
});

test('who has waited for an answer already may stand in a full queue', () => {
  const link = linkOf({ queueMax: 0 });
  const granted: number[] = [];
  for (const at of [0, 1, 2, 3]) link.acquire(() => granted.push(at), true);
  assert.deepEqual(granted, [0, 1]);
  assert.equal(link.queued, 2);
  for (let at = 0; at < 4; at += 1) link.release();
  assert.deepEqual(granted, [0, 1, 2, 3]);
});

test('a slot goes to the one that waits longest, who left gets none', () => {
  const link = linkOf({ maxRequests: 1 });
  const granted: string[] = [];
  link.acquire(() => granted.push('first'));
  const leave = link.acquire(() => granted.push('left'));
  link.acquire(() => granted.push('second'));
  leave();
  link.release();
  assert.deepEqual(granted, ['first', 'second']);
  assert.equal(link.inFlight, 1);
  link.release();
  assert.equal(link.inFlight, 0);
});

test('a wait for a slot ends after queueMs, and the slot is not lost', async () => {
  const link = linkOf({ maxRequests: 1, queueMs: 10 });
  link.acquire(() => {});
  const fault = await new Promise<Fault | undefined>((resolve) => link.acquire(resolve));
  assert.equal(fault?.code, 'DECKLE_QUEUE_TIMEOUT');
  assert.equal(link.queued, 0);
  link.release();
  assert.equal(link.inFlight, 0);
});

test('whatever is asked, given back and left: never above the bound, every slot comes home', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 0, max: 4 }),
      fc.array(fc.constantFrom('ask', 'admitted', 'release', 'leave'), { maxLength: 60 }),
      (maxRequests, queueMax, steps) => {
        const link = linkOf({ maxRequests, queueMax });
        let held = 0;
        const waiting = new Set<() => void>();
        for (const step of steps) {
          if (step === 'ask' || step === 'admitted') {
            let back: (() => void) | undefined;
            let settled = false;
            back = link.acquire((fault) => {
              settled = true;
              if (back !== undefined) waiting.delete(back);
              if (fault === undefined) held += 1;
            }, step === 'admitted');
            if (!settled) waiting.add(back);
          } else if (step === 'release' && held > 0) {
            held -= 1;
            link.release();
          } else if (step === 'leave') {
            const [first] = waiting;
            if (first === undefined) continue;
            waiting.delete(first);
            first();
          }
          assert.equal(link.inFlight, held);
          assert.ok(held <= maxRequests);
          assert.equal(link.queued, waiting.size);
          assert.ok(waiting.size === 0 || link.full, 'nobody waits beside a free slot');
        }
        for (const leave of waiting) leave();
        for (; held > 0; held -= 1) link.release();
        assert.equal(link.inFlight, 0);
      },
    ),
  );
});

test('a node that fails again and again is passed over for 100 ms, doubled up to 2 s', () => {
  let now = 1_000;
  const link = linkOf({}, () => now);
  assert.equal(link.avoided, false);
  for (const ms of [100, 200, 400, 800, 1_600, 2_000, 2_000]) {
    link.failed();
    now += ms - 1;
    assert.equal(link.avoided, true, `${ms - 1} ms later`);
    now += 1;
    assert.equal(link.avoided, false, `${ms} ms later`);
  }
  link.failed();
  link.succeeded();
  assert.equal(link.avoided, false, 'one answer forgives all');
  link.failed();
  now += 100;
  assert.equal(link.avoided, false, 'the first pause again');
});

test('a thousand requests that fail together are one failure', () => {
  let now = 0;
  const link = linkOf({}, () => now);
  for (let at = 0; at < 1_000; at += 1) link.failed();
  now += 100;
  assert.equal(link.avoided, false);
});

test('dialling tells once: connected, refused, or too late', async (t) => {
  const { link, dial } = await connected(t);
  const { mine } = await dial();
  assert.equal(mine.timeout, 0);
  link.keep(mine);

  const closed = createServer();
  closed.listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const port = (closed.address() as { port: number }).port;
  closed.close();
  await once(closed, 'close');
  assert.equal(await new Promise((resolve) => linkOf({ port }).dial(resolve)), undefined);
});

// Listens with room for one connection and never accepts: when that room is taken, the kernel lets others wait for ever.
const DEAF = `const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  require('node:fs').writeSync(1, String(server.address().port));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30_000);
})`;

test('a node that does not take the connection is given up after connectMs', async (t) => {
  const deaf = spawn(process.execPath, ['-e', DEAF], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => deaf.kill('SIGKILL'));
  const [port] = (await once(deaf.stdout, 'data')) as [Buffer];
  const link = linkOf({ port: Number(port), connectMs: 50 });
  let taken = 0;
  for (; taken < 20; taken += 1) {
    const socket = await new Promise<Socket | undefined>((resolve) => link.dial(resolve));
    if (socket === undefined) break;
    socket.on('error', () => {});
    t.after(() => socket.destroy());
  }
  assert.ok(taken < 20, 'every connection was taken');
});

test('a kept socket is used again, the last one first', async (t) => {
  const { link, dial } = await connected(t);
  const one = await dial();
  const two = await dial();
  link.keep(one.mine);
  link.keep(two.mine);
  assert.equal(link.takeIdle(), two.mine);
  assert.equal(link.takeIdle(), one.mine);
  assert.equal(link.takeIdle(), undefined);
  for (const socket of [one.mine, two.mine]) {
    assert.equal(socket.listenerCount('data'), 0, 'it comes without listeners');
    assert.equal(socket.listenerCount('error'), 0);
    socket.destroy();
  }
});

test('a kept socket that says something, or ends, is not used again', async (t) => {
  const { link, dial } = await connected(t);
  for (const spoil of [
    (theirs: Socket) => theirs.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
    (theirs: Socket) => theirs.end(),
    (theirs: Socket) => theirs.resetAndDestroy(),
  ]) {
    const { mine, theirs } = await dial();
    mine.pause();
    link.keep(mine);
    const gone = new Promise((resolve) => mine.once('close', resolve));
    spoil(theirs);
    await gone;
    assert.equal(link.takeIdle(), undefined);
  }
});

test('an idle socket is closed after idleMs', async (t) => {
  const { link, dial } = await connected(t, { idleMs: 10 });
  const { mine, theirs } = await dial();
  link.keep(mine);
  theirs.resume();
  await once(theirs, 'end');
  assert.equal(link.takeIdle(), undefined);
});

test('after close nothing is kept', async (t) => {
  const { link, dial } = await connected(t);
  const one = await dial();
  const two = await dial();
  link.keep(one.mine);
  link.close();
  link.keep(two.mine);
  assert.equal(one.mine.destroyed, true);
  assert.equal(two.mine.destroyed, true);
  assert.equal(link.takeIdle(), undefined);
});
