import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import {
  asked,
  eventually,
  mustAnswer,
  mustFail,
  never,
  originContract,
  readAll,
  seeded,
  sha256,
} from '../../test/contracts/origin.ts';
import { firstValue } from '../wire/headers.ts';
import { createDirectoryOrigin, type DirectoryOriginOptions } from './directory.ts';
import { type DirectoryFs, systemFs } from './file-calls.ts';
import { filePath } from './file-path.ts';
import type { Origin } from './origin.ts';

const QUEUE = { max: 16, timeoutMs: 5_000 };

originContract('directory', async () => {
  const root = mkdtempSync(join(tmpdir(), 'deckle-store-'));
  let taken = 0;
  const fs: DirectoryFs = {
    ...systemFs,
    read: async (...given) => {
      const count = await systemFs.read(...given);
      taken += count;
      return count;
    },
  };
  return {
    put: async (path, bytes) => writeFileSync(join(root, path), bytes),
    origin: ({ busy, queue }) => createDirectoryOrigin({ name: 'store', root, files: busy, queue, timeoutMs: 5_000, fs }),
    taken: () => taken,
    slack: 256 * 1024,
    close: async () => rmSync(root, { recursive: true }),
  };
});

describe('a directory origin', () => {
  let place: string;
  let root: string;
  const PICTURE = Buffer.concat([Buffer.from('ffd8ffe0', 'hex'), seeded('picture', 30_000)]);

  before(() => {
    place = realpathSync(mkdtempSync(join(tmpdir(), 'deckle-dir-')));
    root = join(place, 'store');
    mkdirSync(join(root, 'deep/er'), { recursive: true });
    mkdirSync(join(place, 'store-too'));
    writeFileSync(join(root, 'a.jpg'), PICTURE);
    writeFileSync(join(root, 'deep/er/b c%.png'), Buffer.from('89504e470d0a1a0a', 'hex'));
    writeFileSync(join(root, 'ünï.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
    writeFileSync(join(root, 'style.css'), 'a{}');
    writeFileSync(join(root, 'really-a-picture.txt'), PICTURE);
    writeFileSync(join(place, 'secret.jpg'), PICTURE);
    writeFileSync(join(place, 'store-too/secret.jpg'), PICTURE);
    symlinkSync('a.jpg', join(root, 'in.jpg'));
    symlinkSync('../deep/../in.jpg', join(root, 'deep/in-chain.jpg'));
    symlinkSync('deep/er', join(root, 'in-folder'));
    symlinkSync('../secret.jpg', join(root, 'out.jpg'));
    symlinkSync(join(place, 'secret.jpg'), join(root, 'out-absolute.jpg'));
    symlinkSync('out.jpg', join(root, 'out-chain.jpg'));
    symlinkSync('..', join(root, 'out-folder'));
    symlinkSync('../store-too', join(root, 'out-neighbour'));
    symlinkSync('loop.jpg', join(root, 'loop.jpg'));
    symlinkSync('nowhere.jpg', join(root, 'dangling.jpg'));
    for (const name of ['null', 'zero', 'stdin']) symlinkSync(`/dev/${name}`, join(root, name));
    symlinkSync('/proc/self/environ', join(root, 'environ'));
    execFileSync('mkfifo', [join(root, 'fifo.jpg')]);
    symlinkSync('fifo.jpg', join(root, 'to-fifo.jpg'));
  });
  after(() => rmSync(place, { recursive: true }));

  function origin(given: Partial<DirectoryOriginOptions> = {}): Origin {
    return createDirectoryOrigin({ name: 'store', root, queue: QUEUE, timeoutMs: 2_000, ...given });
  }

  async function statusOf(from: Origin, target: string): Promise<number | string> {
    const answer = await from.fetch(asked(target), never());
    if (answer.kind === 'failed') return answer.fault.code;
    await readAll(answer.body);
    return answer.head.status;
  }

  test('follows links that stay inside and reads names that need escapes', async () => {
    const store = origin();
    for (const target of ['/a.jpg', '/in.jpg', '/deep/in-chain.jpg', '/a.jpg?w=1&x=/../..', '/really-a-picture.txt']) {
      const { head, body } = mustAnswer(await store.fetch(asked(target), never()));
      assert.equal(head.status, 200, target);
      assert.equal(firstValue(head.headers, 'content-type'), 'image/jpeg', target);
      assert.equal(sha256((await readAll(body)).bytes), sha256(PICTURE));
    }
    assert.equal(await statusOf(store, '/deep/er/b%20c%25.png'), 200);
    assert.equal(await statusOf(store, '/in-folder/b%20c%25.png'), 200);
    for (const [target, type] of [
      ['/%C3%BCn%C3%AF.svg', 'image/svg+xml'],
      ['/style.css', 'text/css'],
    ]) {
      const { head, body } = mustAnswer(await store.fetch(asked(target as string), never()));
      assert.equal(firstValue(head.headers, 'content-type'), type);
      body.abort();
    }
    await store.close();
  });

  test('lets nothing out and serves nothing but plain files', async (t) => {
    const socket = createServer().listen(join(root, 'socket.jpg'));
    t.after(() => socket.close());
    const store = origin();
    const targets = [
      ...[
        '/out.jpg',
        '/out-absolute.jpg',
        '/out-chain.jpg',
        '/out-folder/secret.jpg',
        '/out-folder/store/a.jpg/../../secret.jpg',
      ],
      ...[
        '/out-neighbour/secret.jpg',
        '/loop.jpg',
        '/dangling.jpg',
        '/null',
        '/zero',
        '/stdin',
        '/environ',
        '/fifo.jpg',
        '/to-fifo.jpg',
      ],
      ...[
        '/socket.jpg',
        '/',
        '/deep',
        '/deep/',
        '/deep/er',
        '/a.jpg/',
        '/a.jpg/b',
        '//a.jpg',
        '/./a.jpg',
        '/deep/../a.jpg',
        '/../secret.jpg',
      ],
      ...[
        '/%2e%2e/secret.jpg',
        '/%2E%2E%2Fsecret.jpg',
        '/..%2fsecret.jpg',
        '/deep%2fer',
        '/deep/%2e%2e/a.jpg',
        '/a.jpg%00',
        '/a.jpg%00.png',
      ],
      ...[
        '/%ff%fe.jpg',
        '/%c0%ae%c0%ae/secret.jpg',
        '/%',
        '/%zz',
        '/a b',
        '/ü',
        '/a\0',
        'a.jpg',
        '',
        '?',
        '/.',
        '/..',
        `/${'a'.repeat(300)}.jpg`,
      ],
      ...[
        `/${'a/'.repeat(3000)}b.jpg`,
        `${place}/secret.jpg`,
        '/proc/self/environ',
        '/dev/null',
        '/\\..\\secret.jpg',
        '/deep/er/%F0%9F%92%A9',
      ],
    ];
    for (const target of targets) assert.equal(await statusOf(store, target), 404, target);
    // What opening one of these might have left open would be seen here.
    assert.deepEqual(store.counts(), { busy: 0, waiting: 0 });
    await store.close();
  });

  test('whatever the target, its file lies below the folder', () => {
    const piece = fc.constantFrom(
      '/',
      '.',
      '..',
      '%2e',
      '%2F',
      '%5c',
      '%00',
      'a',
      '%',
      '%c3%bc',
      '?',
      '~',
      '%25',
      '\\',
      'é',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const target = `/${pieces.join('')}`;
        const path = filePath(target);
        if (path === undefined) return;
        assert.ok(join('/root', path) === `/root/${path}` && !path.includes('\0'), target);
        assert.ok(dirname(join('/root', path)).startsWith('/root'), target);
      }),
    );
  });

  test('validators hold while the file is the same, by tag or by date, and change with it', async () => {
    const store = origin();
    const path = join(root, 'changes.jpg');
    writeFileSync(path, PICTURE);
    utimesSync(path, 1_700_000_000.5, 1_700_000_000.5);
    const first = mustAnswer(await store.fetch(asked('/changes.jpg'), never()));
    first.body.abort();
    const etag = firstValue(first.head.headers, 'etag') as string;
    const modified = 'Tue, 14 Nov 2023 22:13:20 GMT';
    assert.equal(firstValue(first.head.headers, 'last-modified'), modified);
    const rows: readonly (readonly [name: string, value: string, status: number])[] = [
      ['if-none-match', etag, 304],
      ['if-none-match', `"x", W/${etag}`, 304],
      ['if-none-match', '*', 304],
      ['if-none-match', '"x"', 200],
      ['if-modified-since', modified, 304],
      ['if-modified-since', 'Tue, 14 Nov 2023 22:13:19 GMT', 200],
      ['if-modified-since', 'yesterday', 200],
    ];
    for (const [name, value, status] of rows) {
      const { head, body } = mustAnswer(await store.fetch(asked('/changes.jpg', [[name, value]]), never()));
      assert.equal(head.status, status, `${name}: ${value}`);
      assert.equal(firstValue(head.headers, 'etag'), etag);
      body.abort();
    }
    writeFileSync(path, PICTURE);
    const second = mustAnswer(await store.fetch(asked('/changes.jpg', [['if-none-match', etag]]), never()));
    assert.equal(second.head.status, 200);
    second.body.abort();
    utimesSync(path, Date.now() / 1000 + 86_400, Date.now() / 1000 + 86_400);
    const future = mustAnswer(await store.fetch(asked('/changes.jpg'), never()));
    assert.equal(firstValue(future.head.headers, 'last-modified'), undefined, 'a date to come is not told');
    future.body.abort();
    await store.close();
  });

  test('a file that changes while it is read is never handed out as whole', async () => {
    const path = join(root, 'torn.jpg');
    const old = seeded('old', 1_500_000);
    const changes: readonly (readonly [name: string, change: () => void, outcome: 'end' | 'failed'])[] = [
      ['written anew', () => writeFileSync(path, seeded('new', old.length)), 'failed'],
      ['cut', () => writeFileSync(path, old.subarray(0, 700_000)), 'failed'],
      ['emptied', () => writeFileSync(path, ''), 'failed'],
      ['grown', () => writeFileSync(path, Buffer.concat([old, old])), 'failed'],
      // The opened file is still there, under no name: the old image, whole.
      ['replaced', () => renameSync(temporary(), path), 'end'],
      ['removed', () => rmSync(path), 'end'],
    ];
    function temporary(): string {
      writeFileSync(`${path}.new`, seeded('new', old.length));
      return `${path}.new`;
    }
    for (const [name, change, outcome] of changes) {
      const store = origin();
      writeFileSync(path, old);
      utimesSync(path, 1_700_000_000, 1_700_000_000);
      const { body } = mustAnswer(await store.fetch(asked('/torn.jpg'), never()));
      const first = await body.read();
      change();
      const { bytes, end } = await readAll(body);
      assert.equal(end.kind, outcome, name);
      if (end.kind === 'failed') {
        assert.equal(end.fault.code, 'DECKLE_ORIGIN_RESET', name);
        assert.ok(bytes.length + 256 * 1024 < old.length, 'the last piece was kept back');
      } else
        assert.equal(sha256(Buffer.concat([first.kind === 'data' ? first.bytes : Buffer.alloc(0), bytes])), sha256(old), name);
      await eventually(() => store.counts().busy === 0, 'the file is closed');
      await store.close();
    }
  });

  test('a small file that changes while it is read is a fault', async () => {
    const path = join(root, 'small-torn.jpg');
    writeFileSync(path, PICTURE);
    utimesSync(path, 1_700_000_000, 1_700_000_000);
    const read: DirectoryFs['read'] = async (...given) => {
      const count = await systemFs.read(...given);
      writeFileSync(path, PICTURE);
      return count;
    };
    const store = origin({ fs: { ...systemFs, read } });
    assert.equal(mustFail(await store.fetch(asked('/small-torn.jpg'), never())), 'DECKLE_ORIGIN_RESET');
    await store.close();
  });

  test('reads on when a call brings less than was asked for', async () => {
    const short: DirectoryFs['read'] = (descriptor, into, offset, length, position) =>
      systemFs.read(descriptor, into, offset, Math.min(length, 1_001), position);
    const store = origin({ fs: { ...systemFs, read: short } });
    const { body } = mustAnswer(await store.fetch(asked('/a.jpg'), never()));
    assert.equal(sha256((await readAll(body)).bytes), sha256(PICTURE));
    await store.close();
  });

  test('what cannot be read is a fault, what cannot be there is missing, a folder that is gone is a fault', async () => {
    const errnos: readonly (readonly [code: string, outcome: number | string])[] = [
      ...['EACCES', 'EPERM', 'EIO', 'EMFILE', 'ENFILE', 'ESTALE', 'ENOMEM', 'EAGAIN'].map(
        (code) => [code, 'DECKLE_ORIGIN_UNREADABLE'] as const,
      ),
      ...['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EINVAL', 'ENXIO'].map((code) => [code, 404] as const),
    ];
    for (const [code, outcome] of errnos) {
      const store = origin({ fs: { ...systemFs, open: () => Promise.reject(Object.assign(new Error(code), { code })) } });
      assert.equal(await statusOf(store, '/a.jpg'), outcome, code);
      await store.close();
    }
    for (const call of ['facts', 'where', 'realpath', 'read'] as const) {
      const store = origin({
        fs: { ...systemFs, [call]: () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' })) },
      });
      assert.equal(await statusOf(store, '/a.jpg'), 'DECKLE_ORIGIN_UNREADABLE', call);
      assert.deepEqual(store.counts(), { busy: 0, waiting: 0 });
      await store.close();
    }
    const gone = origin({ root: join(place, 'not-mounted') });
    assert.equal(await statusOf(gone, '/a.jpg'), 'DECKLE_ORIGIN_UNREADABLE');
    await gone.close();
  });

  test('a read that fails in mid-body fails the body and closes the file', async () => {
    writeFileSync(join(root, 'bad-block.jpg'), seeded('bad', 1_000_000));
    let closed = 0;
    const fs: DirectoryFs = {
      ...systemFs,
      read: (descriptor, into, offset, length, position) =>
        position >= 512 * 1024
          ? Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }))
          : systemFs.read(descriptor, into, offset, length, position),
      close: (descriptor) => {
        closed += 1;
        return systemFs.close(descriptor);
      },
    };
    const store = origin({ fs });
    const { body } = mustAnswer(await store.fetch(asked('/bad-block.jpg'), never()));
    assert.equal(mustFail((await readAll(body)).end), 'DECKLE_ORIGIN_UNREADABLE');
    await eventually(() => closed === 1 && store.counts().busy === 0, 'the file is closed');
    await store.close();
    assert.equal(closed, 1);
  });

  test('the folder may be a link, and may be turned to another folder', async () => {
    const link = join(place, 'current');
    symlinkSync('store', link);
    const store = origin({ root: link });
    assert.equal(await statusOf(store, '/a.jpg'), 200);
    rmSync(link);
    symlinkSync('store-too', link);
    assert.equal(await statusOf(store, '/a.jpg'), 404);
    assert.equal(await statusOf(store, '/secret.jpg'), 200);
    await store.close();
  });
});

