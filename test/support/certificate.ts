// A self-signed certificate for localhost and 127.0.0.1, or for other names, made on the spot: no key lies in the tree and no other
// program is needed. Promises: valid from a day before to a day after `nowMs`; its own authority. Refuses: to be of use to anyone but
// a test.

import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface TestCertificate {
  /** PEM. */
  readonly key: string;
  /** PEM; also the authority that signed it. */
  readonly cert: string;
}

const DAY_MS = 86_400_000;
const ECDSA_SHA256 = der(0x30, der(0x06, '2a8648ce3d040302'));
const COMMON_NAME = der(0x06, '550403');
const ALT_NAME = der(0x06, '551d11');
const BASIC_CONSTRAINTS = der(0x06, '551d13');

/** @param hosts its names, the first its subject too; always good for 127.0.0.1 as well */
export function makeCertificate(nowMs: number = Date.now(), hosts: readonly string[] = ['localhost']): TestCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = der(0x30, der(0x31, der(0x30, COMMON_NAME, der(0x0c, Buffer.from(hosts[0]!)))));
  const names = der(0x30, ...hosts.map((host) => der(0x82, Buffer.from(host))), der(0x87, Buffer.from([127, 0, 0, 1])));
  const extensions = der(
    0x30,
    der(0x30, ALT_NAME, der(0x04, names)),
    der(0x30, BASIC_CONSTRAINTS, der(0x04, der(0x30, der(0x01, 'ff')))),
  );
  // RFC 5280 §4.1: version 3, serial number, algorithm, issuer, validity, subject, key, extensions.
  const body = der(
    0x30,
    der(0xa0, der(0x02, '02')),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_SHA256,
    name,
    der(0x30, time(nowMs - DAY_MS), time(nowMs + DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const signature = der(0x03, '00', sign('sha256', body, privateKey));
  const base64 = der(0x30, body, ECDSA_SHA256, signature).toString('base64');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${base64.match(/.{1,64}/g)!.join('\n')}\n-----END CERTIFICATE-----\n`,
  };
}

/** One DER value: tag, length, contents (text is hex). */
function der(tag: number, ...contents: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(contents.map((part) => (typeof part === 'string' ? Buffer.from(part, 'hex') : part)));
  const size = body.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

/** GeneralizedTime to the second. */
function time(ms: number): Buffer {
  return der(0x18, Buffer.from(`${new Date(ms).toISOString().replace(/\D/g, '').slice(0, 14)}Z`));
}
