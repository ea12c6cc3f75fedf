// Knobs: the small builders that every room's options.ts is written with, and the only file that imports zod.
// A knob carries its reader, its default, its unit and its sentence of documentation, so that validation, docs/configuration.md,
// the JSON Schema and `deckle check --effective` all come from one table.
// Promises: `read` never throws, whatever it is given; it names every fault at once, and hands back a whole value all the same
// (defaults where something was wrong), so that checks across keys can run in the same round.
// Refuses: unknown keys, numbers without a unit where a unit decides, values outside their bounds.

import { z } from 'zod';
import { nearest } from './nearest.ts';
import { parseDuration, parseSize } from './quantities.ts';
import { type Bytes, durationText, type Ms, sizeText } from './units.ts';

// Also for texts of a duration that come by another way than the file (`wait=1s` of a purge).
export { parseDuration };

export type Path = readonly (string | number)[];

export interface Issue {
  readonly path: Path;
  /** The key itself is wrong, not its value. */
  readonly onKey: boolean;
  readonly message: string;
}

export type Scalar = string | number | boolean;
/** What a leaf makes of a scalar: a value, a sentence that says what is wrong, or undefined: "expected …, found …". */
export type Parsed<T> = { readonly value: T } | string | undefined;
/** A value as the file would say it. */
export type Plain = Scalar | readonly Plain[] | { readonly [key: string]: Plain };
export type JsonSchema = Readonly<Record<string, unknown>>;

export type Nature = 'secret' | 'file';

export interface LeafShape {
  readonly kind: 'leaf';
  /** One word or two for the table: size, duration, a choice's members. */
  readonly type: string;
  readonly doc: string;
  /** As the file would say it; undefined: none, the key is required or `derived`. */
  readonly default: Scalar | undefined;
  /** The default, read; undefined where there is none. */
  readonly fallback: unknown;
  /** In words, what stands in when the key is left out and the default depends on others. */
  readonly derived: string | undefined;
  /** A secret is masked wherever it is shown; a file is a path relative to the working directory. */
  readonly nature: Nature | undefined;
  readonly json: JsonSchema;
  /** The value as the file would say it. */
  write(value: unknown): Scalar;
}
export interface SectionShape {
  readonly kind: 'section';
  readonly doc: string;
  readonly fields: Readonly<Record<string, Shape>>;
}
export interface ListShape {
  readonly kind: 'list';
  readonly doc: string;
  readonly item: Shape;
  readonly default: readonly Plain[];
  /** The default, read. */
  readonly fallback: unknown;
  /** A lone item may stand without the brackets. */
  readonly lone: boolean;
  readonly least: number;
}
export interface RecordShape {
  readonly kind: 'record';
  readonly doc: string;
  /** What the keys are, in capitals: NAME, STATUS. */
  readonly key: string;
  readonly keyPattern: string;
  readonly item: Shape;
  readonly default: Readonly<Record<string, Plain>>;
  /** The default, read. */
  readonly fallback: unknown;
}
/** A section of which one key says which form it has. */
export interface FormsShape {
  readonly kind: 'forms';
  readonly doc: string;
  readonly forms: Readonly<Record<string, SectionShape>>;
}
/** One word, or a list. */
export interface EitherShape {
  readonly kind: 'either';
  readonly doc: string;
  readonly one: LeafShape;
  readonly many: ListShape;
}
export type Shape = LeafShape | SectionShape | ListShape | RecordShape | FormsShape | EitherShape;

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

// ---- leaves ------------------------------------------------------------------------------------------------------------------

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

/** The general leaf; the builders below and the rooms' own kinds (addresses, urls) are made of it. */
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

export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** Bytes. `64MB`, `1.5GiB`, or a whole number of bytes; K, M, G, T are powers of 1024. */
export function size(
  fallback: string | Required<Bytes>,
  doc: string,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: Bounds = {},
): Knob<Bytes, LeafShape> {
  return leaf<Bytes>({
    type: 'size',
    expects: 'a size such as 64MB',
    default: fallback,
    doc,
    json: {
      anyOf: [
        { type: 'string', pattern: '^[0-9.]+ ?[kKmMgGtT]?i?[bB]?$' },
        { type: 'integer', minimum: 0 },
      ],
    },
    parse: (given) => within(parseSize(given), min, max, sizeText),
    write: sizeText,
  });
}

/** Milliseconds. `500ms`, `10s`, `1h30m`, `30d`. `max` is needed where the value becomes a timer (those overflow at 24 days). */
export function duration(
  fallback: string | Required<Ms>,
  doc: string,
  { min = '0s', max = '3650d' }: { readonly min?: string; readonly max?: string } = {},
): Knob<Ms, LeafShape> {
  const minMs = parseDuration(min) ?? 0;
  const maxMs = parseDuration(max) ?? 0;
  return leaf<Ms>({
    type: 'duration',
    expects: 'a duration such as 10s',
    default: fallback,
    doc,
    json: { anyOf: [{ type: 'string', pattern: '^([0-9.]+(ms|s|m|h|d|w))+$' }, { const: 0 }] },
    parse: (given) => {
      if (typeof given === 'number' && given !== 0)
        return `expected a duration with its unit, found ${given} (${given}s or ${given}ms)`;
      return within(parseDuration(given), minMs, maxMs, durationText);
    },
    write: durationText,
  });
}

