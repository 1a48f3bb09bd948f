import type { BenchResult, EngineTiming } from '../bench/bench.js';
import { benchCases, deviceTitle } from '../bench/cases.js';
import type { MachineSpeed } from '../native/addon.js';
import { percent } from '../system/statistics.js';
import { table } from './table.js';

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

export const machineLine = ({ gemmGflops, bandwidthGBs }: MachineSpeed): string =>
  `this machine at best: ${gemmGflops.toFixed(0)} GFLOP/s (float32 products), ${bandwidthGBs.toFixed(0)} GB/s of memory`;

/** Formats the result of `bench` for a terminal. */
export function formatBench(result: BenchResult): string {
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
