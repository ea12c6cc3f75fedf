// The acceptance list of the lane, the relay and hot copies, in its order.

import type { Line } from '../line.ts';
import { line as memoryHit } from './01-memory-hit.ts';
import { line as twoHops } from './02-two-hops.ts';
import { line as fuzz } from './03-fuzz.ts';
import { line as slowClients } from './04-slow-clients.ts';
import { line as oneHotImage } from './05-one-hot-image.ts';
import { line as frozenNode } from './06-frozen-and-killed.ts';
import { line as fence } from './07-fence.ts';

export const LINES: readonly Line[] = [memoryHit, twoHops, fuzz, slowClients, oneHotImage, frozenNode, fence];
