// The floors of the house; the container and the package have test files of their own.

import { line } from '../accept/end-to-end/09-container-and-floors.ts';
import { twin } from '../support/twin.ts';

twin(line);
