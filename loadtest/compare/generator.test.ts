// The generator as a process against a small server in this one, which answers well or not.

import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { startWorker, type Worker } from './children.ts';
import type { Job, Outcome } from './generator.ts';
import { type Picture, picturesOf } from './images.ts';

const pictures = new Map(picturesOf('16k').map((picture) => [picture.path, picture]));
const LIMIT_MS = 30_000;

function generatorFor(t: TestContext): Worker<Outcome, Job> {
  const worker = startWorker<Outcome, Job>(new URL('generator.ts', import.meta.url), '16k', 0);
  t.after(() => worker.close());
  return worker;
}

async function serve(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function pictureAt(url: string | undefined): Picture {
  const picture = pictures.get(url ?? '');
  assert.ok(picture !== undefined, `${url} is no picture`);
  return picture;
}

test('warm asks for every picture once; a window counts answers and the time of the processes it was told of', async (t) => {
  const asked: string[] = [];
  const port = await serve(t, (request, response) => {
    const { path, body } = pictureAt(request.url);
    asked.push(path);
    response.writeHead(200, { 'Content-Length': body.length }).end(body);
  });
  const generator = generatorFor(t);
  const warm = await generator.ask({ port, traffic: 'warm', connections: 16, seconds: 1, pids: [] }, LIMIT_MS);
  assert.equal(warm.kind, 'done', JSON.stringify(warm));
  assert.deepEqual(asked.toSorted(), [...pictures.keys()].sort());

  asked.length = 0;
  const before = process.cpuUsage();
  const outcome = await generator.ask({ port, traffic: 'rotation', connections: 16, seconds: 1, pids: [process.pid] }, LIMIT_MS);
  const { user, system } = process.cpuUsage(before);
  assert.equal(outcome.kind, 'done', JSON.stringify(outcome));
  if (outcome.kind !== 'done') return;
  assert.equal(outcome.faults, 0, outcome.reasons.join());
  assert.ok(outcome.requests > 100 && outcome.requests < asked.length, `${outcome.requests} of ${asked.length}`);
  assert.ok(outcome.seconds >= 1 && outcome.p50Ms > 0 && outcome.p50Ms <= outcome.p99Ms);
  const ns = outcome.cpuNs[process.pid]!;
  assert.ok(ns > 0 && ns < (user + system) * 1000, 'a part of what was spent from the first request to the last');
});

test('a wrong body, a wrong length and a connection that ends are faults', async (t) => {
  const wrong: Readonly<Record<string, (picture: Picture) => [length: number, body: Buffer]>> = {
    body: ({ body }) => [body.length, Buffer.concat([body.subarray(0, -1), Buffer.from([body.at(-1)! ^ 1])])],
    length: ({ body }) => [body.length - 1, body.subarray(1)],
  };
  const generator = generatorFor(t);
  for (const [what, answer] of Object.entries(wrong)) {
    const port = await serve(t, (request, response) => {
      const picture = pictureAt(request.url);
      const [length, body] = picture.path.endsWith('-7.jpg') ? answer(picture) : [picture.body.length, picture.body];
      response.writeHead(200, { 'Content-Length': length }).end(body);
    });
    const outcome = await generator.ask({ port, traffic: 'warm', connections: 4, seconds: 1, pids: [] }, LIMIT_MS);
    assert.ok(outcome.kind === 'done' && outcome.faults === 1, JSON.stringify(outcome));
    assert.match(outcome.reasons.join(), new RegExp(what));
  }
  const closing = await serve(t, (request) => request.socket.destroy());
  const outcome = await generator.ask({ port: closing, traffic: 'repeated', connections: 4, seconds: 1, pids: [] }, LIMIT_MS);
  assert.ok(outcome.kind === 'done' && outcome.faults === 4 && outcome.requests === 0, JSON.stringify(outcome));
});

test('a server that is not there is a failure to warm, and a process that is not there one to measure', async (t) => {
  const generator = generatorFor(t);
  const outcome = await generator.ask(
    { port: 9, traffic: 'repeated', connections: 2, seconds: 1, pids: [999_999_999] },
    LIMIT_MS,
  );
  assert.ok(outcome.kind === 'failed');
  assert.match(outcome.why, /ENOENT/);
});