export function flag(fallback: boolean, doc: string): Knob<boolean, LeafShape> {
  return leaf({
    type: 'true or false',
    expects: 'true or false',
    default: fallback,
    doc,
    json: { type: 'boolean' },
    parse: (given) =>
      given === true || given === 'true' ? { value: true } : given === false || given === 'false' ? { value: false } : undefined,
  });
}

/** A whole number between `min` and `max`, both included. */
export function whole(min: number, max: number, fallback: number | Required<number>, doc: string): Knob<number, LeafShape> {
  return leaf({
    type: `${min} to ${max}`,
    expects: `a whole number from ${min} to ${max}`,
    default: fallback,
    doc,
    json: { type: 'integer', minimum: min, maximum: max },
    parse: (given) => {
      const value = numberOf(given);
      return value !== undefined && Number.isInteger(value) && value >= min && value <= max ? { value } : undefined;
    },
  });
}

/** A number with a fraction, between `min` and `max`, both included. */
export function decimal(min: number, max: number, fallback: number, doc: string): Knob<number, LeafShape> {
  return leaf({
    type: `${min} to ${max}`,
    expects: `a number from ${min} to ${max}`,
    default: fallback,
    doc,
    json: { type: 'number', minimum: min, maximum: max },
    parse: (given) => {
      const value = numberOf(given);
      return value !== undefined && value >= min && value <= max ? { value } : undefined;
    },
  });
}

export interface TextRules {
  readonly type?: string;
  readonly expects?: string;
  /** Of the whole text. Without it: no control characters. */
  readonly pattern?: RegExp;
  readonly most?: number;
  readonly nature?: Nature;
  /** What is stored for what was written. */
  readonly as?: (text: string) => string;
  /** What is wrong with a text that fits the pattern. */
  readonly refuse?: (text: string) => string | undefined;
}

export function text(fallback: string | Required<string>, doc: string, rules: TextRules = {}): Knob<string, LeafShape> {
  const { type = 'text', expects = 'text', pattern = PRINTABLE, most = 4096, nature, as = (same: string) => same } = rules;
  return leaf({
    type,
    expects,
    default: fallback,
    doc,
    ...(nature === undefined ? {} : { nature }),
    json: rules.pattern === undefined ? { type: 'string' } : { type: 'string', pattern: pattern.source },
    parse: (given) => {
      if (typeof given !== 'string') return `expected ${expects}, found ${found(given, nature === 'secret')} (put it in quotes)`;
      if (given.length > most) return `is longer than ${most} characters`;
      if (!pattern.test(given)) return undefined;
      return rules.refuse?.(given) ?? { value: as(given) };
    },
  });
}

/** A path of the file system, relative to the working directory. */
export function file(fallback: string | Required<string>, doc: string): Knob<string, LeafShape> {
  const empty = fallback === '';
  return text(fallback, doc, { type: 'path', expects: 'a path', pattern: empty ? PRINTABLE : SOME_PRINTABLE, nature: 'file' });
}

/** A word that must not be shown: masked by `check --effective`, never part of a message. */
export function secret(fallback: string | Required<string>, doc: string): Knob<string, LeafShape> {
  return text(fallback, doc, { type: 'secret', nature: 'secret' });
}

export function choice<const W extends string>(words: readonly W[], fallback: NoInfer<W>, doc: string): Knob<W, LeafShape> {
  const type = words.join(', ');
  return leaf<W>({
    type,
    expects: `one of ${type}`,
    default: fallback,
    doc,
    json: { enum: words },
    parse: (given) => {
      const word = words.find((one) => one === given);
      if (word !== undefined) return { value: word };
      const near = typeof given === 'string' ? nearest(given, words) : undefined;
      return near === undefined ? undefined : `expected one of ${type}, found ${found(given)} (did you mean "${near}"?)`;
    },
  });
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

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
const PRINTABLE = /^[^\u0000-\u001f\u007f]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
const SOME_PRINTABLE = /^[^\u0000-\u001f\u007f]+$/;

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

/** `${VAR}` gives text, so digits in a text count as a number. */
function numberOf(given: Scalar): number | undefined {
  if (typeof given === 'number') return Number.isFinite(given) ? given : undefined;
  return typeof given === 'string' && /^-?\d{1,15}(\.\d{1,15})?$/.test(given) ? Number(given) : undefined;
}

function within(value: number | undefined, min: number, max: number, say: (value: number) => string): Parsed<number> {
  if (value === undefined) return undefined;
  if (value < min) return `must be at least ${say(min)}, found ${say(value)}`;
  return value > max ? `must be at most ${say(max)}, found ${say(value)}` : { value };
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
