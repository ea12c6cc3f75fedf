// The comparison runs, and every answer in it is right; what it says of speed is not judged here.

import { line } from '../accept/wire-speed/01-memory-hit.ts';
import { twin } from '../support/twin.ts';

twin(line);
