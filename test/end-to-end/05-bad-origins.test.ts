// Every breach of test/support/bad-origin.ts through a front and two nodes, without the one that takes half a minute.

import { line } from '../accept/end-to-end/05-bad-origins.ts';
import { twin } from '../support/twin.ts';

twin(line);
