// Status lines with the phrases of RFC 9110 §15, made once.

import { STATUS_CODES } from 'node:http';

const LINES: string[] = [];
for (let status = 100; status <= 999; status += 1) LINES[status] = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;

/** `HTTP/1.1 200 OK` with its line end. */
export function statusLine(status: number): string {
  return LINES[status] ?? LINES[500]!;
}

/** Whether an answer of this status to GET has no body at all (RFC 9112 §6.3). */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304 || (status >= 100 && status < 200);
}
