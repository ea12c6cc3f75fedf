// Reads answers of a kept-alive connection as strictly as a comparison needs: HTTP/1.1, 200, one Content-Length, that length exactly.
// Promises: right at every split of the bytes; never more than MAX_HEAD of a head kept; a body is compared byte by byte where asked,
// without being gathered. Refuses, for good: any other status, chunks, a connection that is to close, bytes that nobody asked for.

const MAX_HEAD = 16 * 1024;
/** Heads are short: this much of a part is looked at first. */
const FIRST_LOOK = 1024;
const FRAMING = /\r\n(content-length|transfer-encoding|connection):[ \t]*([^\r\n]*)/gi;

export class AnswerReader {
  /** Why nothing more is read from this connection. */
  fault: string | undefined;
  #body: Buffer | undefined;
  #compare = false;
  #head = '';
  #left = 0;

  /** The next answer must have this body; `compare`: all its bytes, else only its length. */
  expect(body: Buffer, compare: boolean): void {
    this.#body = body;
    this.#compare = compare;
    this.#left = -1;
  }

  /** Takes bytes as they come; true when they end the answer. */
  take(part: Buffer, length: number): boolean {
    if (this.fault !== undefined) return false;
    const body = this.#body;
    if (body === undefined) return this.#refuse('bytes that nobody asked for');
    const at = this.#left < 0 ? this.#takeHead(part, length, body) : 0;
    if (at < 0) return false;
    const bytes = length - at;
    if (bytes > this.#left) return this.#refuse('bytes behind the body');
    if (this.#compare && bytes > 0) {
      const from = body.length - this.#left;
      if (part.compare(body, from, from + bytes, at, length) !== 0) return this.#refuse('a wrong body');
    }
    this.#left -= bytes;
    if (this.#left > 0) return false;
    this.#body = undefined;
    return true;
  }

  /** Where the body begins in `part`; -1 when the head goes on or is refused. */
  #takeHead(part: Buffer, length: number, body: Buffer): number {
    const known = this.#head.length;
    let head = this.#head + part.toString('latin1', 0, Math.min(length, FIRST_LOOK));
    let end = head.indexOf('\r\n\r\n');
    if (end < 0 && length > FIRST_LOOK) {
      head = this.#head + part.toString('latin1', 0, Math.min(length, MAX_HEAD));
      end = head.indexOf('\r\n\r\n');
    }
    if (end < 0) {
      if (head.length >= MAX_HEAD) this.#refuse('a head without end');
      this.#head = head;
      return -1;
    }
    this.#head = '';
    const wrong = headFault(head.slice(0, end), body.length);
    if (wrong !== undefined) {
      this.#refuse(wrong);
      return -1;
    }
    this.#left = body.length;
    return end + 4 - known;
  }

  #refuse(fault: string): false {
    this.fault = fault;
    return false;
  }
}

/** What is wrong with a head (without its last line end), or undefined. */
export function headFault(head: string, bodyLength: number): string | undefined {
  if (!head.startsWith('HTTP/1.1 200 ')) return `the answer ${JSON.stringify(head.split('\r\n', 1)[0]!.slice(0, 60))}`;
  let length = '';
  FRAMING.lastIndex = 0;
  for (let match = FRAMING.exec(head); match !== null; match = FRAMING.exec(head)) {
    const name = match[1]!.toLowerCase();
    const value = match[2]!.trim();
    if (name === 'transfer-encoding') return 'an answer in chunks';
    if (name === 'connection' && /close/i.test(value)) return 'a connection that is to close';
    if (name === 'content-length') {
      if (length !== '') return 'two lengths';
      length = value;
    }
  }
  if (length !== `${bodyLength}`) return `the length ${JSON.stringify(length)}, not ${bodyLength}`;
  return undefined;
}
