// Bad configs and taken places, a dozen of them.

import { line } from '../accept/end-to-end/06-bad-config.ts';
import { twin } from '../support/twin.ts';

twin(line);
