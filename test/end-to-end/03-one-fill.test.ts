// One fill for a crowd over two front processes.

import { line } from '../accept/end-to-end/03-one-fill.ts';
import { twin } from '../support/twin.ts';

twin(line);
