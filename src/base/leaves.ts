// The leaves that most knobs are: sizes, durations, numbers, words, texts, paths and secrets. Each is `leaf` of knobs.ts with a parser.
// Promises: a value is taken only inside its bounds; what is refused is told in the words of the file, and never a secret.
// Refuses: numbers without a unit where a unit decides, control characters in texts without a pattern of their own.

import { found, type Knob, leaf, type Parsed, type Required } from './knobs.ts';
import { nearest } from './nearest.ts';
import { parseDuration, parseSize } from './quantities.ts';
import type { LeafShape, Nature, Scalar } from './shapes.ts';
import { type Bytes, durationText, type Ms, sizeText } from './units.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
const PRINTABLE = /^[^\u0000-\u001f\u007f]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
const SOME_PRINTABLE = /^[^\u0000-\u001f\u007f]+$/;

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
