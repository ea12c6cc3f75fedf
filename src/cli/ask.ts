// Requests of the command line to a running deckle: short, bounded, never through a proxy.

import { request } from 'node:http';
import type { Ms } from '../base/units.ts';

export interface Asked {
  readonly status: number;
  readonly text: string;
}

const MOST_BYTES = 16 * 1024 * 1024;

/** Rejects with the system's error when nobody answers, or when it takes longer than `timeoutMs`. */
export function ask(
  where: { readonly host: string; readonly port: number },
  what: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
  },
  timeoutMs: Ms,
): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const asking = request({
      host: where.host,
      port: where.port,
      method: what.method,
      path: what.path,
      headers: what.headers,
      agent: false,
    });
    asking.setTimeout(timeoutMs, () => asking.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    asking.on('error', reject);
    asking.on('response', (answer) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > MOST_BYTES) asking.destroy(new Error('the answer is too long'));
        else pieces.push(piece);
      });
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(pieces).toString() }));
    });
    asking.end(what.body);
  });
}
