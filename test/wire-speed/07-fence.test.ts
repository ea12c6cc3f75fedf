// The lane stands in its own room with its proof beside it.

import { line } from '../accept/wire-speed/07-fence.ts';
import { twin } from '../support/twin.ts';

twin(line);
