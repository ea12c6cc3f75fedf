// How much a node keeps, and where. Part of a node's entry.

import { derived, required, section, type Value } from '../base/knobs.ts';
import { file, size } from '../base/leaves.ts';

export const tiers = {
  memory: size('256MB', 'bytes of images kept in memory; 0 turns this tier off'),
  disk: section(
    {
      path: derived(file(required(''), 'the folder of the disk tier; of one node alone'), '`state` and the name of the node'),
      size: size('2GB', 'bytes kept on disk; 0 turns this tier off'),
    },
    'The disk tier.',
  ),
};

const whole = section(tiers);
type Read = Value<typeof whole>;
export interface TierOptions extends Omit<Read, 'disk'> {
  readonly disk: { readonly path: string; readonly size: number };
}
