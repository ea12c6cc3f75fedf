// Large fills at once, within the memory that the config allows.

import { line } from '../accept/end-to-end/08-fills-bounded.ts';
import { twin } from '../support/twin.ts';

twin(line);
