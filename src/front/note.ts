// What a front knows of a request when it ends: for the meter and the access log.

import type { Reason } from '../base/reasons.ts';
import type { Result } from '../metrics/catalogue.ts';

export interface FrontNote {
  id: string;
  site: number;
  result: Result;
  reason: Reason | undefined;
  client: string;
  /** The node that answered, or ''. */
  node: string;
  tries: number;
}
