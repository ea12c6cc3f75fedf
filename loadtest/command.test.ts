// The whole course against a small server that is edge and admin at once. A run takes a second: autocannon counts in seconds.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Io, runLoadTest } from './command.ts';

const rotation = {
  name: 'hit',
  summary: 'for the test',
  choose: <T>(targets: readonly T[]) => targets,
  plan:
    <T>(targets: readonly T[]) =>
    () =>
      targets,
};

interface Captured extends Io {
  text: string;
  errors: string;
}

function captured(env: Io['env'] = {}): Captured {
  return {
    text: '',
    errors: '',
    env,
    out(text) {
      this.text += text;
    },
    err(text) {
      this.errors += text;
    },
  };
}

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function listOf(t: TestContext, ...paths: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'loadtest-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'list.txt');
  await writeFile(file, paths.join('\n'));
  return file;
}

async function run(
  t: TestContext,
  paths: string[],
  listener: RequestListener,
  env?: Io['env'],
): Promise<{ code: number; io: Captured; json: Figures }> {
  const url = await serve(t, listener);
  const io = captured(env);
  const flags = [
    '--url',
    url,
    '--admin',
    url,
    '--seconds',
    '1',
    '--connections',
    '4',
    '--json',
    '--list',
    await listOf(t, ...paths),
  ];
  const code = await runLoadTest(rotation, flags, io);
  return { code, io, json: io.text === '' ? ({} as Figures) : (JSON.parse(io.text) as Figures) };
}

interface Figures {
  readonly requests: number;
  readonly errors: number;
  readonly non2xx: number;
  readonly wrongLength: number;
  readonly edge: {
    readonly rows: readonly { readonly result: string; readonly requests: number }[];
    readonly hitRatio: number;
  } | null;
  readonly edgeUnread?: string;
}

test('a sound edge: clean, with its own counters by result', async (t) => {
  let answered = 0;
  const agents = new Set<string | undefined>();
  const { code, json } = await run(
    t,
    ['/a', '/b'],
    (request, response) => {
      if (request.url === '/metrics') {
        const allowed = request.headers.authorization === 'Bearer word';
        response.writeHead(allowed ? 200 : 401);
        response.end(`deckle_requests_total{role="front",result="memory"} ${answered}\n`);
        return;
      }
      agents.add(request.headers['user-agent']);
      answered += 1;
      response.end(request.url === '/a' ? 'aaaa' : 'bb');
    },
    { DECKLE_ADMIN_TOKEN: 'word' },
  );
  assert.equal(code, 0);
  assert.ok(json.requests > 10);
  assert.deepEqual([json.errors, json.non2xx, json.wrongLength], [0, 0, 0]);
  assert.equal(json.edge?.hitRatio, 1);
  const counted = json.edge?.rows[0]?.requests ?? 0;
  assert.ok(Math.abs(counted - json.requests) <= 4, 'at most what was in flight at the end');
  assert.ok(agents.size >= 4, 'every connection has the head of a browser');
});

test('other lengths, other statuses: counted, exit code 1, and unread counters are no failure by themselves', async (t) => {
  let turn = 0;
  const { code, json } = await run(t, ['/a'], (request, response) => {
    if (request.url === '/metrics') {
      response.writeHead(404).end();
      return;
    }
    turn += 1;
    if (turn % 10 === 5) response.writeHead(503).end('busy');
    else response.end(turn % 10 === 7 ? 'short' : 'the picture');
  });
  assert.equal(code, 1);
  assert.ok(json.non2xx > 0);
  assert.ok(json.wrongLength > 0);
  assert.equal(json.edge, null);
  assert.match(json.edgeUnread ?? '', /answered 404/);
});

test('an answer that breaks off is an error', async (t) => {
  let turn = 0;
  const { code, json } = await run(t, ['/a'], (_, response) => {
    turn += 1;
    if (turn === 40) {
      response.socket?.end('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot a thousand');
      return;
    }
    response.end('the picture');
  });
  assert.equal(code, 1);
  assert.ok(json.errors > 0);
});

test('no edge, the wrong edge: one line, exit code 1, no storm', async (t) => {
  let asked = 0;
  const wrong = await run(t, ['/a'], (_, response) => {
    asked += 1;
    response.writeHead(404).end();
  });
  assert.deepEqual([wrong.code, asked, wrong.io.text], [1, 1, '']);
  assert.match(wrong.io.errors, /^http:\S+\/a answered 404: .+\n$/);

  const io = captured();
  const code = await runLoadTest(rotation, ['--url', 'http://127.0.0.1:9', '--list', await listOf(t, '/a')], io);
  assert.equal(code, 1);
  assert.match(io.errors, /^.+\n$/);
});

test('--help and wrong usage', async () => {
  const help = captured();
  assert.equal(await runLoadTest(rotation, ['--help'], help), 0);
  assert.match(help.text, /--connections[\s\S]*Example: node loadtest\/hit\.ts/);
  const wrong = captured();
  assert.equal(await runLoadTest(rotation, ['--seconds', 'ten'], wrong), 2);
  assert.match(wrong.errors, /--seconds ten: must be/);
});