describe('a mount that hangs', () => {
  /** Calls on hang.jpg return when they are told to. */
  function hanging(call: 'open' | 'read'): { fs: DirectoryFs; hung(): number; closed(): number; opened(): number; wake(): void } {
    const woken = Promise.withResolvers<void>();
    const hanging = new Set<number>();
    let hung = 0;
    let opened = 0;
    let closed = 0;
    const wait = async (): Promise<void> => {
      hung += 1;
      await woken.promise;
    };
    return {
      fs: {
        ...systemFs,
        open: async (path) => {
          if (call === 'open' && path.endsWith('/hang.jpg')) await wait();
          const descriptor = await systemFs.open(path);
          opened += 1;
          if (path.endsWith('/hang.jpg')) hanging.add(descriptor);
          return descriptor;
        },
        read: async (descriptor, into, offset, length, position) => {
          if (call === 'read' && hanging.has(descriptor) && position > 0) await wait();
          return systemFs.read(descriptor, into, offset, length, position);
        },
        close: (descriptor) => {
          closed += 1;
          hanging.delete(descriptor);
          return systemFs.close(descriptor);
        },
      },
      hung: () => hung,
      closed: () => closed,
      opened: () => opened,
      wake: () => woken.resolve(),
    };
  }

  let root: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'deckle-hang-'));
    writeFileSync(join(root, 'hang.jpg'), seeded('hang', 1_000_000));
    writeFileSync(join(root, 'fine.jpg'), seeded('fine', 1_000));
  });
  after(() => rmSync(root, { recursive: true }));

  test('costs the requests that need it, then the slots it holds, and gives all back when it wakes', async () => {
    const mount = hanging('open');
    const options = { root, concurrency: 2, queue: { max: 2, timeoutMs: 300 }, timeoutMs: 150, fs: mount.fs };
    const store = createDirectoryOrigin({ name: 'mount', ...options });
    const other = createDirectoryOrigin({ name: 'disk', root, queue: QUEUE, timeoutMs: 2_000 });

    assert.equal(mustFail(await store.fetch(asked('/hang.jpg'), never())), 'DECKLE_ORIGIN_TIMEOUT');
    assert.equal(mustAnswer(await store.fetch(asked('/fine.jpg'), never())).head.status, 200, 'one slot is left');
    assert.equal(mustFail(await store.fetch(asked('/hang.jpg'), never())), 'DECKLE_ORIGIN_TIMEOUT');
    assert.deepEqual(store.counts(), { busy: 2, waiting: 0 }, 'the slots stay taken');

    const waiting = [1, 2].map(() => store.fetch(asked('/fine.jpg'), never()));
    await eventually(() => store.counts().waiting === 2, 'two wait');
    assert.equal(mustFail(await store.fetch(asked('/fine.jpg'), never())), 'DECKLE_ORIGIN_BUSY', 'the line is full');
    for (const answer of await Promise.all(waiting)) assert.equal(mustFail(answer), 'DECKLE_ORIGIN_BUSY', 'too long in line');
    assert.equal(mustAnswer(await other.fetch(asked('/fine.jpg'), never())).head.status, 200, 'another origin goes on');
    assert.equal(mount.hung(), 2, 'no thread more is held');

    mount.wake();
    await eventually(() => store.counts().busy === 0, 'the slots come back');
    assert.equal(mount.closed(), mount.opened(), 'what opened late was closed');
    assert.equal(mustAnswer(await store.fetch(asked('/fine.jpg'), never())).head.status, 200);
    await store.close();
    await other.close();
  });

  test('a read that hangs fails the body in time; the file is closed after it, not under it', async () => {
    const mount = hanging('read');
    const store = createDirectoryOrigin({ name: 'mount', root, queue: QUEUE, timeoutMs: 150, fs: mount.fs });
    const { body } = mustAnswer(await store.fetch(asked('/hang.jpg'), never()));
    assert.equal(mustFail((await readAll(body)).end), 'DECKLE_ORIGIN_TIMEOUT');
    const given = mustAnswer(await store.fetch(asked('/hang.jpg'), never()));
    await given.body.read();
    const pending = given.body.read();
    await eventually(() => mount.hung() === 2, 'both hang');
    given.body.abort();
    assert.equal(mustFail(await pending), 'DECKLE_ORIGIN_RESET', 'nobody waits for a hung call');
    assert.deepEqual([mount.closed(), store.counts().busy], [0, 2]);
    mount.wake();
    await eventually(() => store.counts().busy === 0, 'both are given back');
    assert.equal(mount.closed(), 2);
    await store.close();
  });

  test('does not hold up close, nor a caller who leaves', async () => {
    const mount = hanging('open');
    const store = createDirectoryOrigin({ name: 'mount', root, concurrency: 1, queue: QUEUE, timeoutMs: 200, fs: mount.fs });
    const leaving = new AbortController();
    const left = store.fetch(asked('/hang.jpg'), leaving.signal);
    await eventually(() => mount.hung() === 1, 'it hangs');
    leaving.abort();
    assert.equal(mustFail(await left), 'DECKLE_ORIGIN_RESET');
    const waiting = store.fetch(asked('/fine.jpg'), never());
    const closing = store.close();
    assert.equal(mustFail(await waiting), 'DECKLE_STOPPING');
    await closing;
    assert.equal(mount.closed(), 0);
    mount.wake();
    await eventually(() => mount.closed() === 1, 'closed after all');
  });
});
