// A node frozen and a node killed under load: nobody notices.

import { line } from '../accept/wire-speed/06-frozen-and-killed.ts';
import { twin } from '../support/twin.ts';

twin(line);
