// The acceptance list of the whole edge, in its order.

import type { Line } from '../line.ts';
import { line as realImages } from './01-real-images.ts';
import { line as ring } from './02-ring.ts';
import { line as oneFill } from './03-one-fill.ts';
import { line as kill } from './04-kill.ts';
import { line as badOrigins } from './05-bad-origins.ts';
import { line as badConfig } from './06-bad-config.ts';
import { line as malformed } from './07-malformed.ts';
import { line as fillsBounded } from './08-fills-bounded.ts';
import { line as containerAndFloors } from './09-container-and-floors.ts';

export const LINES: readonly Line[] = [
  realImages,
  ring,
  oneFill,
  kill,
  badOrigins,
  badConfig,
  malformed,
  fillsBounded,
  containerAndFloors,
];
