import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jpeg, startHouse } from '../../test/support/cache-house.ts';

test('one flight per source; a purge of one source leaves the others alone', async () => {
  const h = await startHouse();
  const clients = ['/a.jpg', '/a.jpg', '/b.jpg'].map((path) => h.ask(path));
  const asks = [await h.origin.next(), await h.origin.next()];
  await h.get('/-no-path//');
  assert.equal(h.flights.count, 2);
  assert.equal(h.flights.find('all /c.jpg', []), undefined);
  const b = h.flights.find('all /b.jpg', []);
  h.purge('/a.jpg');
  assert.equal(h.flights.find('all /a.jpg', []), undefined);
  assert.equal(h.flights.find('all /b.jpg', []), b);
  for (const ask of asks) ask.answer({ body: jpeg(100) });
  await Promise.all(clients.map((client) => client.done()));
  assert.equal(h.flights.count, 0);
  await h.close();
});
