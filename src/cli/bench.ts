import type { Command } from 'commander';
import * as z from 'zod';
import { type BenchResult, bench } from '../bench/bench.js';
import { type BenchCaseName, benchCases } from '../bench/cases.js';
import type { EngineName } from '../native/addon.js';
import { defaultOf, refused } from '../options/check.js';
import { choice, listed, whole } from '../options/row.js';
import { convolutionNames, engineNames } from '../options/schemas.js';
import { defaultThreads } from '../system/threads.js';
import { addFlags, flagOptions } from './flags.js';
import { table } from './table.js';

const caseNames = Object.keys(benchCases) as BenchCaseName[];
const someEngines = 'native, autograd, or native,autograd';

const schema = z.strictObject({
  case: choice(caseNames, 'what to time', { default: 'demo' }),
  engines: listed('list', someEngines, 'what computes the gradients', { default: 'native,autograd' }),
  rounds: whole(1, 1000, 'timed iterations of each engine', { default: 5 }),
  threads: whole(1, 1000, 'CPU threads (all cores)'),
  convolution: choice(convolutionNames, 'how the native engine computes 3×3 convolutions', { default: 'auto' }),
  innerSteps: whole(1, 1000, 'T, virtual steps on the matching loss', { default: 2 }),
});

export function register(program: Command): void {
  const command = program
    .command('bench')
    .description('measure how long an iteration takes and how much memory, of one engine or of both in one run');
  addFlags(command, schema);
  command
    .option('--json', 'print the result as one JSON document')
    .addHelpText('after', `\nCases:\n${caseNames.map((name) => `  ${name}: ${benchCases[name].about}`).join('\n')}`)
    .action(async (flags: { json?: boolean } & Record<string, unknown>) => {
      const given = flagOptions(schema, flags);
      const or = <K extends keyof typeof given>(key: K) => given[key] ?? defaultOf(schema, key);
      const rounds = or('rounds');
      const result = await bench(or('case'), {
        engines: engines(or('engines')),
        rounds,
        threads: given.threads ?? defaultThreads(),
        convolution: or('convolution'),
        innerSteps: or('innerSteps'),
        onRound: (round, engine, seconds) => {
          const what = round === 0 ? 'warm-up' : `round ${round} of ${rounds}`;
          process.stderr.write(`${what}: ${engine} ${seconds.toFixed(3)} s\n`);
        },
      });
      process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : format(result));
    });
}

function engines(text: string): EngineName[] {
  const list = text.split(',');
  const known = (name: string): name is EngineName => engineNames.some((engine) => engine === name);
  if (list.every(known) && new Set(list).size === list.length) return list;
  throw refused('--engines', text, someEngines);
}

function format(result: BenchResult): string {
  const rows = result.cases.map(({ engine, seconds, imagesPerSecond, peakBytes, iterationBytes }) => [
    engine,
    seconds.min.toFixed(3),
    seconds.median.toFixed(3),
    imagesPerSecond.toFixed(1),
    (peakBytes / 2 ** 20).toFixed(0),
    (iterationBytes / 2 ** 20).toFixed(0),
  ]);
  const phases = Object.keys(result.cases[0]?.phases ?? {}).map((phase) => [
    phase,
    ...result.cases.map((timing) => (timing.phases[phase] ?? 0).toFixed(3)),
  ]);
  const lines = [
    `${result.case}: ${benchCases[result.case].about}; ${result.threads} threads, ${result.rounds} rounds`,
    table(['engine', 'min s', 'median s', 'images/s', 'peak MiB', 'of the iteration'], rows),
    table(['phase', ...result.cases.map(({ engine }) => engine)], phases),
  ];
  if (result.decodedPerSecond !== undefined)
    lines.push(
      `decoding for training: ${result.decodedPerSecond.toFixed(0)} images/s (JPEGs of 500×375, random crops)`,
    );
  const { gemmGflops, bandwidthGBs } = result.machine;
  lines.push(
    `this machine at best: ${gemmGflops.toFixed(0)} GFLOP/s (float32 products), ${bandwidthGBs.toFixed(0)} GB/s of memory`,
  );
  if (result.ratio !== undefined) lines.push(`autograd / native: ${result.ratio.toFixed(2)}`);
  lines.push(`a 10 ms timer fired at most ${result.timerDelayP99.toFixed(1)} ms late in 99 of 100 times`);
  return `${lines.join('\n')}\n`;
}
