import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { Reply, type ReplyEnd, SLICE_BYTES } from './reply.ts';

/** A socket whose other end takes what it is told to take. */
class Kernel extends Duplex {
  readonly pieces: Buffer[] = [];
  cut = '';
  #done: (() => void) | undefined;
  #open = true;

  constructor() {
    super({ writableHighWaterMark: 2 * SLICE_BYTES });
  }
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.pieces.push(chunk);
    if (this.#open) done();
    else this.#done = done;
  }
  stall(): void {
    this.#open = false;
  }
  /** Takes all there is. */
  async takeAll(): Promise<void> {
    this.#open = true;
    this.#done?.();
    this.#done = undefined;
    await new Promise(setImmediate);
  }
  resetAndDestroy(): this {
    this.cut = 'reset';
    return super.destroy();
  }
  override _destroy(_error: Error | null, done: () => void): void {
    this.cut ||= 'cut';
    done();
  }
  get text(): string {
    return Buffer.concat(this.pieces).toString('latin1');
  }
}

function open(minor = 1, keepAlive = true) {
  const socket = new Kernel();
  const ends: ReplyEnd[] = [];
  let stalls = 0;
  let yields = 0;
  const reply: Reply = new Reply(socket as unknown as Socket, minor, keepAlive, {
    stalled: () => {
      stalls += 1;
    },
    yielded: () => {
      yields += 1;
      setImmediate(() => reply.drained());
    },
    ended: (end) => ends.push(end),
  });
  socket.on('drain', () => reply.drained());
  return { socket, reply, ends, stalls: () => stalls, yields: () => yields };
}

function begun(reply: Reply, length: number | undefined, body: string): Reply {
  reply.begin(200, '', length);
  reply.write(Buffer.from(body));
  return reply;
}

