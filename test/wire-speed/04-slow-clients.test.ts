// Slow and silent clients: cut at the limits, nobody else notices, memory stays bounded.

import { line } from '../accept/wire-speed/04-slow-clients.ts';
import { twin } from '../support/twin.ts';

twin(line);
