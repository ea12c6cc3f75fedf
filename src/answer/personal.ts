// Whether an answer is for one client alone. A node neither keeps nor joins what is asked for such a request, and a front neither
// uses nor makes a copy for it.
// Promises: it depends on the request and on what the site sends on, nothing else, so front and node say the same.

import type { HeadScanner } from '../wire/scanner.ts';

/** Whether the client's credentials are sent on, so that the answer is for this client alone (RFC 9111 §3.5). */
export function isPersonal(head: HeadScanner, names: readonly string[]): boolean {
  for (const name of names) {
    if (name === 'authorization' || name === 'cookie') {
      if (head.find(name) !== undefined) return true;
    } else if (name === '*' && head.find('authorization') !== undefined) return true;
  }
  return false;
}
