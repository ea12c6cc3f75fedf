// What is said of work for an origin that whoever asked for it has given up. No failure of the origin: nobody counts it as one.

import { Fault } from '../base/fault.ts';

export function givenUp(): Fault {
  return new Fault('DECKLE_ORIGIN_RESET', 'given up by the caller');
}
