import type { Command } from 'commander';
import * as z from 'zod';
import { type BenchResult, bench, type EngineTiming } from '../bench/bench.js';
import { type BenchCaseName, benchCases, deviceTitle, isBilevel } from '../bench/cases.js';
import type { EngineName, MachineSpeed } from '../native/addon.js';
import { convolutionNames, engineNames } from '../native/contract/names.js';
import { defaultOf, refused } from '../options/check.js';
import { choice, listed, text, whole } from '../options/row.js';
import { invalidOption } from '../system/failures.js';
import { printableJson } from '../system/printable.js';
import { percent } from '../system/statistics.js';
import { addFlags, type Flags, flagOptions, labelOf } from './flags.js';
import { say } from './progress.js';
import { table } from './table.js';

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
    .action(async (flags: Flags) => {
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

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

export const machineLine = ({ gemmGflops, bandwidthGBs }: MachineSpeed): string =>
  `this machine at best: ${gemmGflops.toFixed(0)} GFLOP/s (float32 products), ${bandwidthGBs.toFixed(0)} GB/s of memory`;

/** Formats the result of `bench` for a terminal. */
function formatBench(result: BenchResult): string {
  const { cases, machine, ratio } = result;
  const { about, batch } = benchCases[result.case];
  const other = result.batch === batch ? '' : `, but batch ${result.batch}`;
  return `${[
    `${result.case}: ${about}${other}; ${deviceTitle(result)}, ${result.threads} threads, ${result.rounds} rounds`,
    enginesTable(cases),
    phasesTable(cases),
    ...cases.flatMap(({ engine, eagerSeconds, launches }) => {
      if (eagerSeconds === undefined) return [];
      const count = launches ? `; a graph of ${launches} launches` : '';
      return [`${engine} without its graph: ${eagerSeconds.min.toFixed(3)} s at best${count}; phases are without it`];
    }),
    ...(result.gpu ? cases.map((timing) => gpuLine(timing, result)) : []),
    ...(machine ? [machineLine(machine)] : []),
    ...(ratio === undefined ? [] : [`autograd / native: ${ratio.toFixed(2)}`]),
  ].join('\n')}\n`;
}

function enginesTable(cases: readonly EngineTiming[]): string {
  const rows = cases.map(({ engine, seconds, imagesPerSecond, peakBytes, iterationBytes }) => [
    engine,
    seconds.min.toFixed(3),
    seconds.median.toFixed(3),
    imagesPerSecond.toFixed(1),
    mebibytes(peakBytes),
    mebibytes(iterationBytes),
  ]);
  return table(['engine', 'min s', 'median s', 'images/s', 'peak MiB', 'of the iteration'], rows);
}

function phasesTable(cases: readonly EngineTiming[]): string {
  const rows = Object.keys(cases[0]?.phases ?? {}).map((phase) => [
    phase,
    ...cases.map((timing) => (1000 * (timing.phases[phase] ?? 0)).toFixed(1)),
  ]);
  return table(['phase, ms', ...cases.map(({ engine }) => engine)], rows);
}

function gpuLine({ engine, gpuMemory, peakShare }: EngineTiming, { gpu, iterationGflop }: BenchResult): string {
  const { allocated = 0, reserved = 0 } = gpuMemory ?? {};
  const share =
    peakShare === undefined
      ? ''
      : `; ${iterationGflop.toFixed(0)} GFLOP an iteration, ${percent(peakShare)} of the card's ${gpu?.float32Gflops.toFixed(0)} GFLOP/s in float32`;
  return `${engine}: at most ${mebibytes(allocated)} MiB in the card's tensors, ${mebibytes(reserved)} MiB reserved${share}`;
}
