// The course of both load tests: flags, targets, counters before, the run, counters after, the report.
// Promises: returns the exit code (0 clean, 1 errors, 2 wrong usage); an edge that is not there is one line, not a storm of requests.

import { type DriveOptions, drive } from './drive.ts';
import { edgeDifference, readMetrics, type Samples } from './metrics.ts';
import { FLAGS_HELP, type LoadOptions, parseOptions } from './options.ts';
import { type EdgeFigures, isClean, reportJson, reportText } from './report.ts';
import { readTargets, type Target } from './targets.ts';

export interface LoadTest {
  /** `hit` of `node loadtest/hit.ts`. */
  readonly name: string;
  readonly summary: string;
  /** The targets that it asks for. */
  readonly choose: (targets: readonly Target[]) => readonly Target[];
  /** The order in which each connection asks for the chosen ones. */
  readonly plan: (targets: readonly Target[], options: LoadOptions) => DriveOptions['sequence'];
}

export interface Io {
  out(text: string): void;
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const PROBE_TIMEOUT_MS = 10_000;

export async function runLoadTest(test: LoadTest, argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseOptions(argv);
  if (parsed.kind === 'help') {
    io.out(
      `node loadtest/${test.name}.ts [flags]: ${test.summary}\n\n${FLAGS_HELP}\nExample: node loadtest/${test.name}.ts --seconds 30\n`,
    );
    return 0;
  }
  if (parsed.kind === 'wrong') {
    io.err(`${parsed.message}\nnode loadtest/${test.name}.ts --help says more\n`);
    return 2;
  }
  try {
    return await measure(test, parsed.options, io);
  } catch (error) {
    io.err(`${sentence(error)}\n`);
    return 1;
  }
}

async function measure(test: LoadTest, options: LoadOptions, io: Io): Promise<number> {
  const targets = test.choose(await readTargets(options.list));
  await probe(options.url, targets[0]!);
  const token = io.env['DECKLE_ADMIN_TOKEN'];
  const before = await metricsOrWhy(options.admin, token);
  const { url, seconds, connections } = options;
  const run = await drive({ url, seconds, connections, sequence: test.plan(targets, options) });
  const after = await metricsOrWhy(options.admin, token);
  const title = `${test.name}: ${url}, ${connections} connections, ${targets.length} pictures`;
  const report = { title, run, edge: figures(before, after) };
  io.out(options.json ? reportJson(report) : reportText(report));
  return isClean(run) ? 0 : 1;
}

/** One request before the storm. */
async function probe(url: string, target: Target): Promise<void> {
  const response = await fetch(url + target.path, { redirect: 'manual', signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
  await response.body?.cancel();
  if (response.status !== 200)
    throw new Error(`${url}${target.path} answered ${response.status}: is this the edge, and does it serve these pictures?`);
}

type MetricsOrWhy = { readonly samples: Samples } | { readonly why: string };

async function metricsOrWhy(admin: string, token: string | undefined): Promise<MetricsOrWhy> {
  return readMetrics(admin, token).then(
    (samples) => ({ samples }),
    (error: unknown) => ({ why: sentence(error) }),
  );
}

function figures(before: MetricsOrWhy, after: MetricsOrWhy): EdgeFigures {
  if ('why' in before) return { kind: 'unread', why: before.why };
  if ('why' in after) return { kind: 'unread', why: after.why };
  return { kind: 'read', difference: edgeDifference(before.samples, after.samples) };
}

/** fetch says "fetch failed" and hides the reason in `cause`. */
function sentence(error: unknown): string {
  const { message, cause } = error as Error;
  const reason = cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : undefined;
  return reason === undefined ? message : `${message}: ${reason}`;
}
