// Knobs: what a knob is, how it is read, and the builders of those that hold others; the only file that imports zod.
// A knob carries its reader, its default, its unit and its sentence of documentation, so that validation, docs/configuration.md,
// the JSON Schema and `deckle check --effective` all come from one table. The usual leaves are in leaves.ts.
// Promises: `read` never throws, whatever it is given; it names every fault at once, and hands back a whole value all the same
// (defaults where something was wrong), so that checks across keys can run in the same round.
// Refuses: unknown keys.

import { z } from 'zod';
import { nearest } from './nearest.ts';
import type {
  EitherShape,
  FormsShape,
  JsonSchema,
  LeafShape,
  ListShape,
  Nature,
  Path,
  Plain,
  RecordShape,
  Scalar,
  SectionShape,
  Shape,
} from './shapes.ts';

export interface Issue {
  readonly path: Path;
  /** The key itself is wrong, not its value. */
  readonly onKey: boolean;
  readonly message: string;
}

/** What a leaf makes of a scalar: a value, a sentence that says what is wrong, or undefined: "expected …, found …". */
export type Parsed<T> = { readonly value: T } | string | undefined;
export interface Knob<out T, out S extends Shape = Shape> {
  readonly shape: S;
  /** Reports every fault. */
  readonly strict: z.ZodType;
  /** Reports none: defaults stand in for what is wrong. */
  readonly lenient: z.ZodType;
  /** Carries the type only; never there. */
  readonly of?: T;
}
export type Value<K> = K extends Knob<infer T> ? T : never;
export type Fields = Readonly<Record<string, Knob<unknown>>>;
type Values<F extends Fields> = { readonly [K in keyof F]: Value<F[K]> };

/** Marks an issue of zod as one about the key. */
const ON_KEY = { onKey: true };

/** Longest list or record that a file may hold where nothing narrower is said. */
const MOST_ITEMS = 1000;

/** Reads `given` (plain data); `value` is whole even where `issues` are named. */
export function read<T>(knob: Knob<T>, given: unknown): { readonly value: T; readonly issues: readonly Issue[] } {
  const strict = knob.strict.safeParse(given);
  if (strict.success) return { value: strict.data as T, issues: [] };
  const issues = strict.error.issues.map(({ path, message, ...rest }) => ({
    path: path.map((step) => (typeof step === 'symbol' ? '' : step)),
    message,
    onKey: 'params' in rest && rest.params?.['onKey'] === true,
  }));
  return { value: knob.lenient.parse(given) as T, issues };
}

// ---- a leaf ------------------------------------------------------------------------------------------------------------------

/** No default: the file must say it. `blank` stands in while faults are gathered. */
export interface Required<T> {
  readonly required: true;
  readonly blank: T;
}
export const required = <T>(blank: T): Required<T> => ({ required: true, blank });

export interface LeafSpec<T> {
  readonly type: string;
  /** Follows "expected": `a size such as 64MB`. */
  readonly expects: string;
  readonly default: Scalar | Required<T>;
  readonly doc: string;
  readonly json: JsonSchema;
  readonly nature?: Nature;
  parse(given: Scalar): Parsed<T>;
  write?(value: T): Scalar;
}

