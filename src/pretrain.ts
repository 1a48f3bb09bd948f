import { takeOptions } from './arguments.js';
import { startRun } from './launch.js';
import { pretrainSchema, required, type Written } from './options.js';
import { Run, type RunControl } from './run.js';

/** `l2t-native pretrain --help` says what each option is, its range and its default. */
export type PretrainOptions = Written<typeof pretrainSchema> & RunControl;

/** Trains `network` on `data` by itself, as a source for later. Fails as `transfer`. */
export function pretrain(given: PretrainOptions = {}): Run {
  return new Run(async (emit) => {
    const { options: taken, control } = takeOptions(pretrainSchema, given, ['signal']);
    const { network, ...options } = taken;
    const name = required(pretrainSchema, { network }, 'network');
    return startRun('pretrain', 'scratch', name, options, { emit, signal: control.signal });
  });
}
