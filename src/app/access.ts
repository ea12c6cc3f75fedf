// The line of the access log: who asked for what, how it was answered, and why.

import { type AccessLog, type Log, openAccessLog } from '../base/log.ts';
import type { LogOptions } from '../base/options.ts';
import type { Reason } from '../base/reasons.ts';
import type { Result } from '../metrics/catalogue.ts';
import type { Exchange } from '../wire/connection.ts';

export interface AccessNote {
  readonly id: string;
  readonly client: string;
  readonly result: Result;
  readonly reason: Reason | undefined;
}

export interface AccessWriter {
  /** @param more fields of the role: site, node, tries */
  line(x: Exchange, note: AccessNote, ms: number, clean: boolean, more: Readonly<Record<string, string | number>>): void;
  reopen(): void;
  close(): Promise<void>;
}

const SILENT: AccessWriter = { line: () => {}, reopen: () => {}, close: async () => {} };

/** Throws when the file cannot be opened. */
export function createAccessWriter(options: LogOptions, who: string, random: () => number, own: Log): AccessWriter {
  if (options.access === '') return SILENT;
  const file = options.access;
  const log: AccessLog = openAccessLog(file, {
    failed: (error) => own.warn({ file, error: error.message }, 'the access log cannot be written: its lines are lost'),
    recovered: (dropped) => own.warn({ file, dropped }, 'the access log is written again'),
  });
  return {
    line: (x, note, ms, clean, more) => {
      const { reply, head } = x;
      const usual = reply.status > 0 && reply.status < 400 && clean;
      if (usual && options.sample < 1 && random() >= options.sample) return;
      log.write({
        time: new Date().toISOString(),
        who,
        id: note.id,
        client: note.client,
        method: head.method,
        host: head.get('host'),
        target: head.target,
        status: reply.status,
        bytes: reply.bytes,
        ms: Math.round(ms * 1000) / 1000,
        result: note.result,
        ...(note.reason === undefined ? {} : { reason: note.reason }),
        ...(clean ? {} : { aborted: true }),
        ...more,
        referer: head.get('referer'),
        agent: head.get('user-agent'),
      });
    },
    reopen: () => {
      try {
        log.reopen();
      } catch (error) {
        own.warn({ file, error: String(error) }, 'the access log cannot be opened again: the old file stays in use');
      }
    },
    close: () => log.close(),
  };
}
