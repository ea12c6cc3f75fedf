// A module of test/support run as a process of its own, so that thousands of clients take neither the time nor the descriptors of
// the process that measures. Promises: it ends with the test, whatever happens.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Child<Says> {
  tell(message: unknown): void;
  /** The first message, come or to come, that `is` holds for. Rejects when the child ends before, or after `mostMs`. */
  says<S extends Says>(is: (message: Says) => message is S, mostMs: number): Promise<S>;
  close(): Promise<void>;
}

/** @param name file beside this one, without `.ts`; its first message is `order` */
export function startChild<Says>(name: string, order: unknown): Child<Says> {
  const env = { ...process.env };
  delete env['NODE_TEST_CONTEXT'];
  const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  const child: ChildProcess = fork(file, { execArgv: [], env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const end = () => child.kill('SIGKILL');
  process.on('exit', end);
  const gone = once(child, 'exit');
  const heard: Says[] = [];
  const looks = new Set<() => void>();
  const look = () => {
    for (const each of [...looks]) each();
  };
  child.on('message', (message) => {
    heard.push(message as Says);
    look();
  });
  // It comes behind the last message; the end of the process may come before it.
  child.on('disconnect', look);
  child.send(order as object);
  return {
    tell: (message) => void child.send(message as object),
    says: <S extends Says>(is: (message: Says) => message is S, mostMs: number) =>
      new Promise<S>((resolve, reject) => {
        const settle = (act: () => void) => {
          clearTimeout(late);
          looks.delete(mine);
          act();
        };
        const late = setTimeout(() => settle(() => reject(new Error(`${name} said nothing for ${mostMs} ms`))), mostMs);
        const mine = () => {
          const found = heard.find(is);
          if (found !== undefined) settle(() => resolve(found));
          else if (!child.connected) settle(() => reject(new Error(`${name} has ended`)));
        };
        looks.add(mine);
        mine();
      }),
    close: async () => {
      process.off('exit', end);
      if (child.exitCode === null && child.signalCode === null) end();
      await gone;
    },
  };
}
