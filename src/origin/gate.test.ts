import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Gate } from './gate.ts';

const PATIENT = { max: 100, timeoutMs: 60_000 };

test('never more inside than slots, the rest in line up to its end, served in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 0, max: 4 }),
      fc.array(fc.constantFrom('enter', 'enter', 'leave', 'abort'), { maxLength: 40 }),
      async (slots, max, steps) => {
        const gate = new Gate(slots);
        const line: { readonly id: number; readonly leaving: AbortController }[] = [];
        const outcomes = new Map<number, string>();
        let inside = 0;
        for (const [id, step] of steps.entries()) {
          if (step === 'enter') {
            const leaving = new AbortController();
            void gate
              .enter({ max, timeoutMs: 60_000 }, leaving.signal)
              .then((fault) => outcomes.set(id, fault?.code ?? 'inside'));
            await Promise.resolve();
            if (inside < slots) {
              inside += 1;
              assert.equal(outcomes.get(id), 'inside');
            } else if (line.length < max) line.push({ id, leaving });
            else assert.equal(outcomes.get(id), 'DECKLE_ORIGIN_BUSY');
          } else if (step === 'leave' && inside > 0) {
            gate.leave();
            await Promise.resolve();
            const first = line.shift();
            if (first === undefined) inside -= 1;
            else assert.equal(outcomes.get(first.id), 'inside');
          } else if (step === 'abort') {
            const last = line.pop();
            last?.leaving.abort();
            await Promise.resolve();
            if (last !== undefined) assert.equal(outcomes.get(last.id), 'DECKLE_ORIGIN_RESET');
          }
          assert.deepEqual([gate.inside, gate.waiting], [inside, line.length]);
        }
        gate.close();
        await Promise.resolve();
        for (const { id } of line) assert.equal(outcomes.get(id), 'DECKLE_STOPPING');
      },
    ),
    { numRuns: 200 },
  );
});

test('nobody waits past the limit, and who was served in time is not called late', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const gate = new Gate(1);
  assert.equal(await gate.enter(PATIENT), undefined);
  const served = gate.enter({ max: 2, timeoutMs: 1_000 });
  const late = gate.enter({ max: 2, timeoutMs: 1_000 });
  t.mock.timers.tick(999);
  gate.leave();
  assert.equal(await served, undefined);
  t.mock.timers.tick(1);
  assert.equal((await late)?.code, 'DECKLE_ORIGIN_BUSY');
  gate.leave();
  assert.equal(gate.inside, 0);
});

test('a caller who has left already never enters, nor anyone after close', async () => {
  const gate = new Gate(1);
  assert.equal((await gate.enter(PATIENT, AbortSignal.abort()))?.code, 'DECKLE_ORIGIN_RESET');
  gate.close();
  assert.equal((await gate.enter(PATIENT))?.code, 'DECKLE_STOPPING');
  assert.equal(gate.inside, 0);
});
