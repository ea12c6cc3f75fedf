// Every knob with the value that is in force: what `deckle check --effective` prints, as YAML that could be a config, or as JSON.
// Promises: file paths are absolute, secrets are masked, what differs from its default is marked.

import { resolve } from 'node:path';
import { isMap } from '../base/knobs.ts';
import type { LeafShape, ListShape, Path, Plain, RecordShape, Scalar, SectionShape, Shape } from '../base/shapes.ts';
import { placeKey } from './places.ts';
import { type Config, root } from './schema.ts';

export interface Effective {
  readonly config: Config;
  /** Paths that the file holds, in the form of `placeKey`. */
  readonly given: ReadonlySet<string>;
  /** What relative paths count from. */
  readonly cwd: string;
}

const MASK = '********';
/** Notes stand below each other up to here. */
const NOTE_COLUMN = 56;

/** One line for each knob, `# default` or `# set (default: …)` behind it. */
export function effectiveYaml({ config, ...sheet }: Effective): string {
  const lines = sectionLines(root.shape.fields, unfolded(config), [], '', sheet);
  const width = Math.min(NOTE_COLUMN, Math.max(...lines.map(({ text, note }) => (note === '' ? 0 : text.length))));
  return lines.map(({ text, note }) => (note === '' ? `${text}\n` : `${text.padEnd(width)}  # ${note}\n`)).join('');
}

export interface EffectiveJson {
  readonly config: Plain;
  /** Dotted paths of what differs from its default. */
  readonly set: readonly string[];
}

/** The same as data. */
export function effectiveJson({ config, ...sheet }: Effective): EffectiveJson {
  const lines = sectionLines(root.shape.fields, unfolded(config), [], '', sheet);
  const set = lines.filter(({ note }) => note.startsWith(SET)).map(({ path }) => path.join('.'));
  return { config: plainOf(root.shape, unfolded(config)), set };
}

type Data = Readonly<Record<string, unknown>>;
type Sheet = Omit<Effective, 'config'>;

interface Line {
  readonly path: Path;
  readonly text: string;
  /** Follows the `#`; '' for none. */
  readonly note: string;
}

/** Origins are a list in the house and a map of names in the file. */
function unfolded(config: Config): Data {
  return { ...config, origins: Object.fromEntries(config.origins.map((origin) => [origin.name, origin])) };
}

function sectionLines(
  fields: Readonly<Record<string, Shape>>,
  values: unknown,
  path: Path,
  indent: string,
  sheet: Sheet,
): Line[] {
  const map = values as Data;
  return Object.entries(fields).flatMap(([key, shape]) =>
    linesOf(shape, map[key], [...path, key], indent, `${indent}${yaml(key)}:`, sheet),
  );
}

/** The lines of one value: the first begins with `label`, those below it are indented deeper than `indent`. */
function linesOf(shape: Shape, value: unknown, path: Path, indent: string, label: string, sheet: Sheet): Line[] {
  const deeper = `${indent}  `;
  switch (shape.kind) {
    case 'leaf':
      return [{ path, text: `${label} ${yaml(shown(shape, value))}`, note: leafNote(shape, value, path, sheet) }];
    case 'either':
      if (!Array.isArray(value)) return linesOf(shape.one, value, path, indent, label, sheet);
      return [{ path, text: `${label} ${yaml(plainOf(shape.many, value))}`, note: setFrom(yaml(shape.one.default ?? '')) }];
    case 'section':
      return [{ path, text: label, note: '' }, ...sectionLines(shape.fields, value, path, deeper, sheet)];
    case 'forms':
      return [{ path, text: label, note: '' }, ...sectionLines(formOf(shape.forms, value).fields, value, path, deeper, sheet)];
    case 'list': {
      const { item } = shape;
      const items = value as readonly unknown[];
      if (item.kind !== 'section' || items.length === 0)
        return [{ path, text: `${label} ${yaml(plainOf(shape, value))}`, note: wholeNote(shape, value) }];
      return [
        { path, text: label, note: '' },
        ...items.flatMap((one, at) => dashed(sectionLines(item.fields, one, [...path, at], `${deeper}  `, sheet), deeper)),
      ];
    }
    case 'record': {
      const { item } = shape;
      if (item.kind === 'leaf') return [{ path, text: `${label} ${yaml(plainOf(shape, value))}`, note: wholeNote(shape, value) }];
      const entries = Object.entries(value as Data);
      return [
        { path, text: label, note: '' },
        ...entries.flatMap(([key, one]) => linesOf(item, one, [...path, key], deeper, `${deeper}${yaml(key)}:`, sheet)),
      ];
    }
  }
}

