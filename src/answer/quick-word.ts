// The word by which a front of ours passes an answer on without reading its head: the first field line of an answer from the store,
// `X-Deckle-Answer: TOKEN SKIP HEAD LENGTH RESULT`. SKIP (4 digits) says where the lines for the client begin, behind everything that is
// only for the front; HEAD (5 digits) how long the whole head is, LENGTH (9 digits) the body; RESULT counts it. TOKEN is known to
// fronts and nodes of one deckle alone, so that an origin behind another kind of node cannot say it.
// Promises: the head is a whole and valid one also for who does not know the word.

import type { Bytes } from '../base/units.ts';
import type { Result } from '../metrics/catalogue.ts';

/** What a front of ours is told beside what its client gets. */
export interface PeerLines {
  /** X-Deckle-… lines with line ends. */
  readonly lines: string;
  readonly result: Result;
  /** Empty: no quick word. */
  readonly token: string;
}

const STATUS_BYTES = 'HTTP/1.1 200 OK\r\n'.length;
/** The word's line but for token and result. */
const WORD_BYTES = 'X-Deckle-Answer:  0000 00000 000000000 \r\n'.length;
const MOST_SKIP = 9_999;
const MOST_HEAD = 99_999;
const MOST_LENGTH = 999_999_999;

/**
 * The line that goes before `peer.lines`, or '' where it cannot be said.
 * @param behind bytes of the head behind the peer's lines, blank line included
 */
export function quickLine(peer: PeerLines, status: number, behind: Bytes, length: Bytes): string {
  const { token, result, lines } = peer;
  if (token === '' || status !== 200) return '';
  const skip = STATUS_BYTES + WORD_BYTES + token.length + result.length + lines.length;
  const head = skip + behind;
  if (skip > MOST_SKIP || head > MOST_HEAD || length > MOST_LENGTH) return '';
  return `X-Deckle-Answer: ${token} ${padded(skip, 4)} ${padded(head, 5)} ${padded(length, 9)} ${result}\r\n`;
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}
