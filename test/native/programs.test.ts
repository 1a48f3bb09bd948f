import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';

// The test cases in C++, by doctest. Without vitest: build/test/l2t_tests -ts=SUITE -tc=CASE

const build = process.env.L2T_NATIVE_BUILD ?? join(packageRoot, 'build');
const programs = ['l2t_tests'];

/** A test case in doctest's XML. `suite` is only in a list, and `result` only after a run. */
interface Case {
  readonly name: string;
  readonly suite: string;
  readonly result: string;
}

const casesIn = (xml: string): Case[] =>
  [...xml.matchAll(/<TestCase name="([^"]*)"(?: testsuite="([^"]*)")?[^>]*?(?:\/>|>([\s\S]*?)<\/TestCase>)/g)].map(
    ([, name = '', suite = '', result = '']) => ({ name, suite, result }),
  );

/** Runs a suite, or one case of it. Where a case ends the program, there may be no result of it, nor of those after it. */
async function run(program: string, suite: string, name = '*') {
  const words = ['-r=xml', '-no-skipped-summary', `-ts=${suite}`, `-tc=${name.replaceAll(',', '\\,')}`];
  const child = spawn(program, words, { cwd: packageRoot });
  const [said, complaints, [status, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  const results = new Map(casesIn(said).map(({ name, result }) => [name, result]));
  return { results, ending: `It ended with ${signal ?? status}.\n${said}${complaints}` };
}

describe.each(programs)('%s', (file) => {
  const program = join(build, 'test', file);
  const listed = casesIn(execFileSync(program, ['-r=xml', '-ltc'], { encoding: 'utf8' }));
  const runs = new Map<string, ReturnType<typeof run>>();

  // Loading LibTorch takes half a second, so a suite is one run, which begins with the first of its tests.
  const runOf = (suite: string) => {
    const started = runs.get(suite) ?? run(program, suite);
    runs.set(suite, started);
    return started;
  };

  for (const { suite, name } of listed) {
    test(`${suite}: ${name}`, { timeout: listed.length * 60_000 }, async () => {
      const { results } = await runOf(suite);
      const alone = results.has(name) ? undefined : await run(program, suite, name);
      const result = results.get(name) ?? alone?.results.get(name) ?? alone?.ending ?? '';
      expect(result.includes('test_case_success="true"'), result).toBe(true);
    });
  }
});
