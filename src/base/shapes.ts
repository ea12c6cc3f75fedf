// What a knob looks like from outside: what docs/configuration.md, the JSON Schema and `deckle check --effective` are made of.
// Promises: types only; a reader of shapes needs neither the builders (knobs.ts, leaves.ts) nor the library behind them.

export type Path = readonly (string | number)[];

export type Scalar = string | number | boolean;
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
