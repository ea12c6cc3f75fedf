// The samples of the checkout through a real edge, from the origin and from memory.

import { line } from '../accept/end-to-end/01-real-images.ts';
import { twin } from '../support/twin.ts';

twin(line);
