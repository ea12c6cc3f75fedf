// A certificate and its key as PEM texts: what is wrong with them, and for which names they stand.
// Promises: pure; says what is wrong in words that name what would be right; never shows a byte of a key.
// Refuses: what OpenSSL would refuse at the first handshake, a key of another certificate, an encrypted key.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { isHost } from '../base/address.ts';

/** Plain data: it travels between processes. */
export interface Certificate {
  /** The certificate, then its chain. */
  readonly cert: string;
  readonly key: string;
  /** Host names that it is shown for; empty: those that it names itself. */
  readonly hosts: readonly string[];
}

export interface CertificateProblem {
  /** The file that a person would mend. */
  readonly of: 'cert' | 'key';
  readonly message: string;
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;
const KEY = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;

/** Everything that is wrong with a pair; empty when a listener can use it. One that is not there (undefined) is not spoken of. */
export function certificateProblems(cert: string | undefined, key: string | undefined): readonly CertificateProblem[] {
  const chain = cert === undefined ? undefined : chainOf(cert);
  const secret = key === undefined ? undefined : keyOf(key);
  const problems: CertificateProblem[] = [];
  if (typeof chain === 'string') problems.push({ of: 'cert', message: chain });
  if (typeof secret === 'string') problems.push({ of: 'key', message: secret });
  if (typeof chain !== 'object' || typeof secret !== 'object') return problems;
  if (!chain[0]!.checkPrivateKey(secret)) {
    const other = chain.findIndex((one) => one.checkPrivateKey(secret));
    if (other > 0) return [{ of: 'cert', message: `the server's own certificate must stand first, it is number ${other + 1}` }];
    return [{ of: 'key', message: `is not the key of the certificate (${subjectOf(chain[0]!)})` }];
  }
  try {
    createSecureContext({ cert: cert!, key: key! });
  } catch (error) {
    return [{ of: 'cert', message: `cannot be used: ${(error as Error).message}` }];
  }
  return [];
}

/** What is no fault and still most likely not meant. The pair has no problems. */
export function certificateDoubts(cert: string, hosts: readonly string[], nowMs: number): readonly string[] {
  const own = new X509Certificate(cert);
  const doubts: string[] = [];
  if (own.validToDate.getTime() < nowMs) doubts.push(`expired on ${own.validToDate.toISOString()}`);
  else if (own.validFromDate.getTime() > nowMs) doubts.push(`is not valid before ${own.validFromDate.toISOString()}`);
  for (const host of hosts) {
    const name = host.startsWith('*.') ? `any${host.slice(1)}` : host;
    if (own.checkHost(name) === undefined) doubts.push(`does not name ${host}, which it is shown for`);
  }
  if (hosts.length === 0 && certificateNames(cert).length === 0)
    doubts.push('names no host: it is shown only where none fits and it is the first');
  return doubts;
}

/** The host names of its subjectAltName, in lower case; wildcards as they stand there. */
export function certificateNames(cert: string): readonly string[] {
  const names = new X509Certificate(cert).subjectAltName?.split(', ') ?? [];
  return names
    .filter((name) => name.startsWith('DNS:'))
    .map((name) => name.slice('DNS:'.length).toLowerCase())
    .filter(isServerName);
}

/** A host name, or `*.` and one: what a client can ask for and a certificate can name. */
export function isServerName(text: string): boolean {
  return isHost(text.startsWith('*.') ? text.slice(2) : text);
}

function chainOf(pem: string): readonly X509Certificate[] | string {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) {
    if (KEY.test(pem)) return 'holds a key and no certificate (are cert and key exchanged?)';
    return 'holds no certificate in PEM (-----BEGIN CERTIFICATE-----)';
  }
  const chain: X509Certificate[] = [];
  for (const [at, block] of blocks.entries()) {
    try {
      chain.push(new X509Certificate(block));
    } catch {
      return `certificate number ${at + 1} in it is damaged`;
    }
  }
  return chain;
}

function keyOf(pem: string): KeyObject | string {
  if (!KEY.test(pem)) {
    if (pem.includes('-----BEGIN CERTIFICATE-----')) return 'holds a certificate and no key (are cert and key exchanged?)';
    return 'holds no key in PEM (-----BEGIN PRIVATE KEY-----)';
  }
  if (ENCRYPTED.test(pem)) return 'is encrypted; a key without a passphrase is needed (openssl pkey -in OLD -out NEW)';
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    return 'is a damaged key';
  }
}

/** One line for people, bounded. */
function subjectOf(certificate: X509Certificate): string {
  return certificate.subject.replaceAll('\n', ', ').slice(0, 100);
}
