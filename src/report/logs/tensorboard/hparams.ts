import { settings } from '../../../options/methods.js';
import type { RunSpec, SourceSpec } from '../../../options/spec.js';
import type { LoggedRun } from '../log.js';
import { encode } from './messages.js';

type Value = string | number | undefined;

const ofSources = ({ sources }: RunSpec, value: (source: SourceSpec) => string): Value =>
  sources.length === 0 ? undefined : sources.map(value).join(' ');

/** The hyper-parameters that TensorBoard shows, besides the settings of the method. */
const shown: Readonly<Record<string, (run: LoggedRun) => Value>> = {
  method: ({ options }) => options.method,
  target: ({ options }) => options.target,
  sources: ({ options }) => ofSources(options, ({ network }) => network),
  pairs: ({ options }) => ofSources(options, ({ pairs }) => pairs ?? ''),
  width: ({ options }) => options.width,
  size: ({ options }) => options.size,
  perClass: ({ options }) => options.perClass,
  validation: ({ options }) => options.validation,
  epochs: ({ options }) => options.epochs,
  batch: ({ options }) => options.batch,
  seed: ({ options }) => options.seed,
  lr: ({ lr }) => lr,
};

const textual: readonly string[] = ['method', 'target', 'sources', 'pairs'];

/** Measured on the test images when the run is finished. */
export const testAccuracy = 'testAccuracy';
const metrics = [
  [testAccuracy, 'test accuracy'],
  ['validationAccuracy', 'validation accuracy'],
];

/** A value of a summary that the HParams plugin reads: its content is in the metadata, beside an empty tensor. */
const summary = (tag: string, data: Readonly<Record<string, unknown>>) => ({
  tag: `_hparams_/${tag}`,
  metadata: { plugin_data: { plugin_name: 'hparams', content: encode('HParamsPluginData', { version: 0, ...data }) } },
  tensor: { dtype: 'DT_FLOAT', tensor_shape: { dim: [{ size: 0 }] } },
});

/**
 * TensorBoard takes the first experiment that it finds for all runs that it shows. So each lists all hyper-parameters
 * that any run may have.
 */
export function experiment() {
  const names = [...Object.keys(shown), ...Object.keys(settings)];
  const hparam_infos = names.map((name) => ({
    name,
    type: textual.includes(name) ? 'DATA_TYPE_STRING' : 'DATA_TYPE_FLOAT64',
  }));
  const metric_infos = metrics.map(([tag, display_name]) => ({ name: { tag }, display_name }));
  return summary('experiment', { experiment: { hparam_infos, metric_infos } });
}

/** The run's own hyper-parameters. `seconds`: the time now, since 1970. */
export function sessionStart(run: LoggedRun, seconds: number) {
  const all: [string, Value][] = [
    ...Object.entries(shown).map(([name, value]): [string, Value] => [name, value(run)]),
    ...Object.keys(settings).map((name): [string, Value] => [name, run.options[name as keyof typeof settings]]),
  ];
  const hparams = Object.fromEntries(
    all.flatMap(([name, value]) => {
      if (value === undefined) return [];
      return [[name, typeof value === 'string' ? { string_value: value } : { number_value: value }]];
    }),
  );
  return summary('session_start_info', { session_start_info: { hparams, start_time_secs: seconds } });
}

export const sessionEnd = (seconds: number) =>
  summary('session_end_info', { session_end_info: { status: 'STATUS_SUCCESS', end_time_secs: seconds } });
