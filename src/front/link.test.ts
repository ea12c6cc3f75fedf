// Slots, the queue for them, kept sockets, and how long a node that failed is passed over.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../base/clock.ts';
import type { Fault } from '../base/fault.ts';
import { type LinkOptions, NodeLink, type SlotUser } from './link.ts';
import type { Closing, NodeSocket, SocketUser } from './node-socket.ts';

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

/** Asks for a slot; the returned function takes the question back. */
function acquire(link: NodeLink, granted: (fault: Fault | undefined) => void, admitted = false): () => void {
  const user: SlotUser = { granted, lost: () => {} };
  link.acquire(user, admitted);
  return () => link.leave(user);
}

const never = () => assert.fail('it was told what did not happen');

/** These links know no token. */
const NOT_QUICK = { takesQuick: never, quick: never };

const HELLO = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const REQUEST = 'GET /a.jpg HTTP/1.1\r\nHost: a\r\n\r\n';
const TIMES = { firstByteMs: 60_000, betweenBytesMs: 60_000 };

/** Sends a request on a connection: `whole`, or how it closed. */
function ask(socket: NodeSocket): Promise<'whole' | Closing> {
  return new Promise((resolve) => {
    const user: SocketUser = {
      ...NOT_QUICK,
      answered: () => {},
      data: () => {},
      holds: () => false,
      ended: () => resolve('whole'),
      closed: resolve,
      lost: () => {},
    };
    socket.ask(REQUEST, false, TIMES, user);
  });
}

