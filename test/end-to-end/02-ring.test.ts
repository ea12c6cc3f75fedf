// The ring over real processes: who fetches, what moves.

import { line } from '../accept/end-to-end/02-ring.ts';
import { twin } from '../support/twin.ts';

twin(line);
