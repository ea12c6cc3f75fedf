// `npm run accept -- TOPIC [LINE]`: an acceptance list at full size, one row per figure; exit code 1 on a miss.

import type { Line } from './line.ts';

const TOPICS: Readonly<Record<string, () => Promise<readonly Line[]>>> = {
  'end-to-end': async () => (await import('./end-to-end/lines.ts')).LINES,
  'wire-speed': async () => (await import('./wire-speed/lines.ts')).LINES,
};

const [topic = '', number] = process.argv.slice(2);
const load = Object.hasOwn(TOPICS, topic) ? TOPICS[topic] : undefined;
if (load === undefined) {
  process.stderr.write(`accept: which topic? ${Object.keys(TOPICS).join(', ')}\n`);
  process.exit(2);
}
const lines = (await load()).filter((line) => number === undefined || line.number === Number(number));
if (lines.length === 0) {
  process.stderr.write(`accept: ${topic} has no line ${number}\n`);
  process.exit(2);
}
let missed = 0;
for (const line of lines) {
  process.stdout.write(`\n${topic} ${line.number}: ${line.title}\n`);
  const begun = performance.now();
  for (const row of await line.measure('full')) {
    if (!row.ok) missed += 1;
    process.stdout.write(`  ${row.ok ? 'ok    ' : 'MISSED'} ${row.asked.padEnd(72)} ${row.reached}\n`);
  }
  process.stdout.write(`  (${((performance.now() - begun) / 1000).toFixed(1)} s)\n`);
}
process.stdout.write(missed === 0 ? '\nall met\n' : `\n${missed} missed\n`);
process.exit(missed === 0 ? 0 : 1);
