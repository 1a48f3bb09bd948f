import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';

const build = process.env.L2T_NATIVE_BUILD ?? join(packageRoot, 'build');

/** The test cases of a program, but for those that it skips. */
function casesOf(program: string) {
  const xml = execFileSync(program, ['-r=xml', '-ltc'], { encoding: 'utf8' });
  const found = xml.matchAll(/<TestCase name="(.*?)" testsuite="(.*?)" .*skipped="false"/g);
  return [...found].map(([, name = '', suite = '']) => ({ name, suite }));
}

/** Runs a suite, or one case of it. Where a case ends the program, there may be no result of it, nor of those after it. */
async function run(program: string, suite: string, name = '*') {
  const words = ['-r=xml', '-no-skipped-summary', `-ts=${suite}`, `-tc=${name.replaceAll(',', '\\,')}`];
  const child = spawn(program, words, { cwd: packageRoot });
  const [output, complaints, [status, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  const cases = output.matchAll(/<TestCase name="(.*?)".*>([\s\S]*?)<\/TestCase>/g);
  const results = new Map([...cases].map(([, name = '', result = '']) => [name, result]));
  return { results, ending: `It ended with ${signal ?? status}.\n${output}${complaints}` };
}

/** Makes a test of each case of a program, by doctest. Without vitest: build/test/NAME -ts=SUITE -tc=CASE */
export function testProgram(name: string): void {
  const program = join(build, 'test', name);
  const cases = casesOf(program);
  const runs = new Map<string, ReturnType<typeof run>>();

  // LibTorch takes half a second to load, so a suite is one run, which begins with the first of its tests.
  const runOf = (suite: string) => {
    const started = runs.get(suite) ?? run(program, suite);
    runs.set(suite, started);
    return started;
  };

  for (const { suite, name } of cases) {
    test(`${suite}: ${name}`, { timeout: cases.length * 60_000 }, async () => {
      const { results } = await runOf(suite);
      const alone = results.has(name) ? undefined : await run(program, suite, name);
      const result = results.get(name) ?? alone?.results.get(name) ?? alone?.ending ?? '';
      expect(/successes="[1-9]\d*" failures="0" test_case_success="true"/.test(result), result).toBe(true);
    });
  }
}
