import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { Inference } from '../inference/inference.js';
import type { NetworkSpec } from '../native/addon.js';
import { loadCheckpoint } from '../networks/checkpoint.js';

/** A network in the folder of the run that trained it. */
export interface TrainedNetwork {
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

/** How fast a trained network is, where that was measured. */
export type TimesOf = (trained: TrainedNetwork) => InferenceTimes | undefined;

/**
 * Measures how fast networks are, each distinct one once, with its first run's weights. Call it when nothing else runs.
 * Warns, and returns undefined, if this machine lacks the device.
 * @throws L2TError as `loadCheckpoint` and `Inference.msPerImage`.
 */
export async function timeNetworks(
  trained: readonly TrainedNetwork[],
  place: { readonly device: string | undefined; readonly threads: number | undefined },
  { signal, onWarning }: { signal?: AbortSignal | undefined; onWarning?: ((message: string) => void) | undefined },
): Promise<TimesOf | undefined> {
  const times = new Map<string, InferenceTimes>();
  try {
    for (const each of trained) {
      if (times.has(kindOf(each))) continue;
      const inference = new Inference(await loadCheckpoint(join(each.run, 'best.safetensors')), place);
      const batch1 = await inference.msPerImage(1, signal);
      times.set(kindOf(each), { batch1, batch32: await inference.msPerImage(32, signal) });
    }
  } catch (error) {
    if (!(error instanceof L2TError) || error.code !== 'DEVICE_UNAVAILABLE') throw error;
    onWarning?.(`the networks' speed is not measured: ${error.message}`);
    return undefined;
  }
  return (each) => times.get(kindOf(each));
}

/** A key that is equal for networks that differ only in their weights. */
const kindOf = ({ network: { name, classes, width }, size }: TrainedNetwork): string =>
  JSON.stringify([name, classes, width, size]);
