import assert from 'node:assert/strict';
import test from 'node:test';
import { type CompareOptions, HELP, parseOptions } from './options.ts';

function run(...argv: string[]): CompareOptions {
  const parsed = parseOptions(argv, 2);
  assert.equal(parsed.kind, 'run', JSON.stringify(parsed));
  return (parsed as { options: CompareOptions }).options;
}

test('the defaults', () => {
  const { wanted, ...rest } = run();
  assert.deepEqual(rest, {
    rounds: 5,
    seconds: 4,
    rows: [1, 2, 3, 4],
    repeated: true,
    serverCore: 0,
    clientCore: 1,
    json: false,
  });
  assert.ok(wanted('deckle-node') && wanted('haproxy-varnish'));
});

test('every flag', () => {
  const all = run(
    '--rounds',
    '2',
    '--seconds',
    '7',
    '--rows',
    '3,1,3',
    '--only',
    'deckle,nginx',
    '--no-repeated',
    '--cores',
    '1,0',
    '--json',
  );
  const { wanted, ...rest } = all;
  assert.deepEqual(rest, { rounds: 2, seconds: 7, rows: [1, 3], repeated: false, serverCore: 1, clientCore: 0, json: true });
  assert.deepEqual(
    [wanted('deckle-front'), wanted('nginx'), wanted('varnish'), wanted('haproxy-varnish')],
    [true, true, false, false],
  );
});

test('wrong flags are named with what would be right', () => {
  const wrong: readonly (readonly [argv: readonly string[], said: RegExp])[] = [
    [['--rounds', '0'], /--rounds 0: must be a whole number from 1/],
    [['--seconds', 'four'], /--seconds four: must be/],
    [['--rows', '1,5'], /--rows 1,5: must be numbers from 1 to 4/],
    [['--rows', ''], /--rows/],
    [['--only', 'apache'], /--only apache: must be of deckle-node/],
    [['--cores', '0,2'], /--cores 0,2: must be two numbers from 0 to 1/],
    [['--cores', '0'], /--cores 0: must be two/],
    [['--colour'], /--colour/],
    [['row'], /row/],
  ];
  for (const [argv, said] of wrong) {
    const parsed = parseOptions(argv, 2);
    assert.equal(parsed.kind, 'wrong', argv.join(' '));
    assert.match((parsed as { message: string }).message, said);
  }
});

test('the help has every flag', () => {
  assert.equal(parseOptions(['--help'], 1).kind, 'help');
  for (const flag of ['rounds', 'seconds', 'rows', 'only', 'no-repeated', 'cores', 'json'])
    assert.ok(HELP.includes(`--${flag}`), flag);
});
