import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe } from 'vitest';

/** Debian's Python: its packages are not those of another Python on the PATH. */
const python = '/usr/bin/python3';

const finds = 'import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))';

/** Whether Debian's Python has these modules. */
export const pythonHas = (...modules: readonly string[]): boolean =>
  spawnSync(python, ['-c', finds, ...modules]).status === 0;

/** In CI no test with another program is skipped: nobody would notice. */
export const mustRun = Boolean(process.env.CI);

type Ask = (...args: readonly (string | number)[]) => Promise<unknown>;

/**
 * Tests that ask a Python program (`startPython`), which needs these modules. They are skipped without the modules.
 * Python takes seconds to load torch, or many on a busy machine.
 */
export function describeWithPython(
  title: string,
  modules: readonly string[],
  program: string,
  tests: (ask: Ask) => void,
): void {
  const packages = modules.map((module) => `python3-${module}`).join(' and ');
  const name = `${title} (skipped without Debian's ${packages})`;
  describe.skipIf(!mustRun && !pythonHas(...modules))(name, { timeout: 180_000 }, () => {
    let python: ReturnType<typeof startPython>;
    beforeAll(() => {
      python = startPython(program);
    });
    afterAll(() => python.end());
    tests((...args) => python.ask(...args));
  });
}

const loop = `
import json, sys
for line in sys.stdin:
    print(json.dumps(answer(*json.loads(line))), flush=True)
`;

/**
 * Starts a Python program that defines the function `answer`. One process answers all questions, because Python takes
 * seconds to load torch. Each question is a list of arguments. `end` ends the process.
 */
function startPython(program: string) {
  const child = spawn(python, ['-c', program + loop], { stdio: ['pipe', 'pipe', 'inherit'] });
  // If the process has ended, `ask` says so.
  child.stdin.on('error', () => {});
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(...args: readonly (string | number)[]): Promise<unknown> {
      child.stdin.write(`${JSON.stringify(args)}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error('Python ended without an answer; its message is above.');
      return JSON.parse(value);
    },
    end: () => child.stdin.end(),
  };
}
