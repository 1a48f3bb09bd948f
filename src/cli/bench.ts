import type { Command } from 'commander';
import * as z from 'zod';
import { bench } from '../bench/bench.js';
import { type BenchCaseName, benchCases } from '../bench/cases.js';
import type { EngineName } from '../native/addon.js';
import { defaultOf, refused } from '../options/check.js';
import { choice, listed, text, whole } from '../options/row.js';
import { convolutionNames, engineNames } from '../options/schemas.js';
import { formatBench } from './bench-report.js';
import { addFlags, flagOptions } from './flags.js';
import { beforeJoining, groupFlags, groupOf, reports } from './group-flags.js';

const caseNames = Object.keys(benchCases) as BenchCaseName[];
const someEngines = 'native, autograd, or native,autograd';

const schema = z.strictObject({
  case: choice(caseNames, 'what to time', { default: 'demo' }),
  engines: listed('list', someEngines, 'what computes the gradients', { default: 'native,autograd' }),
  rounds: whole(1, 1000, 'timed iterations of each engine', { default: 5 }),
  device: text('name', 'auto, cpu, cuda or cuda:N', 'where to compute', { default: 'cpu' }),
  batch: whole(2, 65_536, "images of an iteration (the case's)"),
  threads: whole(1, 1000, 'CPU threads (all cores)'),
  convolution: choice(convolutionNames, 'how the native engine computes 3×3 convolutions', { default: 'auto' }),
  innerSteps: whole(1, 1000, 'T, virtual steps on the matching loss', { default: 2 }),
});

export function register(program: Command): void {
  const command = program
    .command('bench')
    .description('measure how long an iteration takes and how much memory, of one engine or of both in one run');
  addFlags(command, schema.extend(groupFlags));
  command
    .option('--json', 'print the result as one JSON document')
    .addHelpText('after', `\nCases:\n${caseNames.map((name) => `  ${name}: ${benchCases[name].about}`).join('\n')}`)
    .action(async (flags: { json?: boolean } & Record<string, unknown>) => {
      const group = groupOf(flags);
      const given = await beforeJoining(group, async () => flagOptions(schema, flags));
      const or = <K extends keyof typeof given>(key: K) => given[key] ?? defaultOf(schema, key);
      const rounds = or('rounds');
      const result = await bench(or('case'), {
        // Automatic differentiation computes in one process only.
        engines: engines(given.engines ?? (group ? 'native' : defaultOf(schema, 'engines'))),
        rounds,
        device: or('device'),
        batch: given.batch,
        threads: given.threads,
        group,
        convolution: or('convolution'),
        innerSteps: or('innerSteps'),
        onRound: (round, engine, seconds) => {
          if (!reports(group)) return;
          const what = round <= 0 ? 'warm-up' : `round ${round} of ${rounds}`;
          process.stderr.write(`${what}: ${engine} ${seconds.toFixed(3)} s\n`);
        },
      });
      if (reports(group)) process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : formatBench(result));
    });
}

function engines(text: string): EngineName[] {
  const list = text.split(',');
  const known = (name: string): name is EngineName => engineNames.some((engine) => engine === name);
  if (list.every(known) && new Set(list).size === list.length) return list;
  throw refused('--engines', text, someEngines);
}