describe('framing', () => {
  test('a whole answer leaves in one piece of text and body, and ends', () => {
    const { socket, reply, ends } = open();
    reply.whole(200, 'Content-Length: 2\r\n', Buffer.from('ok'));
    assert.equal(socket.text, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    assert.deepEqual(ends, [{ clean: true, keepAlive: true }]);
    assert.deepEqual([reply.status, reply.bytes], [200, 2]);
  });

  test('a whole answer that another process made leaves as it is, and ends', () => {
    const { socket, reply, ends } = open();
    const message = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
    reply.relayed(200, message, 5);
    assert.equal(socket.text, message.toString());
    assert.equal(socket.pieces.length, 1);
    assert.deepEqual(ends, [{ clean: true, keepAlive: true }]);
    assert.deepEqual([reply.status, reply.bytes], [200, 5]);
    reply.relayed(200, message, 5);
    assert.equal(socket.pieces.length, 1, 'after the end it is a late voice');
  });

  test('it is only for who needs no word about the connection', () => {
    for (const [minor, keepAlive] of [
      [0, true],
      [0, false],
      [1, false],
    ] as const) {
      const { reply } = open(minor, keepAlive);
      assert.equal(reply.plain, false);
      assert.throws(() => reply.relayed(200, Buffer.from('x'), 1));
    }
    const { reply } = open();
    assert.equal(reply.plain, true);
    reply.closeAfter();
    assert.equal(reply.plain, false);
  });

  test('while its client reads nothing, it is held', async () => {
    const { socket, reply } = open();
    socket.stall();
    reply.relayed(200, Buffer.alloc(1_000), 900);
    assert.deepEqual([reply.ended, reply.holding], [true, true]);
    await socket.takeAll();
    assert.equal(reply.holding, false);
  });

  test('without a length: chunks for HTTP/1.1, the end of the connection for HTTP/1.0', () => {
    const new11 = open();
    new11.reply.begin(200, '', undefined);
    new11.reply.write(Buffer.from('hello, hello, hello'));
    new11.reply.end();
    assert.equal(
      new11.socket.text,
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n13\r\nhello, hello, hello\r\n0\r\n\r\n',
    );
    assert.deepEqual(new11.ends, [{ clean: true, keepAlive: true }]);
    const old10 = open(0);
    old10.reply.begin(200, '', undefined);
    old10.reply.write(Buffer.from('hello'));
    old10.reply.end();
    assert.equal(old10.socket.text, 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello');
    assert.deepEqual(old10.ends, [{ clean: true, keepAlive: false }]);
  });

  test('interim answers go to HTTP/1.1, before the head only', () => {
    const { socket, reply } = open();
    reply.interim(102);
    reply.whole(204, '', undefined);
    reply.interim(102);
    assert.equal(socket.text, 'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n');
    const old10 = open(0);
    old10.reply.interim(102);
    assert.equal(old10.socket.text, '');
  });

  test('what is corked leaves with the end at the latest', () => {
    const { socket, reply } = open();
    reply.cork();
    reply.begin(200, 'Content-Length: 0\r\n', 0);
    reply.end();
    assert.equal(socket.text, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    reply.cork();
    assert.equal(socket.writableCorked, 0);
  });
});

describe('a message that cannot be finished is cut', () => {
  const cuts: readonly (readonly [title: string, act: (reply: Reply) => void, minor: number, cut: string])[] = [
    ['bytes missing', (reply) => begun(reply, 5, 'four').end(), 1, 'cut'],
    ['bytes too many', (reply) => void begun(reply, 5, 'sixsix'), 1, 'cut'],
    ['no head', (reply) => reply.end(), 1, 'cut'],
    ['aborted in chunks', (reply) => begun(reply, undefined, 'some').abort(), 1, 'cut'],
    ['aborted where the end frames', (reply) => begun(reply, undefined, 'some').abort(), 0, 'reset'],
  ];
  for (const [title, act, minor, cut] of cuts) {
    test(title, () => {
      const { socket, reply, ends } = open(minor);
      let gone = 0;
      reply.onGone = () => {
        gone += 1;
      };
      act(reply);
      assert.deepEqual(ends, [{ clean: false, keepAlive: false }]);
      assert.equal(socket.cut, cut);
      assert.equal(gone, 1);
      assert.ok(!socket.text.includes('0\r\n\r\n'));
    });
  }
});

describe('a client that does not read', () => {
  test('gets no more than fits, in slices, and the rest when it does', async () => {
    const { socket, reply, ends, stalls } = open();
    const body = Buffer.alloc(1 << 20, 'x');
    socket.stall();
    reply.whole(200, `Content-Length: ${body.length}\r\n`, body);
    assert.ok(socket.writableLength <= 3 * SLICE_BYTES + 1024, `${socket.writableLength} bytes are queued`);
    assert.deepEqual([ends.length, stalls()], [0, 1]);
    await socket.takeAll();
    while (ends.length === 0 && socket.writableLength === 0) await new Promise(setImmediate);
    assert.ok(socket.pieces.every((piece) => piece.length <= SLICE_BYTES));
    assert.equal(socket.text, `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body.toString('latin1')}`);
    assert.deepEqual(ends, [{ clean: true, keepAlive: true }]);
  });

  test('holds the writer up until onDrain', async () => {
    const { socket, reply, ends } = open();
    socket.stall();
    reply.begin(200, '', undefined);
    let written = 0;
    while (reply.write(Buffer.alloc(SLICE_BYTES, 'x'))) written += 1;
    assert.ok(written < 3);
    let drained = 0;
    reply.onDrain = () => {
      drained += 1;
    };
    await socket.takeAll();
    assert.equal(drained, 1);
    reply.end();
    assert.equal(ends.length, 1);
  });

  test('an end that comes before the rest has left waits for it', async () => {
    const { socket, reply, ends } = open();
    socket.stall();
    reply.begin(200, '', undefined);
    const body = Buffer.alloc(SLICE_BYTES * 5, 'x');
    assert.equal(reply.write(body), false);
    reply.end();
    assert.equal(ends.length, 0);
    await socket.takeAll();
    assert.deepEqual(ends, [{ clean: true, keepAlive: true }]);
    assert.equal(socket.text.split('x').length - 1, body.length);
    assert.ok(socket.text.endsWith('\r\n0\r\n\r\n'));
  });

  test('that goes away is told once to whoever writes', () => {
    const { socket, reply, ends } = open();
    let gone = 0;
    reply.onGone = () => {
      gone += 1;
    };
    socket.stall();
    reply.begin(200, '', 1 << 20);
    reply.write(Buffer.alloc(1 << 19));
    reply.gone();
    reply.gone();
    reply.abort();
    assert.deepEqual([gone, ends.length], [1, 1]);
  });
});

test('after the end nothing is said, before it a second head is a defect', () => {
  const { socket, reply, ends } = open();
  assert.throws(() => reply.write(Buffer.from('x')));
  reply.begin(200, '', 1);
  assert.throws(() => reply.whole(500, '', undefined));
  reply.write(Buffer.from('x'));
  reply.end();
  const { text } = socket;
  reply.whole(500, '', undefined);
  reply.begin(500, '', undefined);
  reply.write(Buffer.from('y'));
  reply.end();
  reply.abort();
  assert.equal(socket.text, text);
  assert.equal(ends.length, 1);
});

test('a body of many slices leaves room for others between its turns, whatever the kernel would take', async () => {
  const { socket, reply, ends, yields } = open();
  const body = Buffer.alloc(10 * SLICE_BYTES, 'x');
  let others = 0;
  const other = () => {
    others += 1;
    if (ends.length === 0) setImmediate(other);
  };
  setImmediate(other);
  reply.whole(200, `Content-Length: ${body.length}\r\n`, body);
  assert.equal(ends.length, 0, 'not all in one turn');
  while (ends.length === 0) await new Promise(setImmediate);
  assert.equal(yields(), 2);
  assert.ok(others >= 2);
  assert.ok(socket.text.endsWith(body.toString()));
});
