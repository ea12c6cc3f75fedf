// What is made of the fields of a head, and of nothing else in it, kept for as long as a connection repeats them byte for byte.
// Promises: made anew whenever a field changed; forgotten with the connection. Bounded by the connections there are.

import type { HeadScanner } from './scanner.ts';

interface Kept<T> {
  fields: number;
  made: T;
}

export class PerFields<T> {
  readonly #make: (head: HeadScanner) => T;
  readonly #kept = new WeakMap<HeadScanner, Kept<T>>();

  constructor(make: (head: HeadScanner) => T) {
    this.#make = make;
  }

  of(head: HeadScanner): T {
    const kept = this.#kept.get(head);
    if (kept === undefined) {
      const made = this.#make(head);
      this.#kept.set(head, { fields: head.fields, made });
      return made;
    }
    if (kept.fields !== head.fields) {
      kept.made = this.#make(head);
      kept.fields = head.fields;
    }
    return kept.made;
  }
}
