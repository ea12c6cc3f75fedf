// Half of all requests on one image: spread over the fronts, and dropped by a purge.

import { line } from '../accept/wire-speed/05-one-hot-image.ts';
import { twin } from '../support/twin.ts';

twin(line);
