// The house stands as CONTRIBUTING.md draws it: imports only go down a floor, each third-party package has one owner, and the
// closed lists hold nothing that no code can say. Read from the text of the sources, so that a new file is held to it unasked.

import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, posix } from 'node:path';
import { test } from 'node:test';
import { FAULTS } from '../src/base/fault.ts';
import { REASONS } from '../src/base/reasons.ts';

const CHECKOUT = join(import.meta.dirname, '..');

/** Rooms of src by their floor, the lowest first. Rooms of one floor do not know each other. */
const FLOORS: readonly (readonly string[])[] = [
  ['base'],
  ['wire', 'metrics'],
  ['answer', 'asset', 'image'],
  ['guard', 'origin', 'store', 'purge'],
  ['front', 'cache'],
  ['admin'],
  ['config'],
  ['app'],
  ['cli'],
];

/** The one file that knows a package; what else needs it asks that file. */
const OWNERS: Readonly<Record<string, string>> = {
  hashring: 'src/front/ring.ts',
  'ipaddr.js': 'src/base/address.ts',
  'lru-cache': 'src/store/memory.ts',
  pino: 'src/base/log.ts',
  re2js: 'src/guard/pattern.ts',
  undici: 'src/origin/connection.ts',
  yaml: 'src/config/load.ts',
  zod: 'src/base/knobs.ts',
};

const sources: ReadonlyMap<string, string> = new Map(
  globSync('src/**/*.{ts,js}', { cwd: CHECKOUT })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !path.endsWith('.test.ts'))
    .toSorted()
    .map((path) => [path, readFileSync(join(CHECKOUT, path), 'utf8')]),
);

