// What a site's referer rules said of the fields of a connection's last head, for as long as it repeats them.
// Promises: the verdict is the guard's own, of the same fields, for the same site.

import { PerFields } from '../wire/per-fields.ts';
import type { HeadScanner } from '../wire/scanner.ts';
import type { RefererGuard, RefererVerdict } from './referer.ts';

interface Heard {
  guard: RefererGuard | undefined;
  verdict: RefererVerdict;
}

export class RefererVerdicts {
  readonly #heard = new PerFields<Heard>(() => ({ guard: undefined, verdict: 'denied-missing' }));

  of(head: HeadScanner, guard: RefererGuard): RefererVerdict {
    const heard = this.#heard.of(head);
    if (heard.guard === guard) return heard.verdict;
    heard.verdict = guard.check(head.get('referer'));
    heard.guard = guard;
    return heard.verdict;
  }
}
