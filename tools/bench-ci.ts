#!/usr/bin/env node
/**
 * `npm run bench:ci [-- OUT.json]`: times the cases of bench/baseline.json, compares each ratio autograd ÷ native with
 * the recorded one, writes JSON and a Markdown table (to $GITHUB_STEP_SUMMARY too), and exits 1 if a ratio fell further
 * than the baseline allows. Ratios come from one run, so the machine's speed does not matter.
 */
import { appendFile, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { type BenchResult, bench } from '../src/bench/bench.js';
import { type BenchCaseName, benchCases } from '../src/bench/cases.js';
import { writeFileAtomic } from '../src/system/files.js';
import { defaultThreads } from '../src/system/threads.js';

const baselineSchema = z.strictObject({
  /** A ratio may fall by this share before the run fails. */
  allowedFall: z.number().gt(0).lt(1),
  cases: z.array(
    z.strictObject({
      name: z.enum(Object.keys(benchCases) as [BenchCaseName, ...BenchCaseName[]]),
      rounds: z.int().min(1),
      ratio: z.number().positive(),
    }),
  ),
});

const baselineFile = fileURLToPath(new URL('../bench/baseline.json', import.meta.url));
const { allowedFall, cases } = baselineSchema.parse(JSON.parse(await readFile(baselineFile, 'utf8')));
const settings = { device: 'cpu', threads: defaultThreads(), convolution: 'auto', innerSteps: 2 } as const;
const results: (BenchResult & { readonly baseline: number; readonly fell: boolean })[] = [];
for (const { name, rounds, ratio } of cases) {
  process.stderr.write(`${name}: ${rounds} rounds of each engine\n`);
  const result = await bench(name, { engines: ['native', 'autograd'], rounds, ...settings });
  results.push({ ...result, baseline: ratio, fell: (result.ratio ?? 0) < ratio * (1 - allowedFall) });
}

const mebibytes = (result: BenchResult, engine: string) =>
  ((result.cases.find((timing) => timing.engine === engine)?.peakBytes ?? 0) / 2 ** 20).toFixed(0);
const markdown = [
  '| case | native s | autograd s | ratio | recorded | native MiB | autograd MiB | |',
  '|---|---|---|---|---|---|---|---|',
  ...results.map((result) => {
    const [native, autograd] = result.cases.map(({ seconds }) => seconds.min.toFixed(3));
    const verdict = result.fell ? `fell by more than ${100 * allowedFall} %` : 'holds';
    const memory = `${mebibytes(result, 'native')} | ${mebibytes(result, 'autograd')}`;
    return `| ${result.case} | ${native} | ${autograd} | ${result.ratio?.toFixed(2)} | ${result.baseline} | ${memory} | ${verdict} |`;
  }),
].join('\n');
process.stdout.write(`${markdown}\n`);
await writeFileAtomic(process.argv[2] ?? 'bench.json', `${JSON.stringify(results, null, 2)}\n`);
const summary = process.env.GITHUB_STEP_SUMMARY;
if (summary) await appendFile(summary, `${markdown}\n`);
if (results.some(({ fell }) => fell)) process.exitCode = 1;