function imports(text: string): readonly string[] {
  const found = text.matchAll(/^(?:import|export)\s+(?:[\w$*{},\s]+?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm);
  return [...found].map((match) => match[1] ?? match[2]!);
}

function floorOf(path: string): number {
  if (path === 'src/deckle.js') return FLOORS.length - 1;
  return FLOORS.findIndex((rooms) => rooms.includes(roomOf(path)));
}

function roomOf(path: string): string {
  return path.split('/')[1] ?? '';
}

test('what reads the imports reads them all', () => {
  const text = `import 'a';\nimport b, { type C } from 'b';\nimport type { D } from 'd';\nimport {\n  e,\n  f,\n} from 'e';\nexport { g } from 'g';\nconst h = await import('h');\n`;
  assert.deepEqual(imports(text), ['a', 'b', 'd', 'e', 'g', 'h']);
  assert.ok(sources.size > 80, `${sources.size} sources`);
});

test('every source stands in a room of the house, and no room is a drawer for the rest', () => {
  assert.deepEqual(
    [...sources.keys()].filter((path) => floorOf(path) === -1),
    [],
  );
  const drawers = /\/(?:utils?|helpers?|common|shared|misc|lib|manager)(?:\/|\.ts$)/;
  assert.deepEqual(
    [...sources.keys()].filter((path) => drawers.test(path)),
    [],
  );
});

test('imports only go down a floor, or stay in their room', () => {
  const wrong: string[] = [];
  for (const [path, text] of sources) {
    for (const name of imports(text)) {
      if (!name.startsWith('.')) continue;
      const target = posix.normalize(posix.join(posix.dirname(path), name));
      if (!sources.has(target)) wrong.push(`${path} imports ${target}, which is no source`);
      else if (roomOf(path) !== roomOf(target) && floorOf(target) >= floorOf(path)) wrong.push(`${path} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('no two sources import each other, at any distance', () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) {
      circles.push([...way.slice(way.indexOf(path)), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    const text = sources.get(path) ?? '';
    for (const name of imports(withoutTypes(text)))
      if (name.startsWith('.')) visit(posix.normalize(posix.join(posix.dirname(path), name)), [...way, path]);
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  assert.deepEqual(circles, []);
});

test('a process loads the half of the house that its role needs', () => {
  const loaded = (entry: string): readonly string[] => {
    const seen = new Set<string>();
    const packages = new Set<string>();
    const visit = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      for (const name of imports(withoutTypes(sources.get(path) ?? ''))) {
        if (name.startsWith('.')) visit(posix.normalize(posix.join(posix.dirname(path), name)));
        else if (!name.startsWith('node:')) packages.add(name);
      }
    };
    visit(entry);
    return [...packages].toSorted();
  };
  assert.deepEqual(loaded('src/app/front.ts'), ['hashring', 'ipaddr.js', 'pino', 're2js']);
  assert.deepEqual(loaded('src/app/node.ts'), ['ipaddr.js', 'lru-cache', 'pino', 're2js', 'undici']);
  for (const name of ['undici', 'lru-cache', 'hashring']) assert.ok(!loaded('src/app/start.ts').includes(name), name);
});

// Types are gone when the program runs.
function withoutTypes(text: string): string {
  return text.replaceAll(/^(?:import|export) type\b[^;]*;/gm, '');
}

/** What opens sockets, by who may: clients are met in wire and admin; nodes are dialled by the front's link, origins by theirs. */
const SOCKETS = /^node:(?:net|tls|http|https|http2|dgram)$/;
const HOLDERS: readonly RegExp[] = [
  /^src\/(?:wire|admin|cli)\//,
  /^src\/front\/(?:node-socket|probe)\.ts$/,
  /^src\/origin\/(?:dial|connection)\.ts$/,
  /^src\/app\/sockets\.ts$/,
];

test('only the lane knows sockets of clients; no rule and no story knows what carries a request', () => {
  const wrong: string[] = [];
  for (const [path, text] of sources) {
    // To ask whether a text is an address opens nothing.
    const others = text.replaceAll(/^import \{(?:(?: type)? isIP(?:v[46])?,?)+ \} from 'node:net';$/gm, '');
    const names = imports(others).filter((name) => SOCKETS.test(name));
    if (names.length > 0 && !HOLDERS.some((holder) => holder.test(path))) wrong.push(`${path} imports ${names}`);
  }
  for (const path of ['src/front/handle.ts', 'src/cache/handle.ts']) {
    for (const word of (sources.get(path) ?? '').match(/socket|\btls\b|proxy_protocol|'node:/gi) ?? [])
      wrong.push(`${path} speaks of ${word}`);
  }
  assert.deepEqual(wrong, []);
});

test('the lane has its proof beside it', () => {
  const proofs = ['connection', 'listener', 'reply', 'scanner'].map((name) => `src/wire/${name}.test.ts`);
  for (const path of [...proofs, 'test/fuzz/scanner-differential.test.ts'])
    assert.ok(existsSync(join(CHECKOUT, path)), `${path} is missing`);
});

test('each third-party package has its one owner, and each dependency is used', () => {
  const users: Record<string, string[]> = {};
  for (const [path, text] of sources) {
    for (const name of imports(text)) {
      if (name.startsWith('.') || name.startsWith('node:')) continue;
      assert.ok(!builtinModules.includes(name), `${path}: ${name} is node:${name}`);
      const owner = name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/');
      users[owner] = [...new Set([...(users[owner] ?? []), path])];
    }
  }
  assert.deepEqual(users, Object.fromEntries(Object.entries(OWNERS).map(([name, path]) => [name, [path]])));
  const { dependencies } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { dependencies: object };
  assert.deepEqual(Object.keys(dependencies).toSorted(), Object.keys(OWNERS).toSorted());
});

test('every source opens with what it is, and is written in types that can be stripped', () => {
  const wrong: string[] = [];
  for (const [path, text] of sources) {
    if (!/^(?:#!.*\n)?\/\/ \S/.test(text)) wrong.push(`${path}: opens without a comment`);
    for (const [pattern, what] of FORBIDDEN) if (pattern.test(text)) wrong.push(`${path}: ${what}`);
  }
  assert.deepEqual(wrong, []);
});

const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/^export default\b/m, 'a default export'],
  [/^(?:export )?(?:declare )?(?:const )?enum\b/m, 'an enum'],
  [/^(?:export )?(?:declare )?namespace\b/m, 'a namespace'],
  [/^export \*/m, 'a barrel'],
  [/^(?:export )?let\b/m, 'state of the module'],
];

test('no fault and no reason is in its list that no code can say', () => {
  const said = [...sources].filter(([path]) => path !== 'src/base/fault.ts' && path !== 'src/base/reasons.ts');
  const says = (word: string): boolean => said.some(([, text]) => text.includes(`'${word}'`));
  assert.deepEqual(
    Object.keys(FAULTS).filter((code) => !says(code)),
    [],
  );
  const ofFaults = new Set<string>(Object.values(FAULTS).map(({ reason }) => reason));
  assert.deepEqual(
    Object.keys(REASONS).filter((reason) => !ofFaults.has(reason) && !says(reason)),
    [],
  );
});