/** Waits for a condition that sockets will bring about. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'it did not happen');
    await new Promise(setImmediate);
  }
}

/** A server that keeps its connections, and a link to it. */
async function connected(t: TestContext, options: Partial<LinkOptions> = {}) {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', () => socket.write(HELLO));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const link = linkOf({ port: (server.address() as { port: number }).port, ...options });
  t.after(() => {
    link.close();
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  /** A connection that has carried a request and waits for another. */
  const dial = async (): Promise<{ readonly mine: NodeSocket; readonly theirs: Socket }> => {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const mine = link.dial();
    assert.equal(await ask(mine), 'whole');
    return { mine, theirs: (await accepted)[0] };
  };
  return { link, dial };
}

test('slots are given up to the bound, then the queue, then nothing', () => {
  const link = linkOf();
  const granted: (Fault | undefined)[] = [];
  const backs = Array.from({ length: 6 }, () => acquire(link, (fault) => granted.push(fault)));
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
  for (const at of [0, 1, 2, 3]) acquire(link, () => granted.push(at), true);
  assert.deepEqual(granted, [0, 1]);
  assert.equal(link.queued, 2);
  for (let at = 0; at < 4; at += 1) link.release();
  assert.deepEqual(granted, [0, 1, 2, 3]);
});

test('a slot goes to the one that waits longest, who left gets none', () => {
  const link = linkOf({ maxRequests: 1 });
  const granted: string[] = [];
  acquire(link, () => granted.push('first'));
  const leave = acquire(link, () => granted.push('left'));
  acquire(link, () => granted.push('second'));
  leave();
  link.release();
  assert.deepEqual(granted, ['first', 'second']);
  assert.equal(link.inFlight, 1);
  link.release();
  assert.equal(link.inFlight, 0);
});

test('a wait for a slot ends after queueMs, and the slot is not lost', async () => {
  const link = linkOf({ maxRequests: 1, queueMs: 10 });
  acquire(link, () => {});
  const fault = await new Promise<Fault | undefined>((resolve) => acquire(link, resolve));
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
            back = acquire(
              link,
              (fault) => {
                settled = true;
                if (back !== undefined) waiting.delete(back);
                if (fault === undefined) held += 1;
              },
              step === 'admitted',
            );
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

test('a connection that is refused is told as unreached', async () => {
  const closed = createServer();
  closed.listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const port = (closed.address() as { port: number }).port;
  closed.close();
  await once(closed, 'close');
  assert.equal(await ask(linkOf({ port }).dial()), 'unreached');
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
  const sockets: NodeSocket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.drop();
  });
  const outcomes = Array.from({ length: 20 }, () => {
    const socket = link.dial();
    sockets.push(socket);
    return ask(socket);
  });
  assert.equal(await Promise.race(outcomes), 'unreached');
});

test('a kept connection is used again, the last one first', async (t) => {
  const { link, dial } = await connected(t);
  const one = await dial();
  const two = await dial();
  link.keep(one.mine);
  link.keep(two.mine);
  assert.equal(link.connection(), two.mine);
  assert.equal(link.connection(), one.mine);
  assert.equal(await ask(one.mine), 'whole');
  assert.equal(one.mine.reused, true);
  for (const socket of [one.mine, two.mine]) socket.drop();
});

test('a kept connection that says something, or ends, is not used again', async (t) => {
  const { link, dial } = await connected(t);
  for (const spoil of [
    (theirs: Socket) => theirs.write(HELLO),
    (theirs: Socket) => theirs.end(),
    (theirs: Socket) => theirs.resetAndDestroy(),
  ]) {
    const { mine, theirs } = await dial();
    link.keep(mine);
    const gone = once(theirs, 'close');
    spoil(theirs);
    await gone;
    await until(() => mine.closed);
    const next = link.connection();
    assert.notEqual(next, mine);
    next.drop();
  }
});

test('an idle connection is closed after idleMs', async (t) => {
  const { link, dial } = await connected(t, { idleMs: 10 });
  const { mine, theirs } = await dial();
  link.keep(mine);
  await once(theirs, 'end');
  assert.equal(mine.closed, true);
});

test('after close nothing is kept', async (t) => {
  const { link, dial } = await connected(t);
  const one = await dial();
  const two = await dial();
  link.keep(one.mine);
  link.close();
  link.keep(two.mine);
  assert.equal(one.mine.closed, true);
  assert.equal(two.mine.closed, true);
});

test('bytes that somebody holds stay as they are, while the connection carries other answers', async (t) => {
  const { link, dial } = await connected(t);
  const { mine, theirs } = await dial();
  theirs.removeAllListeners('data');
  let nth = 0;
  theirs.on('data', () => {
    nth += 1;
    theirs.write(HELLO.replace('hello', `body${nth}`));
  });
  const held: Buffer[] = [];
  const askHolding = () =>
    new Promise<void>((resolve) => {
      mine.ask(REQUEST, false, TIMES, {
        ...NOT_QUICK,
        answered: (_head, first) => held.push(first),
        data: never,
        holds: () => true,
        ended: () => resolve(),
        closed: never,
        lost: never,
      });
    });
  for (let at = 0; at < 3; at += 1) {
    await askHolding();
    // The read ends after the answer does.
    await new Promise(setImmediate);
  }
  assert.deepEqual(held.map(String), ['body1', 'body2', 'body3']);
  link.keep(mine);
});

/** A node of which every connection, beside probes, is silent; probes are answered while `alive`. */
async function silentNode(t: TestContext) {
  const state = { alive: true, probes: 0 };
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      if (!bytes.toString('latin1').startsWith('GET /-/health ')) return;
      state.probes += 1;
      if (state.alive) socket.end('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = (server.address() as { port: number }).port;
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { state, port, sockets };
}

/** A request at a link, and what it is told when the node is lost. */
function waitOn(link: NodeLink): { readonly lost: () => number; readonly socket: NodeSocket } {
  const socket = link.connection();
  let lost = 0;
  socket.ask(REQUEST, false, TIMES, {
    ...NOT_QUICK,
    answered: never,
    data: never,
    holds: () => false,
    ended: never,
    closed: () => {},
    lost: () => {
      lost += 1;
    },
  });
  return { lost: () => lost, socket };
}

test('a silent node that answers probes keeps its requests', async (t) => {
  const { state, port } = await silentNode(t);
  const link = linkOf({ port, check: '/-/health' });
  const waiting = waitOn(link);
  t.after(() => waiting.socket.drop());
  await until(() => state.probes >= 2);
  assert.equal(waiting.lost(), 0);
  assert.equal(link.avoided, false, 'any answer proves life');
  link.close();
});

test('a silent node that answers no probe is lost, and found again when it answers one', async (t) => {
  const { state, port } = await silentNode(t);
  state.alive = false;
  const link = linkOf({ port, check: '/-/health' });
  t.after(() => link.close());
  const waiting = waitOn(link);
  t.after(() => waiting.socket.drop());
  const began = performance.now();
  await until(() => waiting.lost() > 0);
  const tookMs = performance.now() - began;
  assert.ok(tookMs >= 600 && tookMs < 1_500, `lost after ${tookMs} ms`);
  assert.equal(link.avoided, true);
  state.alive = true;
  const thawed = performance.now();
  await until(() => !link.avoided);
  assert.ok(performance.now() - thawed < 2_000);
});

test('a head from a lost node finds it again', async (t) => {
  const { state, port, sockets } = await silentNode(t);
  state.alive = false;
  const link = linkOf({ port, check: '/-/health' });
  t.after(() => link.close());
  const answered = ask(link.connection());
  await until(() => link.avoided);
  sockets[0]!.write(HELLO);
  assert.equal(await answered, 'whole');
  assert.equal(link.avoided, false);
});

test('without a path nobody is asked', async (t) => {
  const { state, port, sockets } = await silentNode(t);
  const link = linkOf({ port, check: false, queueMs: 800, maxRequests: 1 });
  const waiting = waitOn(link);
  t.after(() => waiting.socket.drop());
  // A clock of its own kind: the queue's wait is longer than silence and probe together.
  acquire(link, () => {});
  await new Promise<Fault | undefined>((resolve) => acquire(link, resolve));
  assert.equal(state.probes, 0);
  assert.equal(sockets.length, 1);
  assert.equal(waiting.lost(), 0);
});
