import { type Given, required, type Written } from '../options/check.js';
import { methodIn } from '../options/consistent.js';
import { needsOf } from '../options/methods.js';
import type { OwnHelp } from '../options/option-help.js';
import { pretrainSchema, transferSchema } from '../options/schemas.js';
import { requireComplete } from './missing.js';
import { newRun, type Run, type RunControl } from './run.js';
import { startRun } from './start.js';

/** The options of `transfer`, checked: lists are in one string. */
export type CheckedTransferOptions = Given<typeof transferSchema>;

/** `l2t-native transfer --help` says what each option is, its range and its default. */
export type TransferOptions = Written<typeof transferSchema, 'target' | 'data'> & RunControl;

/**
 * Trains `target` on `data` with the help of a pretrained `source` (docs/method.md; arXiv 1905.05901), or without one
 * (`method: 'scratch'`), into a new run folder. `source` may be a list; `sourceNetwork`, `sourceSize`, `sourceWidth`,
 * `sourceLicence` and `pairs` are then one value for all or a list in its order.
 *
 * The run's `result` rejects with L2TError INVALID_OPTION, INVALID_DATA, INVALID_WEIGHTS, WEIGHTS_MISMATCH, INVALID_RUN
 * (the folder is in use or not empty), DEVICE_UNAVAILABLE, FILE_ACCESS, DIVERGED, GROUP_FAILED or ABORTED.
 */
export function transfer(given: TransferOptions): Run {
  return newRun(transferSchema, given, async (options, context) => {
    await requireComplete('transfer', transferSchema, options, needsOf(methodIn(options)), context.signal);
    return startRun('transfer', options, context);
  });
}

/** `l2t-native pretrain --help` says what each option is, its range and its default. */
export type PretrainOptions = Written<typeof pretrainSchema, 'network' | 'data', OwnHelp['pretrain']> & RunControl;

/** Trains `network` on `data` without a source, to be a source later. Fails as `transfer`. */
export function pretrain(given: PretrainOptions): Run {
  return newRun(pretrainSchema, given, async ({ network, ...options }, context) => {
    await requireComplete('pretrain', pretrainSchema, { ...options, network }, needsOf('scratch'), context.signal);
    const target = required(pretrainSchema, { network }, 'network');
    return startRun('pretrain', { ...options, target, method: 'scratch' }, context);
  });
}
