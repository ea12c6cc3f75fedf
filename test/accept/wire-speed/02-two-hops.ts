// What a request costs a front and a node together, beside HAProxy before Varnish: without copies, and with them under Zipf traffic.

import type { Line } from '../line.ts';
import { processorTime } from './processor-time.ts';

export const line: Line = {
  number: 2,
  title: 'processor time per request over two hops, beside HAProxy before Varnish',
  measure: (scale) => processorTime(scale === 'full' ? [3, 4] : [3], scale),
};