/** The first line of an item stands behind its dash. */
function dashed([first, ...rest]: readonly Line[], indent: string): Line[] {
  return first === undefined ? [] : [{ ...first, text: `${indent}- ${first.text.trimStart()}` }, ...rest];
}

const formOf = (forms: Readonly<Record<string, SectionShape>>, value: unknown): SectionShape =>
  Object.entries(forms).find(([key]) => isMap(value) && Object.hasOwn(value, key))?.[1] ?? {
    kind: 'section',
    doc: '',
    fields: {},
  };

const DEFAULT = 'default';
const SET = 'set';
const setFrom = (usual: string): string => `${SET} (default: ${usual})`;

function leafNote(shape: LeafShape, value: unknown, path: Path, { given, cwd }: Sheet): string {
  if (shape.default === undefined) {
    // What an entry must hold was said if the list was, in whatever short form.
    const list = shape.derived === undefined ? path.findLastIndex((step) => typeof step === 'number') : -1;
    if (!given.has(placeKey(path)) && !(list > 0 && given.has(placeKey(path.slice(0, list))))) return DEFAULT;
    return shape.derived === undefined ? SET : setFrom(shape.derived);
  }
  const usual = shape.write(shape.fallback);
  const written = shape.write(value);
  const same = written === usual || (shape.nature === 'file' && usual !== '' && written === resolve(cwd, String(usual)));
  return same ? DEFAULT : setFrom(yaml(shape.default));
}

function wholeNote(shape: ListShape | RecordShape, value: unknown): string {
  const same = JSON.stringify(value) === JSON.stringify(shape.fallback);
  return same ? DEFAULT : setFrom(yaml(shape.default));
}

/** The value as the file would say it, secrets masked. */
function shown(shape: LeafShape, value: unknown): Scalar {
  const written = shape.write(value);
  if (shape.nature !== 'secret' || typeof written !== 'string' || written === '') return written;
  // Of a url only what may hold a secret: the user and the query.
  return /^[a-z-]+:\/\//.test(written) ? written.replace(/\/\/[^/]*@/, `//${MASK}@`).replace(/\?.*$/, `?${MASK}`) : MASK;
}

function plainOf(shape: Shape, value: unknown): Plain {
  switch (shape.kind) {
    case 'leaf':
      return shown(shape, value);
    case 'either':
      return plainOf(Array.isArray(value) ? shape.many : shape.one, value);
    case 'list':
      return (value as readonly unknown[]).map((item) => plainOf(shape.item, item));
    case 'record':
      return Object.fromEntries(Object.entries(value as object).map(([name, item]) => [name, plainOf(shape.item, item)]));
    case 'section':
    case 'forms': {
      const fields = shape.kind === 'section' ? shape.fields : formOf(shape.forms, value).fields;
      const map = value as Readonly<Record<string, unknown>>;
      return Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, plainOf(field, map[key])]));
    }
  }
}

const PLAIN_WORD = /^(?:[A-Za-z/][A-Za-z0-9_./-]*(?::\d{1,5})?|\d+(?:B|KB|MB|GB|TB|ms|s|m|h|d)|\d+\.\d+\.\d+\.\d+(?::\d{1,5})?)$/;
const NO_WORD = /^(?:true|false|null|yes|no|on|off)$/i;

/** One line of YAML; a text is quoted unless it is certain to be read as itself. */
export function yaml(value: Plain): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'string')
    return PLAIN_WORD.test(value) && !NO_WORD.test(value) ? value : JSON.stringify(value.replaceAll('${', '$${'));
  if (isList(value)) return `[${value.map(yaml).join(', ')}]`;
  return `{${Object.entries(value)
    .map(([key, item]) => `${yaml(key)}: ${yaml(item)}`)
    .join(', ')}}`;
}

const isList = (value: Plain): value is readonly Plain[] => Array.isArray(value);
