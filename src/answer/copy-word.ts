// The word by which a node lets a front keep a copy of an answer: `X-Deckle-Copy: LIFETIME POSITION`, in answers to peers only.
// LIFETIME is how many milliseconds the answer stays fresh, POSITION (48 hex digits) where the node stood in the purge log when it
// took the answer from its store. Promises: a word that is not exactly so is none.

import type { Ms } from '../base/units.ts';

export interface CopyWord {
  readonly lifetimeMs: Ms;
  /** As text (base/position.ts). */
  readonly position: string;
}

/** The field line. */
export function copyLine(lifetimeMs: Ms, position: string): string {
  return `X-Deckle-Copy: ${Math.max(0, Math.floor(lifetimeMs))} ${position}\r\n`;
}

export function parseCopyWord(value: string): CopyWord | undefined {
  const match = /^(\d{1,15}) ([0-9a-f]{48})$/.exec(value);
  return match === null ? undefined : { lifetimeMs: Number(match[1]), position: match[2]! };
}
