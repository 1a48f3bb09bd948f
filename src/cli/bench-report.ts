import type { BenchResult, EngineTiming } from '../bench/bench.js';
import { benchCases } from '../bench/cases.js';
import { deviceTitle } from '../bench/device.js';
import type { ListingResult } from '../bench/listing.js';
import type { RanksResult } from '../bench/ranks.js';
import { counted } from '../system/printable.js';
import { percent } from '../system/statistics.js';
import { table } from './table.js';

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

/** The result of `bench` for a terminal. */
export function formatBench(result: BenchResult): string {
  const { about, batch } = benchCases[result.case];
  const processes = result.ranks === undefined ? '' : `${result.ranks} processes with each `;
  const other = result.batch === batch ? '' : `, but batch ${result.batch}`;
  return `${[
    `${result.case}: ${about}${other}; ${deviceTitle(result)}, ${processes}${result.threads} threads, ${result.rounds} rounds`,
    enginesTable(result),
    phasesTable(result),
    ...result.cases.flatMap(graphLine),
    ...result.cases.flatMap(trafficLine),
    ...(result.gpu ? gpuLines(result) : []),
    ...machineLines(result),
  ].join('\n')}\n`;
}

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
    `a rank gives ${(bytes / 1e6).toFixed(1)} MB to ${calls} exchanges an iteration`,
  ].join('\n')}\n`;
}

function enginesTable({ cases }: BenchResult): string {
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

function phasesTable({ cases }: BenchResult): string {
  const rows = Object.keys(cases[0]?.phases ?? {}).map((phase) => [
    phase,
    ...cases.map((timing) => (1000 * (timing.phases[phase] ?? 0)).toFixed(1)),
  ]);
  return table(['phase, ms', ...cases.map(({ engine }) => engine)], rows);
}

function graphLine({ engine, eagerSeconds, launches }: EngineTiming): string[] {
  if (eagerSeconds === undefined) return [];
  const count = launches ? `; a graph of ${launches} launches` : '';
  return [`${engine} without its graph: ${eagerSeconds.min.toFixed(3)} s at best${count}; phases are without it`];
}

function trafficLine({ engine, traffic }: EngineTiming): string[] {
  if (traffic === undefined) return [];
  return [`${engine}: a rank sends ${(traffic.bytes / 1e6).toFixed(1)} MB in ${traffic.calls} exchanges an iteration`];
}

function gpuLines({ cases, gpu, iterationGflop }: BenchResult): string[] {
  return cases.map(({ engine, gpuMemory, peakShare }) => {
    const { allocated = 0, reserved = 0 } = gpuMemory ?? {};
    const share =
      peakShare === undefined
        ? ''
        : `; ${iterationGflop.toFixed(0)} GFLOP an iteration, ${percent(peakShare)} of the card's ${gpu?.float32Gflops.toFixed(0)} GFLOP/s in float32`;
    return `${engine}: at most ${mebibytes(allocated)} MiB in the card's tensors, ${mebibytes(reserved)} MiB reserved${share}`;
  });
}

function machineLines({ decodedPerSecond, machine, ratio, timerDelayP99 }: BenchResult): string[] {
  const lines: string[] = [];
  if (decodedPerSecond !== undefined)
    lines.push(`decoding for training: ${decodedPerSecond.toFixed(0)} images/s (JPEGs of 500×375, random crops)`);
  if (machine)
    lines.push(
      `this machine at best: ${machine.gemmGflops.toFixed(0)} GFLOP/s (float32 products), ${machine.bandwidthGBs.toFixed(0)} GB/s of memory`,
    );
  if (ratio !== undefined) lines.push(`autograd / native: ${ratio.toFixed(2)}`);
  lines.push(`a 10 ms timer fired at most ${timerDelayP99.toFixed(1)} ms late in 99 of 100 times`);
  return lines;
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
