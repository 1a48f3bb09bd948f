import { takeOptions } from './arguments.js';
import { startRun } from './launch.js';
import { type Given, pretrainSchema, required } from './options.js';
import { Run, type RunControl } from './run.js';

/** `l2t-native pretrain --help` says what each option is, its range and its default. */
export type PretrainOptions = Given<typeof pretrainSchema> & RunControl;

/** Trains `network` on `data` by itself, as a source for later. Fails as `transfer`. */
export function pretrain(given: PretrainOptions = {}): Run {
  return new Run(async (emit) => {
    const { options: taken, control } = takeOptions(pretrainSchema, given, ['signal']);
    const { network, ...options } = taken;
    const name = required(pretrainSchema, { network }, 'network');
    return startRun('pretrain', 'scratch', name, options, { emit, signal: control.signal });
  });
}
