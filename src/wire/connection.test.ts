import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { until } from '../../test/support/edge.ts';
import { openRaw } from '../../test/support/raw.ts';
import { startWire, whole } from '../../test/support/wire.ts';
import type { Exchange } from './connection.ts';

const get = (path = '/', more = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
const echo = (x: Exchange) => whole(x, 200, x.head.target);
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const later = (x: Exchange) => void setImmediate(() => echo(x));

describe('pipelines', () => {
  for (const [manner, handler] of [
    ['at once', echo],
    ['later', later],
  ] as const) {
    test(`1,000 heads answered ${manner} come back in order`, async () => {
      await using wire = await startWire(handler);
      const client = await openRaw(wire.port);
      client.send(Array.from({ length: 1000 }, (_, at) => get(`/${at}`)).join(''));
      assert.ok(await client.answered(1000, 20_000));
      assert.deepEqual(
        client.answers().map((answer) => answer.body.toString()),
        Array.from({ length: 1000 }, (_, at) => `/${at}`),
      );
      assert.equal(client.how(), 'open');
      client.close();
    });
  }

  test('20,000 heads answered at once do not grow the stack', async () => {
    await using wire = await startWire((x) => x.reply.whole(204, '', undefined), { headBytes: 1 << 21 });
    const client = await openRaw(wire.port);
    client.send(get().repeat(20_000) + get('/', 'Connection: close\r\n'));
    assert.equal(await client.closed(20_000), 'ended');
    assert.equal(wire.ends.length, 20_001);
    assert.deepEqual(wire.defects, []);
    client.close();
  });

  test('what is read ahead is bounded, whether the request at hand takes long or every one takes a moment', async () => {
    const held: Exchange[] = [];
    let hold = true;
    await using wire = await startWire((x) => {
      if (hold) held.push(x);
      else later(x);
    });
    const client = await openRaw(wire.port);
    const pipeline = Buffer.from(get(`/${'a'.repeat(1000)}`).repeat(8_000), 'latin1');
    client.socket.write(pipeline);
    await until('the first request', () => held.length === 1);
    // 8 MB do not fit into what the kernel holds: the client is stopped, because we stopped reading.
    let waiting = -1;
    await until('the client is held up', () => {
      const before = waiting;
      waiting = client.socket.bytesWritten - client.socket.writableLength;
      return client.socket.writableNeedDrain && waiting === before;
    });
    const { arrayBuffers } = process.memoryUsage();
    hold = false;
    echo(held[0]!);
    await until('some more answers', () => wire.ends.length > 500);
    assert.ok(client.socket.writableLength > 0 || wire.ends.length > 7_000);
    // Each answered head lets in no more than it took out: 500 × 64 KB would be 32 MB.
    assert.ok(process.memoryUsage().arrayBuffers - arrayBuffers < 16 << 20);
    await until('all answers', () => wire.ends.length === 8_000);
    client.close();
  });

  test('a head in single bytes, behind another', async () => {
    await using wire = await startWire(echo);
    const client = await openRaw(wire.port);
    const text = get('/one') + get('/two', 'X: y\r\n');
    for (const byte of text) {
      client.send(byte);
      await new Promise(setImmediate);
    }
    assert.ok(await client.answered(2));
    assert.deepEqual(
      client.answers().map(({ body }) => body.toString()),
      ['/one', '/two'],
    );
    client.close();
  });
});

describe('how a connection goes on', () => {
  const cases: readonly (readonly [title: string, text: string, status: number, connection: string | undefined, end: string])[] =
    [
      ['HTTP/1.1 stays', get(), 200, undefined, 'open'],
      ['close is close', get('/', 'Connection: close\r\n'), 200, 'close', 'ended'],
      ['HTTP/1.0 ends', 'GET / HTTP/1.0\r\n\r\n', 200, 'close', 'ended'],
      ['HTTP/1.0 keep-alive stays', 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', 200, 'keep-alive', 'open'],
      ['a body ends it', `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello${get('/second')}`, 200, 'close', 'ended'],
      ['an empty body does not', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n', 200, undefined, 'open'],
      ['a body over the limit', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16777217\r\n\r\n', 413, 'close', 'ended'],
      ['a bad head', `GET / HTTP/1.1\n${get()}`, 400, 'close', 'ended'],
    ];
  for (const [title, text, status, connection, end] of cases) {
    test(title, async () => {
      await using wire = await startWire(echo);
      const client = await openRaw(wire.port);
      client.send(text);
      assert.ok(await client.answered(1));
      if (end === 'open') {
        client.send(get('/again', 'Connection: close\r\n'));
        assert.ok(await client.answered(2));
      }
      assert.equal(await client.closed(), 'ended');
      const [answer, ...more] = client.answers();
      assert.equal(answer?.status, status);
      assert.equal(answer?.fields['connection'], connection);
      assert.equal(more.length, end === 'open' ? 1 : 0);
      client.close();
    });
  }

  test('HEAD has the length and no body', async () => {
    await using wire = await startWire(echo);
    const client = await openRaw(wire.port);
    client.send(`HEAD /four HTTP/1.1\r\nHost: a\r\n\r\n${get('/', 'Connection: close\r\n')}`);
    await client.closed();
    const [head, answer] = client.answers([0]);
    assert.deepEqual([head?.fields['content-length'], head?.body.length, answer?.body.toString()], ['5', 0, '/']);
    client.close();
  });

  test('a client that sent its FIN still gets all its answers', async () => {
    await using wire = await startWire(later);
    const client = await openRaw(wire.port);
    client.send(get('/1') + get('/2') + get('/3'));
    client.end();
    assert.equal(await client.closed(), 'ended');
    assert.deepEqual(
      client.answers().map(({ body }) => body.toString()),
      ['/1', '/2', '/3'],
    );
    await until('it is gone', () => wire.listener.connections === 0);
    client.close();
  });

  test('a FIN within a head ends it, without an answer', async () => {
    await using wire = await startWire(echo);
    const client = await openRaw(wire.port);
    client.send('GET / HTTP/1.1\r\nHo');
    client.end();
    assert.equal(await client.closed(), 'ended');
    assert.equal(client.bytes().length, 0);
    client.close();
  });

  test('a refused client that still sends its body gets the answer, not a reset', async () => {
    await using wire = await startWire((x) => whole(x, 405, 'no'));
    const client = await openRaw(wire.port);
    const size = 8 << 20;
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
    for (let sent = 0; sent < size; sent += 1 << 20) {
      client.send(Buffer.alloc(1 << 20));
      if (client.socket.writableNeedDrain) await once(client.socket, 'drain');
    }
    assert.equal(await client.closed(), 'ended');
    assert.equal(client.answers()[0]?.status, 405);
    client.end();
    await until('it is gone', () => wire.listener.connections === 0);
    assert.equal(client.how(), 'ended');
    client.close();
  });
});

describe('deadlines', () => {
  test('a slow head is told so and closed; others are not disturbed', async () => {
    await using wire = await startWire(echo);
    const [slow, idle] = [await openRaw(wire.port), await openRaw(wire.port)];
    idle.send(get());
    slow.send('GET / HT');
    assert.ok(await idle.answered(1));
    await until('both are there', () => wire.listener.connections === 2);
    wire.pass(9_000);
    slow.send('TP/1.1\r\nX: still');
    idle.send(get());
    assert.ok(await idle.answered(2));
    wire.pass(1_100);
    assert.equal(await slow.closed(), 'ended');
    assert.equal(slow.answers()[0]?.status, 408);
    assert.equal(idle.how(), 'open');
    slow.close();
    idle.close();
  });

  test('an idle connection is closed without a word, and so is one that never spoke', async () => {
    await using wire = await startWire(echo);
    const [spoke, silent] = [await openRaw(wire.port), await openRaw(wire.port)];
    spoke.send(get());
    assert.ok(await spoke.answered(1));
    wire.pass(66_000);
    assert.equal(await spoke.closed(), 'ended');
    assert.equal(await silent.closed(), 'ended');
    assert.deepEqual([spoke.answers().length, silent.bytes().length], [1, 0]);
    spoke.close();
    silent.close();
  });

  test('a client that closes nothing after its last answer is cut', async () => {
    await using wire = await startWire(echo);
    const client = await openRaw(wire.port);
    client.send(get('/', 'Connection: close\r\n'));
    assert.equal(await client.closed(), 'ended');
    wire.pass(2_100);
    await until('it is gone', () => wire.listener.connections === 0);
    client.close();
  });

  test('a client that reads nothing is cut, whatever it sends meanwhile', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const body = Buffer.alloc(16 << 20, 'x');
    let asked = false;
    await using wire = await startWire((x) => {
      whole(x, 200, body);
      asked = true;
    });
    const client = await openRaw(wire.port, { paused: true });
    client.send(get());
    await until('the request', () => asked);
    wire.pass(29_900);
    t.mock.timers.tick(250);
    assert.equal(wire.listener.connections, 1);
    // The kernel may have taken some more after the first look; then it takes nothing.
    let sweeps = 0;
    await until('it is cut', () => {
      client.send('G');
      wire.pass(10_000);
      t.mock.timers.tick(250);
      sweeps += 1;
      return wire.listener.connections === 0;
    });
    assert.ok(sweeps < 20, `after ${sweeps} sweeps`);
    assert.deepEqual(wire.ends, [{ clean: false, keepAlive: false }]);
    client.close();
  });

  test('a client that reads slowly is not', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const body = Buffer.alloc(32 << 20, 'x');
    let sent = () => 0;
    await using wire = await startWire((x) => {
      sent = () => x.reply.bytes;
      whole(x, 200, body);
    });
    const client = await openRaw(wire.port, { paused: true });
    client.send(get('/', 'Connection: close\r\n'));
    let got = 0;
    let next = 4 << 20;
    client.socket.on('data', (bytes: Buffer) => {
      got += bytes.length;
      if (got >= next) client.socket.pause();
    });
    let before = -1;
    while (next <= 12 << 20) {
      await until('some of it', () => got >= next);
      // The kernel has taken what it can, more than the last time, and all is still.
      let last = -1;
      await until('a stall', () => {
        const still = sent() === last && last > before;
        last = sent();
        return still;
      });
      before = last;
      wire.pass(29_000);
      t.mock.timers.tick(250);
      next = next === 12 << 20 ? Number.POSITIVE_INFINITY : next + (4 << 20);
      client.socket.resume();
    }
    assert.equal(await client.closed(10_000), 'ended');
    assert.ok(got > body.length, `${got} bytes`);
    client.close();
  });
});

test('40 readers that stopped hold slices of a body, not the body', async () => {
  const body = Buffer.alloc(8 << 20, 'x');
  await using wire = await startWire((x) => x.reply.whole(200, `Content-Length: ${body.length}\r\n`, body));
  const before = process.memoryUsage().rss;
  const clients = await Promise.all(Array.from({ length: 40 }, () => openRaw(wire.port, { paused: true })));
  for (const client of clients) client.send(get());
  await until('all are there', () => wire.listener.connections === 40);
  await new Promise(setImmediate);
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < 64 << 20, `grown by ${grown >> 20} MB`);
  const [first] = clients;
  const hash = createHash('sha256');
  let got = 0;
  first!.socket.on('data', (bytes: Buffer) => {
    got += bytes.length;
    hash.update(bytes);
  });
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`;
  await until('the first reads on', () => got === head.length + body.length);
  assert.equal(hash.digest('hex'), sha256(Buffer.concat([Buffer.from(head), body])));
  for (const client of clients) client.close();
});

describe('a handler that throws', () => {
  test('before an answer: 500 and the end of the connection, others live', async () => {
    await using wire = await startWire((x) => {
      if (x.head.target === '/bad') throw new Error('a defect');
      echo(x);
    });
    const [bad, good] = [await openRaw(wire.port), await openRaw(wire.port)];
    bad.send(get('/') + get('/bad') + get('/behind'));
    assert.equal(await bad.closed(), 'ended');
    assert.deepEqual(
      bad.answers().map(({ status }) => status),
      [200, 500],
    );
    good.send(get());
    assert.ok(await good.answered(1));
    assert.equal(wire.defects.length, 1);
    assert.equal(wire.ends.length, 3);
    bad.close();
    good.close();
  });

  test('within an answer: it is cut', async () => {
    await using wire = await startWire((x) => {
      x.reply.begin(200, 'Content-Length: 10\r\n', 10);
      throw new Error('a defect');
    });
    const client = await openRaw(wire.port);
    client.send(get());
    assert.notEqual(await client.closed(), 'open');
    assert.notEqual(client.answers()[0]?.whole, true);
    assert.deepEqual(wire.ends, [{ clean: false, keepAlive: false }]);
    client.close();
  });

  test('behind an answer, in its account, or about a refusal', async () => {
    await using wire = await startWire(
      (x) => {
        const { target } = x.head;
        if (target === '/account')
          x.onEnd = () => {
            throw new Error('in the account');
          };
        echo(x);
        if (target === '/behind') throw new Error('behind');
      },
      {},
      () => {
        throw new Error('refusing');
      },
    );
    const client = await openRaw(wire.port);
    client.send(`${get('/account')}${get('/behind')}${get('/good')}\n`);
    assert.notEqual(await client.closed(), 'open');
    assert.deepEqual(
      client.answers().map(({ body }) => body.toString()),
      ['/account', '/behind', '/good'],
    );
    assert.deepEqual(
      wire.defects.map((defect) => (defect as Error).message),
      ['in the account', 'behind', 'refusing', 'refusing'],
    );
    client.close();
  });

  test('what it had begun is let go of, and speaks into no other answer', async () => {
    let released = 0;
    await using wire = await startWire((x) => {
      x.reply.onGone = () => {
        released += 1;
      };
      setImmediate(() => echo(x));
      throw new Error('a defect');
    });
    const client = await openRaw(wire.port);
    client.send(get());
    assert.equal(await client.closed(), 'ended');
    assert.equal(client.answers().length, 1);
    assert.equal(released, 1);
    client.close();
  });
});
