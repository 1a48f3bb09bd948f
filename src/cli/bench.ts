import type { Command } from 'commander';
import * as z from 'zod';
import { bench } from '../bench/bench.js';
import { type BenchCaseName, benchCases, isBilevel } from '../bench/cases.js';
import type { EngineName } from '../native/addon.js';
import { convolutionNames, engineNames } from '../native/contract/names.js';
import { defaultOf, refused } from '../options/check.js';
import { choice, listed, text, whole } from '../options/row.js';
import { invalidOption } from '../system/failures.js';
import { printableJson } from '../system/printable.js';
import { formatBench } from './bench-report.js';
import { addFlags, flagOptions, labelOf } from './flags.js';
import { say } from './progress.js';

const caseNames = Object.keys(benchCases) as BenchCaseName[];
const someEngines = 'native, autograd, or native,autograd';

const schema = z.strictObject({
  case: choice(caseNames, 'what to time', { default: 'demo' }),
  engines: listed('list', someEngines, 'what computes the gradients', { default: 'native,autograd' }),
  rounds: whole(1, 1000, 'timed iterations of each engine', { default: 5 }),
  device: text('name', 'auto, cpu, cuda or cuda:N', 'where to compute', { default: 'cpu' }),
  batch: whole(2, 65_536, "images of an iteration (the case's)"),
  threads: whole(1, 1000, 'CPU threads (all cores)'),
  convolution: choice(convolutionNames, 'how the native engine computes convolutions', { default: 'auto' }),
  innerSteps: whole(1, 1000, 'T, virtual steps on the matching loss', { default: 2 }),
});

export function register(command: Command): void {
  addFlags(command, schema)
    .option('--json', 'print the result as one JSON document')
    .addHelpText('after', `\nCases:\n${caseNames.map((name) => `  ${name}: ${benchCases[name].about}`).join('\n')}`)
    .action(async (flags: { json?: boolean } & Record<string, unknown>) => {
      const options = flagOptions(schema, flags);
      const or = <K extends keyof typeof options>(key: K) => options[key] ?? defaultOf(schema, key);
      const [name, rounds] = [or('case'), or('rounds')];
      if (options.innerSteps !== undefined && !isBilevel(name)) {
        throw invalidOption(`--case ${name} has no use for ${labelOf('innerSteps')}: leave it out.`);
      }
      const result = await bench(name, {
        engines: engines(or('engines')),
        rounds,
        device: or('device'),
        batch: options.batch,
        threads: options.threads,
        convolution: or('convolution'),
        innerSteps: or('innerSteps'),
        onRound: (round, engine, seconds) =>
          say(`${round <= 0 ? 'warm-up' : `round ${round} of ${rounds}`}: ${engine} ${seconds.toFixed(3)} s`),
      });
      process.stdout.write(flags.json ? `${printableJson(result)}\n` : formatBench(result));
    });
}

function engines(text: string): EngineName[] {
  const list = text.split(',');
  const known = (name: string): name is EngineName => engineNames.some((engine) => engine === name);
  if (list.every(known) && new Set(list).size === list.length) return list;
  throw refused('--engines', text, someEngines);
}
