import type { Command } from 'commander';
import * as z from 'zod';
import { bench } from '../bench/bench.js';
import { type BenchCaseName, benchCases, isBilevel } from '../bench/cases.js';
import { benchLayers } from '../bench/layers.js';
import { benchListing, type ListingResult } from '../bench/listing.js';
import { benchRanks } from '../bench/ranks.js';
import type { EngineName } from '../native/addon.js';
import { convolutionNames, engineNames } from '../native/contract/names.js';
import { defaultOf, type Given, refused } from '../options/check.js';
import { choice, listed, text, whole, yes } from '../options/row.js';
import { invalidOption } from '../system/failures.js';
import { printableJson } from '../system/printable.js';
import { availableCores } from '../system/threads.js';
import { formatBench, formatLayers, formatListing, formatRanks } from './bench-report.js';
import { addFlags, flagOptions, labelOf } from './flags.js';
import { beforeJoining, groupFlags, groupOf, reports } from './group-flags.js';
import { interruptible } from './interrupt.js';
import { say } from './progress.js';

const caseNames = Object.keys(benchCases) as BenchCaseName[];
/** The case that is no iteration: a large set of images is listed. */
const listingName = 'listing';
const listingHelp = `  ${listingName}: lists a generated tree of --images empty files, in the layout of ImageNet: time and memory`;
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

export function register(command: Command): void {
  addFlags(command, schema.extend(groupFlags))
    .option('--json', 'print the result as one JSON document')
    .addHelpText(
      'after',
      `\nCases:\n${caseNames.map((name) => `  ${name}: ${benchCases[name].about}\n`).join('')}${listingHelp}`,
    )
    .action(async (flags: { json?: boolean } & Record<string, unknown>) => {
      const group = groupOf(flags);
      const given = await beforeJoining(group, async () => flagOptions(schema, flags));
      requireUseful(given, group !== undefined);
      const or = <K extends keyof typeof given>(key: K) => given[key] ?? defaultOf(schema, key);
      const show = <T>(result: T, format: (result: T) => string) => {
        if (reports(group)) process.stdout.write(flags.json ? `${printableJson(result)}\n` : format(result));
      };
      const [name, rounds] = [or('case'), or('rounds')];
      const onRound = (round: number, engine: string, seconds: number) => {
        const what = round <= 0 ? 'warm-up' : `round ${round} of ${rounds}`;
        if (reports(group)) say(`${what}: ${engine}${seconds.toFixed(3)} s`);
      };
      if (name === listingName) return show(await listing(or('images')), formatListing);
      const same = { rounds, batch: given.batch, convolution: or('convolution'), innerSteps: or('innerSteps') };
      const { nproc: ranks, threads } = given;
      if (given.layers) {
        const layers = { ...same, threads: threads ?? availableCores() };
        const result = await benchLayers(name, { ...layers, onRound: (round, seconds) => onRound(round, '', seconds) });
        return show(result, formatLayers);
      }
      if (ranks !== undefined) {
        const each = threads ?? Math.max(1, Math.floor(availableCores() / ranks));
        const onTurn = (turn: number, turns: number) => say(`turn ${turn} of ${turns}`);
        return show(await benchRanks(name, { ...same, ranks, threads: each, onTurn }), formatRanks);
      }
      const result = await bench(name, {
        // Automatic differentiation computes in one process only.
        engines: engines(given.engines ?? (group ? 'native' : defaultOf(schema, 'engines'))),
        ...same,
        device: or('device'),
        threads,
        group,
        onRound: (round, engine, seconds) => onRound(round, `${engine} `, seconds),
      });
      show(result, formatBench);
    });
}

/** Refuses options that the measurement does not read, and a group where it starts from one process. */
function requireUseful(given: Given<typeof schema>, inGroup: boolean): void {
  const name = given.case ?? defaultOf(schema, 'case');
  const isListing = name === listingName;
  const isRead = (key: string) => {
    if (key === 'case') return true;
    if (isListing || key === 'images') return isListing && key === 'images';
    return key !== 'innerSteps' || isBilevel(name);
  };
  const refuse = (message: string) => {
    throw invalidOption(message);
  };
  const labels = (keys: readonly string[]) => keys.map(labelOf).join(', ');
  const useless = Object.keys(given).filter((key) => !isRead(key));
  if (useless.length > 0) {
    refuse(`--case ${name} has no use for ${labels(useless)}: leave out what it does not read.`);
  }
  const alone = 'start one alone, or give --no-group.';
  if (isListing && inGroup) refuse(`--case listing is measured in one process: ${alone}`);
  const flag = given.layers ? '--layers' : given.nproc !== undefined ? '--nproc' : undefined;
  if (flag === undefined) return;
  const chosen = (given.layers ? ['engines', 'device', 'nproc'] : ['engines', 'device']).filter((key) => key in given);
  if (chosen.length > 0) refuse(`${flag} times the native engine on the CPU: leave out ${labels(chosen)}.`);
  if (inGroup) refuse(`${flag} starts from one process: ${alone}`);
}

function listing(images: number): Promise<ListingResult> {
  let said = performance.now();
  const onGenerated = (done: number, total: number) => {
    if (performance.now() - said < sayEvery) return;
    said = performance.now();
    say(`generating files: ${done} of ${total}`);
  };
  return interruptible((signal) => benchListing(images, { signal, onGenerated }));
}

/** Milliseconds between two lines of progress. */
const sayEvery = 5000;

function engines(text: string): EngineName[] {
  const list = text.split(',');
  const known = (name: string): name is EngineName => engineNames.some((engine) => engine === name);
  if (list.every(known) && new Set(list).size === list.length) return list;
  throw refused('--engines', text, someEngines);
}
