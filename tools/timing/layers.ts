#!/usr/bin/env node
/**
 * `npx tsx tools/timing/layers.ts --case NAME`: times an iteration of the native engine on the CPU layer by layer, beside what
 * this machine allows. bench/README.md says how to read the table.
 */
import { pathToFileURL } from 'node:url';
import { benchCases, benchJob } from '../../src/bench/cases.js';
import { machineLine } from '../../src/cli/bench.js';
import { table } from '../../src/cli/table.js';
import { addon } from '../../src/native/addon.js';
import { percent, sum } from '../../src/system/statistics.js';
import { timeIterations } from '../parity/observe.js';
import { described, type Layer } from './costs.js';
import { type Flags, iterationCommand } from './flags.js';

/** The machine's best is measured before and after the iterations. */
export async function benchLayers({ case: name, rounds, ...options }: Flags) {
  const job = benchJob(name, 'native', { ...options, device: 'cpu' });
  const measure = () => addon().measureMachine(options.threads);
  const before = await measure();
  const timings = await timeIterations({ ...job, rounds, layers: true });
  const after = await measure();
  const machine = {
    gemmGflops: Math.max(before.gemmGflops, after.gemmGflops),
    bandwidthGBs: Math.max(before.bandwidthGBs, after.bandwidthGBs),
  };
  const layers = described(timings.layers, job, machine);
  const inLayers = sum(layers.map(({ calls, seconds }) => calls * seconds));
  /** The fastest iteration, and what of it is in no layer: sums of cotangents, copies of parameters and the like. */
  const iteration = { seconds: timings.seconds, rest: Math.max(0, timings.seconds - inLayers) };
  return { case: name, ...options, batch: job.batch, rounds, machine, layers, total: totalOf(layers), iteration };
}

/** Sums over the layers with a floor, each as often as an iteration runs it, seconds. */
export function totalOf(layers: readonly Pick<Layer, 'calls' | 'seconds' | 'floor'>[]) {
  const withFloor = layers.filter(({ floor }) => floor !== undefined);
  const seconds = sum(withFloor.map((layer) => layer.calls * layer.seconds));
  const floor = sum(withFloor.map((layer) => layer.calls * (layer.floor ?? 0)));
  return { seconds, floor, share: floor / seconds };
}

const ms = (seconds: number): string => (1000 * seconds).toFixed(seconds < 0.001 ? 3 : 1);

function format(result: Awaited<ReturnType<typeof benchLayers>>): string {
  const { machine, layers, total, iteration, threads, rounds, batch } = result;
  return [
    `${result.case}: ${benchCases[result.case].about}; batch ${batch}, ${threads} threads, ${rounds} rounds`,
    machineLine(machine),
    table(['layer', 'sweep', 'times', 'ms', 'floor', 'by', 'share', 'ms in all'], layers.map(rowOf)),
    `layers with a floor: ${ms(total.seconds)} ms an iteration; floor ${ms(total.floor)} ms, ${percent(total.share, 0)}`,
    `the fastest iteration: ${ms(iteration.seconds)} ms, ${ms(iteration.rest)} ms of it in no layer`,
  ].join('\n');
}

/** A layer's title is in the row of its first sweep. Of two equal units in a row, each has its title. */
function rowOf(layer: Layer, i: number, layers: readonly Layer[]): string[] {
  const { sweep, calls, seconds, floor, bound, share } = layer;
  const before = layers[i - 1];
  const isFirst = sweep.startsWith('forward') || before === undefined || titleOf(before) !== titleOf(layer);
  const limits = [floor === undefined ? '' : ms(floor), bound ?? '', share === undefined ? '' : percent(share, 0)];
  return [isFirst ? titleOf(layer) : '', sweep, `${calls}`, ms(seconds), ...limits, ms(calls * seconds)];
}

const titleOf = ({ part, name, operations }: Layer): string =>
  part === 'unit' ? `${name} ${operations.map((kind) => kind.replaceAll('_', ' ')).join(' + ')}` : `${part}: ${name}`;

async function main(flags: Flags & { readonly json?: boolean }): Promise<void> {
  const result = await benchLayers(flags);
  process.stdout.write(`${flags.json ? JSON.stringify(result) : format(result)}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await iterationCommand('bench:layers')
    .option('--json', 'print the result as one JSON document')
    .action(main)
    .parseAsync();
}
