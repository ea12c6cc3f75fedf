import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Shape } from '../base/shapes.ts';
import { effectiveJson, effectiveYaml } from './effective.ts';
import { outdated } from './generate.ts';
import { type Loaded, parseConfig, problemText } from './load.ts';
import { jsonSchema } from './reference.ts';
import { root } from './schema.ts';

const cwd = '/w';

function load(text: string): Loaded {
  const result = parseConfig(text, 'f.yaml', { env: {}, cwd });
  assert.ok(result.ok, result.ok ? '' : result.problems.map(problemText).join('\n'));
  return result;
}

const CHANGED = `front: {listen: [":81", "[::1]:82"], hot: {size: 0}}
stop_timeout: 60s
admin: {token: hushhush}
nodes: [{name: x, address: "localhost:7000", weight: 0, disk: {path: d}}]
origins:
  a: {urls: ["http://u"], headers: {authorization: Bearer hushhush}}
  b: {directory: pictures}
sites: [{hosts: ["*.a.b"], origin: a, query: [w], ttl: {status: {404: 1s}}, referers: {allow: [none, "~^a\\\\.b/", a.b]}}]
`;

test('an empty file differs from no default', () => {
  const { config, given } = load('');
  assert.ok(!effectiveYaml({ config, given, cwd }).includes('# set'));
  assert.deepEqual(effectiveJson({ config, given, cwd }).set, []);
});

test('what differs from its default is marked, with the default', () => {
  const { config, given } = load(CHANGED);
  assert.deepEqual(effectiveJson({ config, given, cwd }).set, [
    'front.listen.0.address',
    'front.listen.1.address',
    'front.hot.size',
    'admin.token',
    'nodes.0.name',
    'nodes.0.address',
    'nodes.0.weight',
    'nodes.0.disk.path',
    'origins.a.urls',
    'origins.a.headers',
    'origins.b.directory',
    'sites.0.hosts',
    'sites.0.origin',
    'sites.0.query',
    'sites.0.ttl.status',
    'sites.0.referers.allow',
  ]);
  const lines = effectiveYaml({ config, given, cwd }).split('\n');
  assert.ok(lines.some((line) => /^ {4}size: 0B +# set \(default: 64MB\)$/.test(line)));
  assert.ok(lines.some((line) => /^ {6}path: \/w\/d +# set/.test(line)));
});

test('secrets are masked', () => {
  const { config, given } = load(CHANGED);
  assert.ok(!effectiveYaml({ config, given, cwd }).includes('hushhush'));
  assert.ok(!JSON.stringify(effectiveJson({ config, given, cwd })).includes('hushhush'));
});

test('what is printed is a config that means the same', () => {
  const open = CHANGED.replaceAll(/(Bearer )?hushhush/g, '"********"');
  for (const text of ['', open]) {
    const { config, given } = load(text);
    assert.deepEqual(load(effectiveYaml({ config, given, cwd })).config, config);
    assert.deepEqual(load(JSON.stringify(effectiveJson({ config, given, cwd }).config)).config, config);
  }
});

test('every knob says what it is', () => {
  const silent = (shape: Shape, path: string): readonly string[] => {
    if (shape.kind === 'section')
      return Object.entries(shape.fields).flatMap(([key, field]) =>
        field.kind !== 'section' && field.doc === '' ? [`${path}.${key}`] : silent(field, `${path}.${key}`),
      );
    if (shape.kind === 'forms') return Object.values(shape.forms).flatMap((form) => silent(form, path));
    if ((shape.kind === 'list' || shape.kind === 'record') && shape.item.kind !== 'leaf') return silent(shape.item, path);
    return [];
  };
  assert.deepEqual(silent(root.shape, ''), []);
});

test('the schema for editors knows the same keys', () => {
  const schema = JSON.parse(jsonSchema()) as { properties: Record<string, unknown>; additionalProperties: boolean };
  assert.deepEqual(Object.keys(schema.properties), Object.keys(root.shape.fields));
  assert.equal(schema.additionalProperties, false);
});

test('the generated documents are those of the tables (npm run docs)', () => {
  assert.deepEqual(outdated(`${import.meta.dirname}/../..`), []);
});
