// From a file to a Config, or to every fault in it with its line and column. The only file that imports yaml.
// Promises: never throws for what a file, the environment or the disk holds; all faults at once, in the order of the file; a text of
// at most 1 MB and what it refers to are read, no more. Refuses: what yaml finds wrong, tags, several documents, bytes that are not UTF-8.

import { resolve } from 'node:path';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { type Issue, read } from '../base/knobs.ts';
import type { Path } from '../base/shapes.ts';
import type { Bytes } from '../base/units.ts';
import { checkCertificates } from './certificates.ts';
import { crossCheck, doubts } from './checks.ts';
import { refusedYet } from './effect.ts';
import { expand } from './expand.ts';
import { MISSING, type ReadFile, readText } from './files.ts';
import { type Place, placeKey, plain, type TreeNode } from './places.ts';
import { type Config, complete, root } from './schema.ts';

export interface Problem {
  readonly file: string;
  /** From 1; 0 when it is about the file as a whole. */
  readonly line: number;
  readonly col: number;
  /** `front.hot.size`, `nodes[0].name`; '' for the whole. */
  readonly path: string;
  readonly message: string;
}

export interface Loaded {
  readonly ok: true;
  readonly file: string;
  readonly config: Config;
  /** Not wrong, most likely not meant. */
  readonly warnings: readonly Problem[];
  /** Paths that the file holds, in the form of `placeKey`. */
  readonly given: ReadonlySet<string>;
}
export interface Refused {
  readonly ok: false;
  readonly problems: readonly Problem[];
}
export type LoadResult = Loaded | Refused;

/** What a config is read from besides its own text. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths count from here. */
  readonly cwd: string;
  readonly readFile?: ReadFile;
  /** `leave`: the certificates of front.listen are not looked at; who runs no front may not even be able to read them. */
  readonly certificates?: 'read' | 'leave';
  /** Wall time, for certificates that are over. */
  readonly nowMs?: number;
}

const MOST_CONFIG: Bytes = 1024 * 1024;
const MOST_SECRET: Bytes = 64 * 1024;
/** More are counted, not listed: this is most likely another kind of file. */
const MOST_PROBLEMS = 100;
const PLACES_TO_LOOK = ['config/deckle.yaml', '/etc/deckle/deckle.yaml'] as const;

/** Looks at `file` (-c), else DECKLE_CONFIG, else config/deckle.yaml, else /etc/deckle/deckle.yaml. */
export function loadConfig(file: string | undefined, around: Surroundings): LoadResult {
  const told = file ?? (around.env['DECKLE_CONFIG'] || undefined);
  for (const candidate of told === undefined ? PLACES_TO_LOOK : [told]) {
    const content = readText(resolve(around.cwd, candidate), MOST_CONFIG, around.readFile);
    if (typeof content !== 'string') return parseConfig(content.text, candidate, around);
    if (told !== undefined || content !== MISSING) return whole(candidate, content);
  }
  return whole(PLACES_TO_LOOK[0], `${MISSING}, and no ${PLACES_TO_LOOK[1]} (name one with -c or DECKLE_CONFIG)`);
}

/** @param file only names the text in problems */
export function parseConfig(source: string, file: string, around: Surroundings): LoadResult {
  const text = source.startsWith('\ufeff') ? source.slice(1) : source;
  const counter = new LineCounter();
  const problemAt = (offset: number, path: string, message: string): Problem => ({
    file,
    ...counter.linePos(offset),
    path,
    message,
  });

  const tree = parseTree(text, counter);
  if (typeof tree === 'string') return whole(file, tree);
  if (tree.faults.length > 0) return refused(tree.faults.map(({ offset, message }) => problemAt(offset, '', message)));

  const readFile = (path: string) => {
    const content = readText(resolve(around.cwd, path), MOST_SECRET, around.readFile);
    return typeof content === 'string' ? content : { text: content.text };
  };
  const { data, places, faults } = plain(tree.top, (raw) => expand(raw, { env: around.env, file: readFile }));
  const problems = faults.map(({ path, offset, message }) => problemAt(offset, pathText(path), message));
  const broken = new Set(faults.map(({ path }) => placeKey(path)));

  const toProblem = (issue: Issue): Problem => {
    const { path, offset } = locate(issue, places);
    return problemAt(offset, pathText(path), issue.message);
  };
  const { value, issues } = read(root, data);
  const config = complete(value, around.cwd);
  const known = issues.filter((issue) => !broken.has(placeKey(issue.path)));
  problems.push(...known.map(toProblem));
  // A check across keys looks at defaults where a key was wrong: what it says of those is not the file's fault.
  const wrong = [...issues.map(({ path }) => path), ...faults.map(({ path }) => path)];
  const certificates =
    around.certificates === 'leave' || config.front.processes === 0
      ? { issues: [], doubts: [] }
      : checkCertificates(config.front.listen, around.nowMs ?? Date.now(), around.readFile);
  const across = [...crossCheck(config), ...certificates.issues, ...refusedYet(config)].filter(
    ({ path }) => !wrong.some((other) => touches(path, other)),
  );
  problems.push(...across.map(toProblem));
  if (problems.length > 0) return refused(problems);
  return {
    ok: true,
    file,
    config,
    warnings: inOrder([...doubts(config), ...certificates.doubts].map(toProblem)),
    given: new Set(places.keys()),
  };
}

