import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { Inference } from '../inference/inference.js';
import type { NetworkSpec } from '../native/addon.js';
import { bestName, loadCheckpoint } from '../networks/checkpoint.js';
import type { Source } from '../networks/sources.js';
import { readOther } from './other-networks.js';
import type { OtherNetwork } from './plan.js';

/** A network in the folder of the run that trained it. */
interface TrainedNetwork {
  readonly run: string;
  readonly network: NetworkSpec;
  /** Side of its images, pixels. */
  readonly size: number;
}

/** Milliseconds of inference per image, in batches of 1 and of 32. */
export interface InferenceTimes {
  /** One image at a time. */
  readonly batch1: number;
  /** In batches of 32. */
  readonly batch32: number;
}

/** Returns a network's times, if they were measured. */
export type TimesOf = (network: TrainedNetwork | OtherNetwork) => InferenceTimes | undefined;

/**
 * Measures how fast networks are, each distinct one once, with its first run's weights. Call it when nothing else runs.
 * Warns, and returns undefined, if this machine lacks the device; warns of `others` that are gone or changed.
 * @throws L2TError as `loadCheckpoint` and `Inference.msPerImage`.
 */
export async function timeNetworks(
  trained: readonly TrainedNetwork[],
  others: readonly OtherNetwork[],
  placement: { readonly device: string | undefined; readonly threads: number | undefined },
  { signal, onWarning }: { signal?: AbortSignal | undefined; onWarning?: ((message: string) => void) | undefined },
): Promise<TimesOf | undefined> {
  const times = new Map<string, InferenceTimes>();
  const time = async (key: string, source: Source) => {
    const inference = new Inference(source, placement);
    const batch1 = await inference.msPerImage(1, signal);
    times.set(key, { batch1, batch32: await inference.msPerImage(32, signal) });
  };
  try {
    for (const each of trained) {
      if (!times.has(kindOf(each))) await time(kindOf(each), await loadCheckpoint(join(each.run, bestName)));
    }
    for (const each of others) {
      const source = await readOther(each).catch((error: Error) => {
        onWarning?.(`the speed of ${each.path} is not measured: ${error.message}`);
      });
      if (source) await time(kindOf(each), source);
    }
  } catch (error) {
    if (!(error instanceof L2TError) || error.code !== 'DEVICE_UNAVAILABLE') throw error;
    onWarning?.(`the networks' speed is not measured: ${error.message}`);
    return undefined;
  }
  return (each) => times.get(kindOf(each));
}

/** A key that is equal for trained networks that differ only in their weights. */
function kindOf(each: TrainedNetwork | OtherNetwork): string {
  if ('path' in each) return each.path;
  const { name, classes, width } = each.network;
  return JSON.stringify([name, classes, width, each.size]);
}
