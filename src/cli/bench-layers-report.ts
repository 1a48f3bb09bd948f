import { benchCases } from '../bench/cases.js';
import type { Layer, LayersResult } from '../bench/layers.js';
import { percent } from '../system/statistics.js';
import { table } from './table.js';

const head = ['layer', 'sweep', 'times', 'ms', 'floor', 'by', 'share', 'ms in all'];

/** The result of `bench --layers` for a terminal. */
export function formatLayers(result: LayersResult): string {
  const { machine, total, iteration, threads, rounds, batch } = result;
  return `${[
    `${result.case}: ${benchCases[result.case].about}; batch ${batch}, ${threads} threads, ${rounds} rounds`,
    `this machine at best: ${machine.gemmGflops.toFixed(0)} GFLOP/s (float32 products), ${machine.bandwidthGBs.toFixed(0)} GB/s of memory`,
    table(head, rowsOf(result.layers)),
    `layers with a floor: ${ms(total.seconds)} ms an iteration; floor ${ms(total.floor)} ms, ${percent(total.share, 0)}`,
    `the fastest iteration: ${ms(iteration.seconds)} ms, ${ms(iteration.rest)} ms of it in no layer`,
  ].join('\n')}\n`;
}

/** A layer's title is in the row of its first sweep. */
const rowsOf = (layers: readonly Layer[]): string[][] =>
  layers.map((layer, i) => {
    const { sweep, calls, seconds, floor, bound, share } = layer;
    const before = layers[i - 1];
    // Of two equal units in a row, each has its title.
    const named = sweep.startsWith('forward') || before === undefined || titleOf(before) !== titleOf(layer);
    const counted = [floor === undefined ? '' : ms(floor), bound ?? '', share === undefined ? '' : percent(share, 0)];
    return [named ? titleOf(layer) : '', sweep, `${calls}`, ms(seconds), ...counted, ms(calls * seconds)];
  });

const titleOf = ({ part, name, operations }: Layer): string =>
  part === 'unit' ? `${name} ${operations.map((kind) => kind.replaceAll('_', ' ')).join(' + ')}` : `${part}: ${name}`;

const ms = (seconds: number): string => (1000 * seconds).toFixed(seconds < 0.001 ? 3 : 1);
