// Who may use the admin listener: one pure decision from the head of a request.
// Promises: with a token, only its bearer passes. Without one (loopback only), what a web page in a browser on this machine can
// do is refused: a name that was rebound to 127.0.0.1 fails the Host rule, a form or a script of another site fails the rule of
// the content type and of the Origin.
// Refuses: doubled fields, for the one who checks and the one who acts could each take another of them.

import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

/** What the decision reads; every value of a field that came, in order. */
export interface AdminHead {
  readonly method: string;
  readonly authorization: readonly string[];
  readonly host: readonly string[];
  readonly origin: readonly string[];
  readonly contentType: readonly string[];
}

export type AuthVerdict =
  | { readonly kind: 'allowed' }
  /** 401: no token, or not the right one. */
  | { readonly kind: 'unauthorized'; readonly why: string }
  /** 403: a request that another web site could have caused. */
  | { readonly kind: 'forbidden'; readonly why: string };

const ALLOWED: AuthVerdict = { kind: 'allowed' };
const BEARER = /^Bearer +([\x21-\x7e]+) *$/i;
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::([0-9]{1,5}))?$/i;
const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;

/** @param token '' when none is set; the listener is then on loopback */
export function decideAccess(head: AdminHead, token: string): AuthVerdict {
  return token === '' ? decideByOrigin(head) : decideByToken(head, token);
}

function decideByToken({ authorization }: AdminHead, token: string): AuthVerdict {
  if (authorization.length === 0) return { kind: 'unauthorized', why: 'a bearer token is needed' };
  if (authorization.length > 1) return { kind: 'unauthorized', why: 'Authorization came more than once' };
  const given = BEARER.exec(authorization[0]!)?.[1];
  if (given === undefined) return { kind: 'unauthorized', why: 'Authorization is not a bearer token' };
  // Digests are of equal length, so the comparison tells neither where nor how much the token differs.
  if (!timingSafeEqual(digest(given), digest(token))) return { kind: 'unauthorized', why: 'the token is not the right one' };
  return ALLOWED;
}

function decideByOrigin(head: AdminHead): AuthVerdict {
  const host = head.host.length === 1 ? head.host[0]! : '';
  if (!isLocalName(host)) return forbidden('without admin.token, Host must be an IP address or localhost');
  if (head.method === 'GET' || head.method === 'HEAD') return ALLOWED;
  if (head.contentType.length !== 1 || !JSON_TYPE.test(head.contentType[0]!)) {
    return forbidden('without admin.token, the Content-Type must be application/json');
  }
  if (head.origin.length > 1 || (head.origin.length === 1 && !isSameOrigin(head.origin[0]!, host))) {
    return forbidden('without admin.token, a page of another origin may not do this');
  }
  return ALLOWED;
}

/** An IP literal or `localhost`, with an optional port. */
function isLocalName(host: string): boolean {
  const match = HOST.exec(host);
  if (match === null || Number(match[2] ?? 1) < 1 || Number(match[2] ?? 1) > 65_535) return false;
  const name = match[1]!.toLowerCase();
  if (name.startsWith('[')) return isIP(name.slice(1, -1)) === 6;
  return name === 'localhost' || isIP(name) === 4;
}

/** Whether `origin` is the very host and port that the request was sent to; the scheme may be that of a proxy in front. */
function isSameOrigin(origin: string, host: string): boolean {
  if (!/^https?:\/\/[^/?#@\\\s]+$/i.test(origin) || !URL.canParse(origin)) return false;
  const asked = `${origin.slice(0, origin.indexOf(':'))}://${host}`;
  return URL.canParse(asked) && new URL(origin).host === new URL(asked).host;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function forbidden(why: string): AuthVerdict {
  return { kind: 'forbidden', why };
}
