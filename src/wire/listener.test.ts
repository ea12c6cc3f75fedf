import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../test/support/edge.ts';
import { openRaw } from '../../test/support/raw.ts';
import { OVERFLOW, startWire, whole } from '../../test/support/wire.ts';
import type { Exchange } from './connection.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

test('connections over the limit read that the house is full, and make room when others leave', async () => {
  await using wire = await startWire((x) => whole(x, 200, 'ok'), { connections: 2 });
  const guests = [await openRaw(wire.port), await openRaw(wire.port)];
  for (const guest of guests) {
    guest.send(GET);
    assert.ok(await guest.answered(1));
  }
  const third = await openRaw(wire.port);
  third.send(GET);
  assert.equal(await third.closed(), 'ended');
  assert.equal(third.bytes().toString('latin1'), OVERFLOW);
  assert.equal(wire.overflows(), 1);
  guests[0]!.close();
  await until('there is room', () => wire.listener.connections === 1);
  const fourth = await openRaw(wire.port);
  fourth.send(GET);
  assert.ok(await fourth.answered(1));
  assert.equal(fourth.answers()[0]?.status, 200);
  for (const client of [...guests, third, fourth]) client.close();
});

test('one that was turned away and stays is cut', async () => {
  await using wire = await startWire((x) => whole(x, 200, 'ok'), { connections: 0 });
  const client = await openRaw(wire.port);
  assert.equal(await client.closed(), 'ended');
  const gone = new Promise((resolve) => client.socket.once('close', resolve));
  wire.pass(2_100);
  client.socket.on('error', () => {});
  // The other end is closed: what is sent now is answered with a reset.
  const poke = setInterval(() => client.send('x'), 20);
  await gone;
  clearInterval(poke);
});

test('close() lets the request at hand finish, ends idle connections, takes no new one', async () => {
  const held: Exchange[] = [];
  await using wire = await startWire((x) => held.push(x));
  const [busy, half, idle] = [await openRaw(wire.port), await openRaw(wire.port), await openRaw(wire.port)];
  busy.send(GET);
  await until('the request', () => held.length === 1);
  half.send('GET / HT');
  await until('all are there', () => wire.listener.connections === 3);
  // The half head has been read when a request behind it on another connection has.
  const later = await openRaw(wire.port);
  later.send(GET);
  await until('the other request', () => held.length === 2);
  whole(held[1]!, 200, 'late');
  assert.ok(await later.answered(1));
  const closed = wire.listener.close();
  assert.equal(wire.listener.close(), closed);
  assert.equal(await idle.closed(), 'ended');
  assert.equal(await later.closed(), 'ended');
  half.send('TP/1.1\r\nHost: a\r\n\r\n');
  await until('the half head is whole', () => held.length === 3);
  assert.deepEqual([busy.how(), half.how()], ['open', 'open']);
  whole(held[0]!, 200, 'one');
  whole(held[2]!, 200, 'two');
  assert.equal(await busy.closed(), 'ended');
  assert.equal(await half.closed(), 'ended');
  for (const client of [busy, half]) {
    assert.equal(client.answers()[0]?.fields['connection'], 'close');
    assert.equal(client.answers()[0]?.whole, true);
    client.end();
  }
  await closed;
  await assert.rejects(openRaw(wire.port));
  for (const client of [busy, half, idle, later]) client.close();
});

test('a taken port is an answer, not a crash', async () => {
  await using wire = await startWire(() => {});
  const { Listener } = await import('./listener.ts');
  const { WIRE_LIMITS } = await import('../../test/support/wire.ts');
  const nothing = { request: () => {}, refused: () => {}, overflow: () => {} };
  const second = new Listener(WIRE_LIMITS, nothing, { wallMs: () => 0, monoMs: () => 0 }, '');
  await assert.rejects(second.listen({ host: '127.0.0.1', port: wire.port }), { code: 'EADDRINUSE' });
  await second.close();
});
