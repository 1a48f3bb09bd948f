import { required, type Written } from '../options/check.js';
import { pretrainSchema } from '../options/schemas.js';
import { newRun, type Run, type RunControl } from './run.js';
import { startRun } from './start.js';

/** `l2t-native pretrain --help` says what each option is, its range and its default. */
export type PretrainOptions = Written<typeof pretrainSchema, 'network' | 'data'> & RunControl;

/** Trains `network` on `data` without a source, to be a source later. Fails as `transfer`. */
export function pretrain(given: PretrainOptions): Run {
  return newRun(pretrainSchema, given, async ({ network, ...options }, context) => {
    const target = required(pretrainSchema, { network }, 'network');
    return startRun('pretrain', { ...options, target, method: 'scratch' }, context);
  });
}
