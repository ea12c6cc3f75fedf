// The certificates of the fronts of this machine, kept by whoever runs them: read once for all, and again when their files change.
// Promises: a pair is taken when its files have stood still from one look to the next and fit each other; until then, and for
// a process that is replaced meanwhile, the one before stays in use; what is wrong with a new pair is said once for each state of
// its files. Looks at the files every few seconds, since a renewal may replace a file, its folder, or a link to it.

import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { Log } from '../base/log.ts';
import type { Ms } from '../base/units.ts';
import { type PairFiles, readPair } from '../config/certificates.ts';
import type { ListenOptions } from '../front/options.ts';
import type { Certificate } from '../wire/certificate.ts';
import { TICKET_KEY_BYTES } from '../wire/tls.ts';

/** For each entry of front.listen its certificates; none: in the clear. Plain data. */
export type Certificates = readonly (readonly Certificate[])[];

/** What a front needs for TLS. Plain data: it travels from the supervisor to its fronts. */
export interface TlsMaterial {
  readonly certificates: Certificates;
  /** In base64: a session begun at one front goes on at any other. */
  readonly ticketKeys: string;
}

export interface CertificateEvents {
  renewed(certificates: Certificates, files: readonly string[]): void;
  /** New files were not taken. A sentence that begins with the name of the file. */
  refused(why: string): void;
}

/** Both are told to the log; renewed ones are also handed to `use`. */
export function certificateEvents(log: Log, use: (certificates: Certificates) => void): CertificateEvents {
  return {
    renewed: (certificates, files) => {
      log.info({ files }, 'renewed certificates are in use');
      use(certificates);
    },
    refused: (why) => log.error({ why }, 'a renewed certificate cannot be used; the one before stays'),
  };
}

const LOOK_MS: Ms = 2_000;

/** Two files, however many listeners show them. */
interface Pair {
  readonly cert: string;
  readonly key: string;
  texts: Pick<Certificate, 'cert' | 'key'>;
  /** The state of the files that was judged last. */
  judged: string;
  /** The state of the files at the last look. */
  seen: string;
}

export class CertificateKeeper {
  readonly #listen: readonly ListenOptions[];
  /** By both names. */
  readonly #pairs: ReadonlyMap<string, Pair>;
  readonly #events: CertificateEvents;
  readonly #ticketKeys = randomBytes(TICKET_KEY_BYTES).toString('base64');
  #timer: NodeJS.Timeout | undefined;
  #looking = false;

  private constructor(listen: readonly ListenOptions[], pairs: ReadonlyMap<string, Pair>, events: CertificateEvents) {
    this.#listen = listen;
    this.#pairs = pairs;
    this.#events = events;
  }

  /** Reads every pair; a string says what is wrong with the first bad one. */
  static async open(listen: readonly ListenOptions[], events: CertificateEvents): Promise<CertificateKeeper | string> {
    const pairs = new Map<string, Pair>();
    for (const files of listen.flatMap(({ tls }) => tls)) {
      if (pairs.has(nameOf(files))) continue;
      // Before they are read: a change in between is seen at the next look.
      const state = await stateOf(files);
      const read = readPair(files);
      if (read.kind === 'bad') return read.problems[0]!.message;
      const { cert, key } = files;
      pairs.set(nameOf(files), { cert, key, texts: read.texts, judged: state, seen: state });
    }
    return new CertificateKeeper(listen, pairs, events);
  }

  get material(): TlsMaterial {
    return { certificates: this.#certificates(), ticketKeys: this.#ticketKeys };
  }

  /** Looks every few seconds, until `close`. */
  watch(): void {
    if (this.#pairs.size === 0) return;
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** One look at all files. */
  async look(): Promise<void> {
    // A file system that hangs must not gather looks.
    if (this.#looking) return;
    this.#looking = true;
    const files: string[] = [];
    for (const pair of this.#pairs.values()) if (await this.#isNew(pair)) files.push(pair.cert);
    this.#looking = false;
    if (files.length > 0) this.#events.renewed(this.#certificates(), files);
  }

  async #isNew(pair: Pair): Promise<boolean> {
    const state = await stateOf(pair);
    const isStill = state === pair.seen;
    pair.seen = state;
    // A renewal writes two files, one after the other: between them they do not fit.
    if (!isStill || state === pair.judged) return false;
    pair.judged = state;
    const read = readPair(pair);
    if (read.kind === 'bad') {
      this.#events.refused(read.problems.map(({ message }) => message).join('; '));
      return false;
    }
    const { cert, key } = pair.texts;
    pair.texts = read.texts;
    return read.texts.cert !== cert || read.texts.key !== key;
  }

  #certificates(): Certificates {
    return this.#listen.map(({ tls }) => tls.map((entry) => ({ ...this.#pairs.get(nameOf(entry))!.texts, hosts: entry.hosts })));
  }
}

const nameOf = ({ cert, key }: PairFiles): string => `${cert}\0${key}`;

/** Changes whenever one of the two files is written, replaced, removed or reached by another way. */
async function stateOf({ cert, key }: PairFiles): Promise<string> {
  const states = await Promise.all(
    [cert, key].map((path) =>
      stat(path).then(
        ({ dev, ino, size, mtimeMs, ctimeMs }) => `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`,
        (error: NodeJS.ErrnoException) => String(error.code),
      ),
    ),
  );
  return states.join('\n');
}
