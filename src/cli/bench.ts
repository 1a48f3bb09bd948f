import type { Command } from 'commander';
import * as z from 'zod';
import { bench } from '../bench/bench.js';
import { type BenchCaseName, benchCases, isBilevel } from '../bench/cases.js';
import { benchLayers, type LayersOptions } from '../bench/layers.js';
import { benchListing } from '../bench/listing.js';
import { benchRanks, type RanksOptions } from '../bench/ranks.js';
import { L2TError } from '../errors.js';
import type { EngineName } from '../native/addon.js';
import { convolutionNames, engineNames } from '../native/contract/names.js';
import { defaultOf, refused } from '../options/check.js';
import { choice, listed, text, whole, yes } from '../options/row.js';
import { printableJson } from '../system/printable.js';
import { availableCores } from '../system/threads.js';
import { formatLayers } from './bench-layers-report.js';
import { formatBench, formatListing, formatRanks } from './bench-report.js';
import { addFlags, flagOptions, labelOf } from './flags.js';
import { beforeJoining, groupFlags, groupOf, reports } from './group-flags.js';
import { interruptible } from './interrupt.js';

const caseNames = Object.keys(benchCases) as BenchCaseName[];
/** The case that is no iteration: a large set of images is listed. */
const listingName = 'listing';
const someEngines = 'native, autograd, or native,autograd';

const schema = z.strictObject({
  case: choice([...caseNames, listingName], 'what to time', { default: 'demo' }),
  engines: listed('list', someEngines, 'what computes the gradients', { default: 'native,autograd' }),
  rounds: whole(1, 1000, 'timed iterations of each engine', { default: 5 }),
  device: text('name', 'auto, cpu, cuda or cuda:N', 'where to compute', { default: 'cpu' }),
  batch: whole(2, 65_536, "images of an iteration (the case's)"),
  threads: whole(1, 1000, 'CPU threads (all cores)'),
  convolution: choice(convolutionNames, 'how the native engine computes convolutions', { default: 'auto' }),
  innerSteps: whole(1, 1000, 'T, virtual steps on the matching loss', { default: 2 }),
  nproc: whole(2, 64, 'processes of this host that share each batch: times them against one process, on the CPU'),
  layers: yes('times each layer and sweep of the native engine on the CPU, beside what the machine allows'),
  images: whole(100, 10_000_000, 'files that the case listing generates', { default: 1_300_000 }),
});

export function register(program: Command): void {
  const command = program
    .command('bench')
    .description('measure how long an iteration takes and how much memory, of one engine or of both in one run');
  addFlags(command, schema.extend(groupFlags));
  command
    .option('--json', 'print the result as one JSON document')
    .addHelpText('after', `\nCases:\n${caseLines().join('\n')}`)
    .action(async (flags: { json?: boolean } & Record<string, unknown>) => {
      const group = groupOf(flags);
      const given = await beforeJoining(group, async () => flagOptions(schema, flags));
      const or = <K extends keyof typeof given>(key: K) => given[key] ?? defaultOf(schema, key);
      const name = or('case');
      requireRead(name, Object.keys(given));
      if (name === listingName && group) {
        throw new L2TError(
          'INVALID_OPTION',
          '--case listing is measured in one process: start one alone, or give --no-group.',
        );
      }
      if (name === listingName) return runListing(or('images'), flags.json);
      const rounds = or('rounds');
      const same = { rounds, batch: given.batch, convolution: or('convolution'), innerSteps: or('innerSteps') };
      if (given.layers) {
        requireOnly('--layers', ['engines', 'device', 'nproc'], given, group !== undefined);
        return runLayers(name, { ...same, threads: given.threads ?? availableCores() }, flags.json);
      }
      if (given.nproc !== undefined) {
        requireOnly('--nproc', ['engines', 'device'], given, group !== undefined);
        const threads = given.threads ?? Math.max(1, Math.floor(availableCores() / given.nproc));
        return runRanks(name, { ...same, ranks: given.nproc, threads }, flags.json);
      }
      const result = await bench(name, {
        // Automatic differentiation computes in one process only.
        engines: engines(given.engines ?? (group ? 'native' : defaultOf(schema, 'engines'))),
        ...same,
        device: or('device'),
        threads: given.threads,
        group,
        onRound: (round, engine, seconds) => {
          if (!reports(group)) return;
          const what = round <= 0 ? 'warm-up' : `round ${round} of ${rounds}`;
          process.stderr.write(`${what}: ${engine} ${seconds.toFixed(3)} s\n`);
        },
      });
      if (reports(group)) process.stdout.write(flags.json ? `${printableJson(result)}\n` : formatBench(result));
    });
}

