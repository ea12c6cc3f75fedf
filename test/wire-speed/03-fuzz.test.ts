// The lane against node:http, and the heads that agents really send.

import { line } from '../accept/wire-speed/03-fuzz.ts';
import { twin } from '../support/twin.ts';

twin(line);
