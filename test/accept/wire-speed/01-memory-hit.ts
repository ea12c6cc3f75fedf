// What a hit in memory costs, at a node and at a front with copies, guard and metrics, beside nginx, HAProxy and Varnish.

import type { Line } from '../line.ts';
import { processorTime } from './processor-time.ts';

export const line: Line = {
  number: 1,
  title: 'processor time per memory hit, 16 and 64 KB, beside nginx, HAProxy and Varnish',
  measure: (scale) => processorTime(scale === 'full' ? [1, 2] : [2], scale, 'deckle-front,haproxy'),
};
