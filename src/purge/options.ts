// How purges travel: the log they stand in, and who else is told.

import { list, required, section, type Value } from '../base/knobs.ts';
import { duration, text, whole } from '../base/leaves.ts';

export const purge = section(
  {
    downstream: list(text(required(''), ''), [], 'tiers in front that are told of every purge'),
    bans: whole(
      1,
      1_000_000,
      10_000,
      'purges of a tag, prefix, host or everything that are remembered; more fold into the oldest',
    ),
  },
  'Purges.',
);
export type PurgeOptions = Value<typeof purge>;

export const redis = section(
  {
    url: text(
      '',
      'the log of purges for many machines: redis://, rediss://, redis-sentinel://h1,h2/NAME or redis-cluster://h1,h2; empty: a file under `state`',
      {
        type: 'url',
        expects: 'a redis url',
        pattern: /^(?:(?:rediss?|redis-sentinel|redis-cluster):\/\/[!-~]+)?$/,
        nature: 'secret',
      },
    ),
    prefix: text('deckle', 'begins the name of every key', {
      type: 'name',
      expects: 'a word of letters, digits and .:_-',
      pattern: /^[A-Za-z0-9.:_-]{1,64}$/,
    }),
    start_timeout: duration(
      '5s',
      'a process that starts waits this long for the log, then serves what it found on disk as untrusted',
      { min: '1ms', max: '1h' },
    ),
  },
  'Redis, which carries purges between machines.',
);
export type RedisOptions = Value<typeof redis>;
