import { BatchDecoder } from '../data/batch-decoder.js';
import type { TrainingData } from '../data/training-sets.js';
import {
  addon,
  type EpochEvent,
  type NativeRun,
  type NativeSpec,
  type RunMaterials,
  type SaveEvent,
  type StepEvent,
} from '../native/addon.js';
import { onAbort } from '../system/abort.js';
import type { Context } from './materials.js';

/** Receives the events of a native run. */
export interface RunListener {
  /** `stop` ends the run after the current step. */
  step(event: StepEvent, stop: () => void): void;
  /** The run waits until this is done; if it rejects, the run ends and rejects with the same error. */
  save(event: EpochEvent | SaveEvent): Promise<void>;
}

/**
 * Makes a native run, starts it through `begin`, decodes the images that it requests, and stops it on the signal. A
 * failure here reaches the group's other ranks; theirs reaches this one.
 * @throws the error that `begin` or the listener's `save` rejects with; L2TError for an image that cannot be decoded.
 */
export async function driveRun<T>(
  spec: NativeSpec,
  materials: RunMaterials,
  { streamed }: Pick<TrainingData, 'streamed'>,
  { signal, group }: Pick<Context, 'signal' | 'group'>,
  listener: RunListener,
  begin: (run: NativeRun) => Promise<T>,
): Promise<T> {
  const decoder = new BatchDecoder(streamed, addon().resize);
  let failure: { readonly error: unknown } | undefined;
  const stop = () => {
    decoder.end();
    run.stop();
  };
  const fail = (error: unknown): undefined => {
    failure ??= { error };
    stop();
  };
  const run = new (addon().Run)(spec, { ...materials, ...(group.native && { group: group.native }) }, (event) => {
    if (event.type === 'step') listener.step(event, stop);
    else if (event.type === 'decode') {
      decoder
        .decode(event)
        .catch(fail)
        .then((pixels) => run.decoded(event.ticket, pixels))
        .catch(fail);
    } else {
      listener
        .save(event)
        .catch(fail)
        .finally(() => run.saved());
    }
  });
  const forget = onAbort(signal, stop);
  try {
    if (signal?.aborted) stop();
    // If the native part fails here, it fails on the other ranks, too: there is nothing to tell them.
    const result = await begin(run).catch((error: unknown) => {
      throw failure ? failure.error : error;
    });
    await group.all(() => {
      if (failure) throw failure.error;
    });
    return result;
  } finally {
    decoder.end();
    forget();
  }
}
