// kill -9 of a node and of a front, under load.

import { line } from '../accept/end-to-end/04-kill.ts';
import { twin } from '../support/twin.ts';

twin(line);
