import { type Command, InvalidArgumentError, Option } from 'commander';
import { type BenchResult, bench } from '../bench/bench.js';
import { type BenchCaseName, benchCases } from '../bench/cases.js';
import type { ConvolutionName, EngineName } from '../native/addon.js';
import { convolutionNames, engineNames } from '../options/schemas.js';
import { defaultThreads } from '../system/threads.js';
import { table } from './table.js';

interface Flags {
  readonly case: BenchCaseName;
  readonly engines: readonly EngineName[];
  readonly rounds: number;
  readonly threads?: number;
  readonly convolution: ConvolutionName;
  readonly innerSteps: number;
  readonly json?: boolean;
}

/** The largest value of each number here. */
const most = 1000;
const range = `from 1 to ${most}`;

export function register(program: Command): void {
  const names = Object.keys(benchCases);
  const list = Object.entries(benchCases).map(([name, { about }]) => `  ${name}: ${about}`);
  program
    .command('bench')
    .description('measure how long an iteration takes and how much memory, of one engine or of both in one run')
    .addOption(new Option('--case <name>', 'what to time').choices(names).default('demo'))
    .addOption(
      new Option('--engines <list>', 'native, autograd, or both').argParser(engines).default(['native', 'autograd']),
    )
    .addOption(new Option('--rounds <n>', `timed iterations of each engine; ${range}`).argParser(whole).default(5))
    .addOption(new Option('--threads <n>', `CPU threads (all cores); ${range}`).argParser(whole))
    .addOption(
      new Option('--convolution <which>', 'how the native engine computes 3×3 convolutions')
        .choices(convolutionNames)
        .default('auto'),
    )
    .addOption(
      new Option('--inner-steps <n>', `T, virtual steps on the matching loss; ${range}`).argParser(whole).default(2),
    )
    .option('--json', 'print the result as one JSON document')
    .addHelpText('after', `\nCases:\n${list.join('\n')}`)
    .action(async (flags: Flags) => {
      const result = await bench(flags.case, {
        engines: flags.engines,
        rounds: flags.rounds,
        threads: flags.threads ?? defaultThreads(),
        convolution: flags.convolution,
        innerSteps: flags.innerSteps,
        onRound: (round, engine, seconds) => {
          const what = round === 0 ? 'warm-up' : `round ${round} of ${flags.rounds}`;
          process.stderr.write(`${what}: ${engine} ${seconds.toFixed(3)} s\n`);
        },
      });
      process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : format(result));
    });
}

function engines(text: string): EngineName[] {
  const list = text.split(',');
  const known = (name: string): name is EngineName => engineNames.some((engine) => engine === name);
  if (!list.every(known) || new Set(list).size !== list.length) {
    throw new InvalidArgumentError('Use native, autograd, or native,autograd.');
  }
  return list;
}

function whole(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > most) throw new InvalidArgumentError(`Use a whole number ${range}.`);
  return value;
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
