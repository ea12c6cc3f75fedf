// The certificates that front.listen names: read from their files and looked at before anybody relies on them.
// Promises: every fault at once, at the key whose file a person would mend; the words name the file, never what is in it.

import type { Issue } from '../base/knobs.ts';
import type { Path } from '../base/shapes.ts';
import type { Bytes } from '../base/units.ts';
import type { ListenOptions } from '../front/options.ts';
import {
  type Certificate,
  type CertificateProblem,
  certificateDoubts,
  certificateProblems,
  isServerName,
} from '../wire/certificate.ts';
import { type ReadFile, readText } from './files.ts';

export type PairFiles = Pick<ListenOptions['tls'][number], 'cert' | 'key'>;

/** A chain of a few kilobytes; more is most likely another kind of file. */
const MOST_PEM: Bytes = 1024 * 1024;

export type ReadPair =
  | { readonly kind: 'good'; readonly texts: Pick<Certificate, 'cert' | 'key'> }
  | { readonly kind: 'bad'; readonly problems: readonly CertificateProblem[] };

/** A certificate and its key; each problem of a bad pair begins with the file's name. */
export function readPair({ cert, key }: PairFiles, readFile?: ReadFile): ReadPair {
  const [certText, keyText] = [readText(cert, MOST_PEM, readFile), readText(key, MOST_PEM, readFile)];
  const problems: CertificateProblem[] = [];
  if (typeof certText === 'string') problems.push({ of: 'cert', message: certText });
  if (typeof keyText === 'string') problems.push({ of: 'key', message: keyText });
  const texts = {
    cert: typeof certText === 'string' ? undefined : certText.text,
    key: typeof keyText === 'string' ? undefined : keyText.text,
  };
  problems.push(...certificateProblems(texts.cert, texts.key));
  if (texts.cert !== undefined && texts.key !== undefined && problems.length === 0)
    return { kind: 'good', texts: { cert: texts.cert, key: texts.key } };
  const files = { cert, key };
  return { kind: 'bad', problems: problems.map(({ of, message }) => ({ of, message: `${files[of]}: ${message}` })) };
}

/** What is wrong with the certificates of a config, and what is most likely not meant. */
export function checkCertificates(
  listen: readonly ListenOptions[],
  nowMs: number,
  readFile?: ReadFile,
): { readonly issues: readonly Issue[]; readonly doubts: readonly Issue[] } {
  const issues: Issue[] = [];
  const doubts: Issue[] = [];
  const issue = (path: Path, message: string): Issue => ({ path, onKey: false, message });
  for (const [at, { tls }] of listen.entries()) {
    for (const [which, entry] of tls.entries()) {
      const path: Path = ['front', 'listen', at, 'tls', which];
      const strange = entry.hosts.findIndex((host) => !isServerName(host));
      if (strange >= 0)
        issues.push(
          issue(
            [...path, 'hosts', strange],
            `expected a host name such as img.example.com or *.example.com, found ${JSON.stringify(entry.hosts[strange])}`,
          ),
        );
      const read = readPair(entry, readFile);
      if (read.kind === 'bad') issues.push(...read.problems.map(({ of, message }) => issue([...path, of], message)));
      else if (strange < 0)
        doubts.push(
          ...certificateDoubts(read.texts.cert, entry.hosts, nowMs).map((doubt) =>
            issue([...path, 'cert'], `${entry.cert}: ${doubt}`),
          ),
        );
    }
  }
  return { issues, doubts };
}
