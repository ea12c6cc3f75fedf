// The TLS of one listener: which certificate a client is shown, and what every context has in common.
// Promises: TLS 1.2 and up, HTTP/1.1 only, no renegotiation; the certificate is chosen by the name that the client asks for
// (exact, then `*.` for one label), the first where none fits; tickets made with the same keys are good in every process.
// Refuses: certificates with problems (certificate.ts): building a context of one throws.

import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { type Certificate, certificateNames } from './certificate.ts';

/** Bytes that TLS tickets of one machine are sealed with. */
export const TICKET_KEY_BYTES = 48;

/** Without it each process would have a name of its own, made of its arguments, and refuse the sessions of the others. */
const SESSIONS = 'deckle';

export class CertificateTable {
  /** For a client that names no host, or one that no certificate stands for. */
  readonly usual: SecureContextOptions;
  readonly #byName = new Map<string, SecureContext>();

  /**
   * @param certificates at least one; of two with the same name the first is shown
   * @param ticketKeys   TICKET_KEY_BYTES bytes
   */
  constructor(certificates: readonly Certificate[], ticketKeys: Buffer) {
    const options = certificates.map(({ cert, key }) => optionsOf(cert, key, ticketKeys));
    this.usual = options[0]!;
    for (const [at, { cert, hosts }] of certificates.entries()) {
      const context = createSecureContext(options[at]);
      for (const name of hosts.length > 0 ? hosts : certificateNames(cert)) {
        const lower = name.toLowerCase();
        if (!this.#byName.has(lower)) this.#byName.set(lower, context);
      }
    }
  }

  /** @param name as the client wrote it; undefined: the usual one */
  find(name: string): SecureContext | undefined {
    const lower = name.toLowerCase();
    const host = lower.endsWith('.') ? lower.slice(0, -1) : lower;
    const dot = host.indexOf('.');
    return this.#byName.get(host) ?? (dot > 0 ? this.#byName.get(`*${host.slice(dot)}`) : undefined);
  }
}

function optionsOf(cert: string, key: string, ticketKeys: Buffer): SecureContextOptions {
  return {
    cert,
    key,
    ticketKeys,
    minVersion: 'TLSv1.2',
    sessionIdContext: SESSIONS,
    // A client could make us work for nothing.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}
