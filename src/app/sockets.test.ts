// Slots of one address: bound alone first, told in words when they cannot be.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { bindProblem, bindSlots, tryBind } from './sockets.ts';

const ANY_PORT = { host: '127.0.0.1', port: 0 } as const;

test('a port that others listen on is refused, also when they share it by SO_REUSEPORT', async (t) => {
  for (const reusePort of [false, true]) {
    const server = createServer().listen({ ...ANY_PORT, reusePort });
    await once(server, 'listening');
    t.after(() => server.close());
    const address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
    const why = `127.0.0.1:${address.port} is taken by another program`;
    assert.equal(await tryBind(address), why);
    for (const slots of [1, 2]) assert.equal(await bindSlots(address, slots), why);
  }
});

test('slots of one address take connections side by side, each by its own listener', async (t) => {
  const slots = await bindSlots(ANY_PORT, 3);
  assert.ok(typeof slots !== 'string');
  t.after(() => {
    for (const slot of slots) slot.close();
  });
  const ports = new Set<number>();
  for (const { handle } of slots) {
    const server = createServer().listen(handle);
    await once(server, 'listening');
    t.after(() => server.close());
    ports.add((server.address() as AddressInfo).port);
  }
  assert.equal(ports.size, 1);
  assert.equal(slots.length, 3);
});

test('what the system says about an address, in words', () => {
  const error = (code: string) => Object.assign(new Error(`${code} text`), { code });
  const address = { host: '::1', port: 80 };
  assert.equal(bindProblem(address, error('EADDRINUSE')), '[::1]:80 is taken by another program');
  assert.match(bindProblem(address, error('EACCES')), /^\[::1\]:80 needs a right to bind/);
  assert.equal(bindProblem(address, error('EADDRNOTAVAIL')), '[::1]:80 is not an address of this machine');
  assert.equal(bindProblem(address, error('ENOTFOUND')), '[::1]:80 is not an address of this machine');
  assert.equal(bindProblem(address, error('EMFILE')), 'cannot listen on [::1]:80: EMFILE text');
});