const caseLines = (): string[] => [
  ...caseNames.map((name) => `  ${name}: ${benchCases[name].about}`),
  `  ${listingName}: lists a generated tree of --images empty files, in the layout of ImageNet: time and memory`,
];

/** Refuses options that the case does not read. */
function requireRead(name: BenchCaseName | typeof listingName, given: readonly string[]): void {
  const isListing = name === listingName;
  const isRead = (key: string) => {
    if (key === 'case') return true;
    if (isListing || key === 'images') return isListing && key === 'images';
    return key !== 'innerSteps' || isBilevel(name);
  };
  const useless = given.filter((key) => !isRead(key));
  if (useless.length === 0) return;
  const list = useless.map(labelOf).join(', ');
  throw new L2TError('INVALID_OPTION', `--case ${name} has no use for ${list}: leave out what it does not read.`);
}

/** Refuses what does not go with a flag that times the native engine on the CPU, in processes of its own choice. */
function requireOnly(
  flag: string,
  others: readonly string[],
  given: Readonly<Record<string, unknown>>,
  inGroup: boolean,
): void {
  const useless = others.filter((key) => given[key] !== undefined).map(labelOf);
  if (useless.length > 0) {
    const list = useless.join(', ');
    throw new L2TError('INVALID_OPTION', `${flag} times the native engine on the CPU: leave out ${list}.`);
  }
  if (inGroup)
    throw new L2TError('INVALID_OPTION', `${flag} starts from one process: start one alone, or give --no-group.`);
}

async function runLayers(name: BenchCaseName, options: LayersOptions, json: boolean | undefined): Promise<void> {
  const onRound = (round: number, seconds: number) => {
    const what = round === 0 ? 'warm-up' : `round ${round} of ${options.rounds}`;
    process.stderr.write(`${what}: ${seconds.toFixed(3)} s\n`);
  };
  const result = await benchLayers(name, { ...options, onRound });
  process.stdout.write(json ? `${printableJson(result)}\n` : formatLayers(result));
}

async function runRanks(name: BenchCaseName, options: RanksOptions, json: boolean | undefined): Promise<void> {
  const onTurn = (turn: number, turns: number) => {
    process.stderr.write(`turn ${turn} of ${turns}\n`);
  };
  const result = await benchRanks(name, { ...options, onTurn });
  process.stdout.write(json ? `${printableJson(result)}\n` : formatRanks(result));
}

async function runListing(images: number, json: boolean | undefined): Promise<void> {
  let said = performance.now();
  const onGenerated = (done: number, total: number) => {
    if (performance.now() - said < sayEvery) return;
    said = performance.now();
    process.stderr.write(`generating files: ${done} of ${total}\n`);
  };
  const result = await interruptible((signal) => benchListing(images, { signal, onGenerated }));
  process.stdout.write(json ? `${printableJson(result)}\n` : formatListing(result));
}

/** Milliseconds between two lines of progress. */
const sayEvery = 5000;

function engines(text: string): EngineName[] {
  const list = text.split(',');
  const known = (name: string): name is EngineName => engineNames.some((engine) => engine === name);
  if (list.every(known) && new Set(list).size === list.length) return list;
  throw refused('--engines', text, someEngines);
}