/** `config/deckle.yaml:12:5: front.hot.sise: unknown key (did you mean "size"?)` */
export function problemText({ file, line, col, path, message }: Problem): string {
  const at = line === 0 ? file : `${file}:${line}:${col}`;
  return path === '' ? `${at}: ${message}` : `${at}: ${path}: ${message}`;
}

/** `nodes[0].name`; a step that is no plain word is quoted. */
export function pathText(path: Path): string {
  let out = '';
  for (const step of path) {
    if (typeof step === 'number') out += `[${step}]`;
    else out += `${out === '' ? '' : '.'}${/^[\w<*-]{1,64}$/.test(step) ? step : JSON.stringify(step.slice(0, 64))}`;
  }
  return out;
}

function touches(one: Path, two: Path): boolean {
  const length = Math.min(one.length, two.length);
  for (let at = 0; at < length; at++) if (one[at] !== two[at]) return false;
  return true;
}

/** Where to point: at the value; at the key when the key is wrong, or its value is a block; else at what should hold it. */
function locate({ path, onKey }: Issue, places: ReadonlyMap<string, Place>): { readonly path: Path; readonly offset: number } {
  for (let length = path.length; length >= 0; length--) {
    const place = places.get(placeKey(path.slice(0, length)));
    if (place === undefined) continue;
    const missing = length < path.length;
    // `listen: 127.0.0.1:80` is read as a list of one: no step of the path below a scalar is the file's.
    const shown = missing && place.holds === 'scalar' ? path.slice(0, length) : path;
    const pointAtKey = (onKey && !missing) || place.holds === 'map' || place.holds === 'list' || place.holds === 'none';
    return { path: shown, offset: (pointAtKey ? place.key : undefined) ?? place.value };
  }
  return { path, offset: 0 };
}

// ---- yaml --------------------------------------------------------------------------------------------------------------------

interface Tree {
  readonly top: TreeNode;
  readonly faults: readonly { readonly offset: number; readonly message: string }[];
}

function parseTree(text: string, lineCounter: LineCounter): Tree | string {
  try {
    // Doubled keys are found by plain(), in linear time and with their path.
    const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false, version: '1.2', schema: 'core' });
    const faults = [...document.errors, ...document.warnings].map((error) => ({
      offset: error.pos[0],
      message: yamlMessage(error.code, error.message),
    }));
    // It descends by recursion, and reports the end of the stack once for each level.
    if (faults.some(({ message }) => message.includes('call stack'))) return TOO_DEEP;
    return { top: treeOf(document.contents), faults };
  } catch (error) {
    if (error instanceof RangeError) return TOO_DEEP;
    throw error;
  }
}

const TOO_DEEP = 'is nested too deep';

function yamlMessage(code: string, message: string): string {
  if (code === 'TAB_AS_INDENT') return 'a tab stands where spaces indent (use spaces)';
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here (one file holds one)';
  return `is not YAML: ${message.charAt(0).toLowerCase()}${message.slice(1, 300)}`;
}

const NOTHING: TreeNode = { kind: 'none', start: 0, value: null };

/** The library's nodes as those of places.ts. */
function treeOf(node: unknown): TreeNode {
  if (isAlias(node)) return { kind: 'alias', start: startOf(node), value: node.source };
  if (isMap(node)) {
    const pairs = node.items.map(({ key, value }) => ({
      key: treeOf(key),
      value: value === null ? { ...NOTHING, start: startOf(key) } : treeOf(value),
    }));
    return { kind: 'map', start: startOf(node), anchor: node.anchor, pairs };
  }
  if (isSeq(node)) return { kind: 'list', start: startOf(node), anchor: node.anchor, items: node.items.map(treeOf) };
  if (isScalar(node))
    return {
      kind: node.value === null ? 'none' : 'scalar',
      start: startOf(node),
      anchor: node.anchor,
      value: scalarValue(node.value),
    };
  return NOTHING;
}

function startOf(node: unknown): number {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : 0;
}

/** Null, true, false, a number or a text: the core schema knows no more; a bigint is a number here. */
function scalarValue(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

// ---- problems ----------------------------------------------------------------------------------------------------------------

function whole(file: string, message: string): Refused {
  return { ok: false, problems: [{ file, line: 0, col: 0, path: '', message }] };
}

function refused(problems: readonly Problem[]): Refused {
  const all = inOrder(problems);
  const last = all[MOST_PROBLEMS - 1];
  if (last === undefined || all.length === MOST_PROBLEMS) return { ok: false, problems: all };
  const more = { ...last, path: '', message: `and ${all.length - MOST_PROBLEMS + 1} more` };
  return { ok: false, problems: [...all.slice(0, MOST_PROBLEMS - 1), more] };
}

function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted((one, two) => one.line - two.line || one.col - two.col);
}
