// Regular expressions that an operator writes and a hostile client feeds: matched in time linear in the text.
//
// Promises: case-insensitive, unanchored, `.` matches anything but a newline, as nginx compiles its `~` entries; the only file that
// knows the engine. Refuses: look-around, back-references and other constructs that cannot run in linear time; text beyond ASCII,
// because a referer is bytes in ASCII and letters beyond it would fold by rules that nginx does not have.

import { RE2JS, RE2JSException } from 're2js';

export interface Pattern {
  /** True when any part of `text` (latin1, one line) matches. */
  test(text: string): boolean;
}

export type CompiledPattern = { readonly ok: true; readonly pattern: Pattern } | { readonly ok: false; readonly problem: string };

/** Characters of a source; far beyond what a person writes, far below what could make compiling slow. */
const MAX_SOURCE = 2_000;

export function compilePattern(source: string): CompiledPattern {
  if (source === '') return { ok: false, problem: 'the regular expression is empty' };
  if (source.length > MAX_SOURCE) return { ok: false, problem: `the regular expression is longer than ${MAX_SOURCE} characters` };
  if (!/^[\x20-\x7e]*$/.test(source)) {
    return {
      ok: false,
      problem: 'a regular expression is visible ASCII: browsers send hosts in punycode and paths percent-encoded',
    };
  }
  try {
    return { ok: true, pattern: RE2JS.compile(source, RE2JS.CASE_INSENSITIVE) };
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return { ok: false, problem: `not a regular expression of RE2 (no look-around, no back-references): ${error.message}` };
  }
}
