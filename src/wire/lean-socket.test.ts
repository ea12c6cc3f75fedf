import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { acceptLean, LeanSocket } from './lean-socket.ts';

const open: { close(): void }[] = [];

afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function listen(accept: (socket: LeanSocket) => void): Promise<{ readonly lean: boolean; dial(): Socket }> {
  const server = createServer();
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const lean = acceptLean(server, 64 * 1024, (socket) => {
    assert(socket instanceof LeanSocket);
    open.push({ close: () => socket.destroy() });
    accept(socket);
  });
  open.push(server);
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  return {
    lean,
    dial: () => {
      const socket = connect({ host: '127.0.0.1', port: address.port });
      open.push({ close: () => socket.destroy() });
      return socket;
    },
  };
}

test('connections of this Node come as lean sockets, and say what was sent, who they are and when they end', async () => {
  const said: string[] = [];
  const ended = Promise.withResolvers<void>();
  const { lean, dial } = await listen((socket) => {
    said.push(socket.remoteAddress ?? '');
    socket.onBytes = (bytes) => {
      said.push(bytes.toString());
      socket.write('seen');
    };
    socket.on('end', () => {
      socket.end('bye');
      ended.resolve();
    });
  });
  assert.equal(lean, true);
  const client = dial();
  client.write('hello');
  await once(client, 'data');
  client.end();
  await ended.promise;
  const [last] = (await once(client, 'data')) as [Buffer];
  assert.deepEqual([...said, String(last)], ['127.0.0.1', 'hello', 'bye']);
});

test('a paused lean socket hears nothing until it is resumed', async () => {
  const heard: number[] = [];
  const accepted = Promise.withResolvers<LeanSocket>();
  const { dial } = await listen((socket) => {
    socket.onBytes = (bytes) => {
      heard.push(bytes.length);
      if (heard.length === 1) socket.pause();
    };
    accepted.resolve(socket);
  });
  const client = dial();
  client.write('a');
  const socket = await accepted.promise;
  await once(client, 'connect');
  while (heard.length === 0) await new Promise(setImmediate);
  await new Promise<void>((resolve) => client.write('bb', () => resolve()));
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  assert.deepEqual([heard, socket.isPaused()], [[1], true]);
  socket.resume();
  while (heard.length === 1) await new Promise(setImmediate);
  assert.deepEqual(heard, [1, 2]);
});

test('connections that read into the same buffer never see bytes of one another', async () => {
  const whole = new Map<LeanSocket, string>();
  const { dial } = await listen((socket) => {
    whole.set(socket, '');
    socket.onBytes = (bytes) => {
      whole.set(socket, whole.get(socket)! + bytes.toString('latin1'));
    };
  });
  const clients = ['x', 'y', 'z'].map((letter) => ({ letter, socket: dial() }));
  for (const { letter, socket } of clients) for (let piece = 0; piece < 50; piece += 1) socket.write(letter.repeat(1000));
  while ([...whole.values()].reduce((sum, text) => sum + text.length, 0) < 150_000) await new Promise(setImmediate);
  for (const text of whole.values()) assert.match(text, /^(?:x{50000}|y{50000}|z{50000})$/);
});