/** The general leaf; those of leaves.ts and the rooms' own kinds (addresses, urls) are made of it. */
export function leaf<T>(spec: LeafSpec<T>): Knob<T, LeafShape> {
  const { write } = spec;
  const must = typeof spec.default === 'object';
  const standIn = typeof spec.default === 'object' ? spec.default.blank : certain(spec.parse(spec.default), spec.doc);
  const strict = z.unknown().transform((given, ctx): unknown => {
    if (given === undefined && !must) return standIn;
    const parsed = isScalar(given) ? spec.parse(given) : undefined;
    if (typeof parsed === 'object') return parsed.value;
    const message =
      given === undefined
        ? `is missing: ${spec.expects}`
        : (parsed ?? `expected ${spec.expects}, found ${found(given, spec.nature === 'secret')}`);
    ctx.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
  const shape: LeafShape = {
    kind: 'leaf',
    type: spec.type,
    doc: spec.doc,
    default: typeof spec.default === 'object' ? undefined : spec.default,
    fallback: must ? undefined : standIn,
    derived: undefined,
    nature: spec.nature,
    json: spec.json,
    write: (value) => (write === undefined ? (value as Scalar) : write(value as T)),
  };
  return { shape, strict, lenient: strict.catch(standIn) };
}

/** `knob`, but its default depends on other keys: undefined when left out, `words` say what stands in. */
export function derived<T>(knob: Knob<T, LeafShape>, words: string): Knob<T | undefined, LeafShape> {
  const strict = z
    .unknown()
    .transform((given, ctx): unknown => (given === undefined ? undefined : relay(knob.strict, given, ctx)));
  return {
    shape: { ...knob.shape, default: undefined, fallback: undefined, derived: words },
    strict,
    lenient: strict.catch(undefined),
  };
}

// ---- what holds other knobs --------------------------------------------------------------------------------------------------

export function section<F extends Fields>(fields: F, doc = ''): Knob<Values<F>, SectionShape> {
  const known = Object.keys(fields);
  const all = Object.entries(fields);
  // A key that is left out is read as undefined: it has its default.
  const pick = (map: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(known.map((key) => [key, Object.hasOwn(map, key) ? map[key] : undefined]));
  const error = (issue: { readonly input?: unknown }) => `expected keys and values, found ${found(issue.input)}`;
  const strict = z.object(Object.fromEntries(all.map(([key, knob]) => [key, knob.strict])), { error });
  const lenient = z.object(Object.fromEntries(all.map(([key, knob]) => [key, knob.lenient])));
  const shapes = Object.fromEntries(all.map(([key, knob]) => [key, knob.shape]));
  const exact = z.unknown().transform((given, ctx): unknown => {
    // `front:` with nothing under it is an empty section: people comment keys out.
    const map = given ?? {};
    if (isMap(map)) for (const key of Object.keys(map)) if (!Object.hasOwn(fields, key)) ctx.addIssue(unknownKey(key, known));
    return relay(strict, isMap(map) ? pick(map) : map, ctx);
  });
  return {
    shape: { kind: 'section', doc, fields: shapes },
    strict: exact,
    lenient: z.preprocess((given) => pick(isMap(given) ? given : {}), lenient),
  };
}

export interface ListRules {
  readonly least?: number;
  readonly most?: number;
  /** A lone item may stand without the brackets. */
  readonly lone?: boolean;
}

export function list<T>(
  item: Knob<T>,
  fallback: readonly Plain[],
  doc: string,
  rules: ListRules = {},
): Knob<readonly T[], ListShape> {
  const { least = 0, most = MOST_ITEMS, lone = false } = rules;
  const wrap = (given: unknown): unknown => (given === undefined ? fallback : lone && !Array.isArray(given) ? [given] : given);
  const error = (issue: { readonly input?: unknown }) =>
    `expected a list, found ${found(issue.input)}${isScalar(issue.input) ? ' (put it in [brackets])' : ''}`;
  const strict = z
    .array(item.strict, { error })
    .min(least, { error: `needs at least ${least === 1 ? 'one entry' : `${least} entries`}` })
    .max(most, { error: `has more than ${most} entries` });
  const lenient = z.preprocess((given) => {
    const wrapped = wrap(given);
    return Array.isArray(wrapped) ? wrapped.slice(0, most) : fallback;
  }, z.array(item.lenient));
  return {
    shape: { kind: 'list', doc, item: item.shape, default: fallback, fallback: lenient.parse(undefined), lone, least },
    strict: z.preprocess(wrap, strict),
    lenient,
  };
}

export interface RecordRules {
  /** What the keys are, in capitals. */
  readonly key: string;
  readonly keyPattern: RegExp;
  /** Follows "a key here is". */
  readonly keyWords: string;
}

export function record<T>(
  item: Knob<T>,
  fallback: Readonly<Record<string, Plain>>,
  doc: string,
  rules: RecordRules,
): Knob<Readonly<Record<string, T>>, RecordShape> {
  const { key, keyPattern, keyWords } = rules;
  const good = (name: string): boolean => keyPattern.test(name) && name !== '__proto__';
  const gather = (given: unknown, use: 'strict' | 'lenient', ctx?: z.RefinementCtx): unknown => {
    const map = given === undefined ? fallback : (given ?? {});
    if (!isMap(map)) {
      ctx?.addIssue({ code: 'custom', message: `expected keys and values, found ${found(map)}` });
      return {};
    }
    const names = Object.keys(map);
    if (names.length > MOST_ITEMS) ctx?.addIssue({ code: 'custom', message: `has more than ${MOST_ITEMS} entries` });
    const values: Record<string, unknown> = {};
    for (const name of names.slice(0, MOST_ITEMS)) {
      if (!good(name))
        ctx?.addIssue({
          code: 'custom',
          path: [name],
          message: `a key here is ${keyWords}, found ${found(name)}`,
          params: ON_KEY,
        });
      else values[name] = ctx === undefined ? item[use].parse(map[name]) : relay(item[use], map[name], ctx, [name]);
    }
    return values;
  };
  const lenient = z.unknown().transform((given) => gather(given, 'lenient'));
  return {
    shape: {
      kind: 'record',
      doc,
      key,
      keyPattern: keyPattern.source,
      item: item.shape,
      default: fallback,
      fallback: lenient.parse(undefined),
    },
    strict: z.unknown().transform((given, ctx) => gather(given, 'strict', ctx)),
    lenient,
  };
}

/** One word or a list: `query: ignore`, `query: [w, h]`. */
export function either<A, B>(one: Knob<A, LeafShape>, many: Knob<B, ListShape>, doc: string): Knob<A | B, EitherShape> {
  const pick = (given: unknown) => (Array.isArray(given) ? many : one);
  return {
    shape: { kind: 'either', doc, one: one.shape, many: many.shape },
    strict: z.unknown().transform((given, ctx): unknown => relay(pick(given).strict, given, ctx)),
    lenient: z.unknown().transform((given): unknown => pick(given).lenient.parse(given)),
  };
}

type Sections = Readonly<Record<string, Knob<object, SectionShape>>>;
/** The value of a form, with `kind`: the key that chose it. */
export type Form<F extends Sections> = { readonly [K in keyof F]: { readonly kind: K } & Value<F[K]> }[keyof F];

/** A section whose form is told by the one of `forms`' keys that it holds: `{directory: …}` or `{urls: …}`. */
export function forms<F extends Sections>(given: F, doc: string): Knob<Form<F>, FormsShape> {
  const all = Object.entries(given);
  const kinds = Object.keys(given);
  const kindsOf = (value: unknown): readonly string[] => (isMap(value) ? kinds.filter((kind) => Object.hasOwn(value, kind)) : []);
  const strict = z.unknown().transform((value, ctx): unknown => {
    const [kind, second] = kindsOf(value);
    const form = kind === undefined || second !== undefined ? undefined : given[kind];
    if (form !== undefined) return { kind, ...(relay(form.strict, value, ctx) as object) };
    const told = !isMap(value) ? found(value) : second === undefined ? 'none of them' : `both ${kind} and ${second}`;
    ctx.addIssue({ code: 'custom', message: `needs exactly one of ${kinds.join(', ')}; found ${told}` });
    // The other keys are still looked at: a misspelt `urls` is named.
    const known = all.flatMap(([, knob]) => Object.keys(knob.shape.fields));
    if (isMap(value)) for (const key of Object.keys(value)) if (!known.includes(key)) ctx.addIssue(unknownKey(key, known));
    return z.NEVER;
  });
  const lenient = z.unknown().transform((value): unknown => {
    const kind = kindsOf(value)[0] ?? kinds[0] ?? '';
    return { kind, ...(given[kind]?.lenient.parse(value) as object) };
  });
  return {
    shape: { kind: 'forms', doc, forms: Object.fromEntries(all.map(([key, knob]) => [key, knob.shape])) },
    strict,
    lenient,
  };
}

/** A section for which a lone scalar may stand: the value of its key `key`. */
export function shorthand<T>(knob: Knob<T, SectionShape>, key: string): Knob<T, SectionShape> {
  const widen = (given: unknown): unknown => (isScalar(given) ? { [key]: given } : given);
  return { shape: knob.shape, strict: z.preprocess(widen, knob.strict), lenient: z.preprocess(widen, knob.lenient) };
}

// ---- texts -------------------------------------------------------------------------------------------------------------------

/** A value for a message: short, on one line, and never a secret. */
export function found(given: unknown, hide = false): string {
  if (given === undefined || given === null || given === '') return 'nothing';
  if (Array.isArray(given)) return 'a list';
  if (isMap(given)) return 'keys and values';
  if (hide) return `a ${typeof given}`;
  if (typeof given !== 'string') return String(given);
  return JSON.stringify(given.length > 60 ? `${given.slice(0, 57)}...` : given);
}

export function isMap(given: unknown): given is Readonly<Record<string, unknown>> {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}

function isScalar(given: unknown): given is Scalar {
  return typeof given === 'string' || typeof given === 'number' || typeof given === 'boolean';
}

function certain<T>(parsed: Parsed<T>, doc: string): T {
  if (typeof parsed === 'object') return parsed.value;
  throw new Error(`a knob refuses its own default: ${doc}`);
}

function unknownKey(key: string, known: readonly string[]) {
  const near = nearest(key, known);
  const hint = near === undefined ? ` (known here: ${known.join(', ')})` : ` (did you mean "${near}"?)`;
  return { code: 'custom' as const, path: [key], message: `unknown key${hint}`, params: ON_KEY };
}

/** Runs `schema` inside a transform: its issues become the transform's, below `under`. */
function relay(schema: z.ZodType, given: unknown, ctx: z.RefinementCtx, under: readonly string[] = []): unknown {
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const params = issue.code === 'custom' && issue.params !== undefined ? { params: issue.params } : {};
    ctx.addIssue({ code: 'custom', path: [...under, ...issue.path], message: issue.message, ...params });
  }
  return z.NEVER;
}
