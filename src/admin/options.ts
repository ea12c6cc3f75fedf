// The admin listener and the secret that machines of one edge share.

import { section, type Value } from '../base/knobs.ts';
import { secret } from '../base/leaves.ts';
import { listenAddress } from '../base/options.ts';

export const admin = section(
  {
    listen: listenAddress('127.0.0.1:8081', 'where the dashboard, the statistics and the admin API are'),
    token: secret('', 'guards the admin API; needed when `listen` is not loopback'),
  },
  'The dashboard and the admin API.',
);
export type AdminOptions = Value<typeof admin>;

export const peers = section(
  { secret: secret('', 'what fronts show to nodes; needed when the address of a node is not loopback') },
  'What processes of one edge know of each other.',
);
export type PeerOptions = Value<typeof peers>;
