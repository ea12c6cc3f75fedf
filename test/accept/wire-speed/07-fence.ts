// Line 7: the story files read as before, and the lane is fenced in its own room with its proof beside it. What a program can see of
// that is in test/floors.test.ts; here its verdicts stand.

import type { Line } from '../line.ts';
import { testRows } from '../test-rows.ts';

export const line: Line = {
  number: 7,
  title: 'the lane stands in its own room, and no rule knows of it',
  measure: () => testRows('test/floors.test.ts'),
};
