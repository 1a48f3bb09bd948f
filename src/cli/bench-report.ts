import type { BenchResult, EngineTiming } from '../bench/bench.js';
import { benchCases, deviceTitle } from '../bench/cases.js';
import type { Layer, LayersResult } from '../bench/layers.js';
import type { ListingResult } from '../bench/listing.js';
import type { RanksResult } from '../bench/ranks.js';
import type { MachineSpeed } from '../native/addon.js';
import { counted } from '../system/printable.js';
import { percent } from '../system/statistics.js';
import { table } from './table.js';

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

const ms = (seconds: number): string => (1000 * seconds).toFixed(seconds < 0.001 ? 3 : 1);

const machineLine = ({ gemmGflops, bandwidthGBs }: MachineSpeed): string =>
  `this machine at best: ${gemmGflops.toFixed(0)} GFLOP/s (float32 products), ${bandwidthGBs.toFixed(0)} GB/s of memory`;

/** The result of `bench` for a terminal. */
export function formatBench(result: BenchResult): string {
  const { cases, decodedPerSecond, machine, ratio, timerDelayP99 } = result;
  const { about, batch } = benchCases[result.case];
  const processes = result.ranks === undefined ? '' : `${result.ranks} processes with each `;
  const other = result.batch === batch ? '' : `, but batch ${result.batch}`;
  return `${[
    `${result.case}: ${about}${other}; ${deviceTitle(result)}, ${processes}${result.threads} threads, ${result.rounds} rounds`,
    enginesTable(cases),
    phasesTable(cases),
    ...cases.flatMap(({ engine, eagerSeconds, launches }) => {
      if (eagerSeconds === undefined) return [];
      const count = launches ? `; a graph of ${launches} launches` : '';
      return [`${engine} without its graph: ${eagerSeconds.min.toFixed(3)} s at best${count}; phases are without it`];
    }),
    ...cases.flatMap(({ engine, traffic }) =>
      traffic
        ? [`${engine}: a rank sends ${megabytes(traffic.bytes)} MB in ${traffic.calls} exchanges an iteration`]
        : [],
    ),
    ...(result.gpu ? cases.map((timing) => gpuLine(timing, result)) : []),
    ...(decodedPerSecond === undefined
      ? []
      : [`decoding for training: ${decodedPerSecond.toFixed(0)} images/s (JPEGs of 500×375, random crops)`]),
    ...(machine ? [machineLine(machine)] : []),
    ...(ratio === undefined ? [] : [`autograd / native: ${ratio.toFixed(2)}`]),
    `a 10 ms timer fired at most ${timerDelayP99.toFixed(1)} ms late in 99 of 100 times`,
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

/** The result of `bench --layers` for a terminal. */
export function formatLayers(result: LayersResult): string {
  const { machine, total, iteration, threads, rounds, batch } = result;
  return `${[
    `${result.case}: ${benchCases[result.case].about}; batch ${batch}, ${threads} threads, ${rounds} rounds`,
    machineLine(machine),
    table(['layer', 'sweep', 'times', 'ms', 'floor', 'by', 'share', 'ms in all'], layerRows(result.layers)),
    `layers with a floor: ${ms(total.seconds)} ms an iteration; floor ${ms(total.floor)} ms, ${percent(total.share, 0)}`,
    `the fastest iteration: ${ms(iteration.seconds)} ms, ${ms(iteration.rest)} ms of it in no layer`,
  ].join('\n')}\n`;
}

/** A layer's title is in the row of its first sweep. */
const layerRows = (layers: readonly Layer[]): string[][] =>
  layers.map((layer, i) => {
    const { sweep, calls, seconds, floor, bound, share } = layer;
    const before = layers[i - 1];
    // Of two equal units in a row, each has its title.
    const named = sweep.startsWith('forward') || before === undefined || titleOf(before) !== titleOf(layer);
    const limits = [floor === undefined ? '' : ms(floor), bound ?? '', share === undefined ? '' : percent(share, 0)];
    return [named ? titleOf(layer) : '', sweep, `${calls}`, ms(seconds), ...limits, ms(calls * seconds)];
  });

const titleOf = ({ part, name, operations }: Layer): string =>
  part === 'unit' ? `${name} ${operations.map((kind) => kind.replaceAll('_', ' ')).join(' + ')}` : `${part}: ${name}`;

/** The result of `bench --nproc` for a terminal. */
export function formatRanks(result: RanksResult): string {
  const { ranks, threads, batch, bytes, calls } = result;
  const rows = [
    [`one process, ${counted(threads * ranks, 'thread')}`, result.together],
    [`${ranks} processes, ${counted(threads, 'thread')} each`, result.shared],
    [`one process, ${counted(threads, 'thread')}`, result.whole],
    [`one process, ${counted(threads, 'thread')}, ${batch / ranks} images`, result.share],
  ] as const;
  return `${[
    `${result.case}: ${benchCases[result.case].about}; batch ${batch}, ${result.rounds} rounds`,
    table(
      ['', 's an iteration'],
      rows.map(([what, seconds]) => [what, seconds.toFixed(3)]),
    ),
    `${ranks} processes take ${result.ratio.toFixed(2)} times as long as one with all threads`,
    `each repeats ${result.repeated.toFixed(3)} s of the others' work, and takes ${result.exchanges.toFixed(3)} s for exchanges`,
    `a rank gives ${megabytes(bytes)} MB to ${calls} exchanges an iteration`,
  ].join('\n')}\n`;
}

/** The result of the case `listing` for a terminal. */
export function formatListing({ images, classes, seconds, peakBytes, bytesPerImage }: ListingResult): string {
  const { list, fingerprint, split } = seconds;
  const rows = [
    ['reading the folders', list.toFixed(1)],
    ["fingerprint: every file's size", fingerprint.toFixed(1)],
    ['dividing, and writing the split', split.toFixed(1)],
    ['all', (list + fingerprint + split).toFixed(1)],
  ];
  const count = images.toLocaleString('en');
  return `${[
    `listing: ${count} files in ${classes} classes, in the layout of ImageNet`,
    table(['part', 's'], rows),
    `at most ${mebibytes(peakBytes)} MiB, Node included; ${bytesPerImage.toFixed(0)} bytes a file`,
  ].join('\n')}\n`;
}
