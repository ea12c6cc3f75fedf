// The comparison runs over two hops, and every answer in it is right; what it says of speed is not judged here.

import { line } from '../accept/wire-speed/02-two-hops.ts';
import { twin } from '../support/twin.ts';

twin(line);
