import { startRun } from './launch.js';
import { checkOptions, type Given, pretrainSchema, required } from './options.js';
import { Run, type RunControl } from './run.js';

/** `l2t-native pretrain --help` says what each option is, its range and its default. */
export type PretrainOptions = Given<typeof pretrainSchema> & RunControl;

/** Trains `network` on `data` by itself, as a source for later. Fails as `transfer`. */
export function pretrain({ signal, ...given }: PretrainOptions = {}): Run {
  return new Run(async (emit) => {
    const { network, ...options } = checkOptions(pretrainSchema, given);
    return startRun('pretrain', 'scratch', required(pretrainSchema, { network }, 'network'), options, { emit, signal });
  });
}
