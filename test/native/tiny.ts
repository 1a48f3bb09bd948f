import {
  addon,
  type EpochEvent,
  type NamedTensor,
  type NativeEvent,
  type NativeImages,
  type NativeRun,
  type NativeSpec,
  type RunMaterials,
  type SaveEvent,
  type StepEvent,
  type TrainerResult,
} from '../../src/native/addon.js';
import { type MethodName, methodOf, needsOf, type SettingValues, settingsOf } from '../../src/options/methods.js';
import { imagenetNormalisation } from '../../src/options/networks.js';
import { uniform } from '../../tools/parity/uniform.js';

/** The values of a float32 tensor. */
export function floats(tensor: NamedTensor | undefined): Float32Array {
  if (tensor?.dtype !== 'float32') throw new Error(`${tensor?.name} is ${tensor?.dtype}, not float32`);
  return new Float32Array(tensor.data.slice().buffer);
}

export const named = (tensors: readonly NamedTensor[], name: string): NamedTensor => {
  const found = tensors.find((tensor) => tensor.name === name);
  if (found === undefined) throw new Error(`no tensor ${name}`);
  return found;
};

/** Names, shapes and bytes in one string, to compare. */
export const digest = (tensors: readonly NamedTensor[]): string =>
  tensors.map(({ name, shape, data }) => `${name} ${shape} ${Buffer.from(data).toString('base64')}`).join('\n');

/** Noise around a grey that tells the class: image i is of class i mod `classes`. */
export function images(
  count: number,
  { size = 32, classes = 4, seed = 1 } = {},
): NativeImages & { readonly pixels: Uint8Array } {
  const stride = size * size * 3;
  // Seven images' worth, repeated where there are more: no two neighbours and no two classes share all of theirs.
  const noise = uniform(seed, 'pixels', Math.min(count, 7) * stride);
  const pixels = new Uint8Array(count * stride).map((_, i) => {
    const label = Math.floor(i / stride) % classes;
    return 40 + (150 * label) / classes + 40 * (noise[i % noise.length] as number);
  });
  return {
    pixels,
    labels: Int32Array.from({ length: count }, (_, i) => i % classes),
    size,
  };
}

const targetNetwork = { name: 'vgg9_bn', classes: 4, width: 0.0625 };

/** A spec and its materials in one: the addon reads each from it. */
export type RunJob = NativeSpec & RunMaterials & { readonly minLr: number };

/** Settings that are not named have their defaults. */
type TinyChanges = Omit<Partial<RunJob>, 'method' | 'settings'> & {
  readonly method?: MethodName;
  readonly settings?: SettingValues;
};

/** A short run: an untrained source if the method reads one, 16 images, 4 steps an epoch, two epochs. */
export function tinyJob({ method = 'l2t-ww', settings, ...changes }: TinyChanges = {}): RunJob {
  const needs = needsOf(method);
  // The source has other classes than the data, unless the method needs the same.
  const classes = methodOf(method).terms.includes('kd') ? 4 : 6;
  const network = { name: 'resnet20', classes, width: 0.125 };
  const source = {
    network,
    size: 32,
    weights: addon().initialise(network, 11),
    normalisation: imagenetNormalisation,
    pairs: needs.pairs ? addon().pairs(network, 32, targetNetwork, 32, 'one-to-one') : [],
  };
  return {
    ...settingsOf(method, { metaLr: 1e-3, ...settings }),
    method,
    engine: 'native',
    convolution: 'auto',
    precision: 'float32',
    deterministic: true,
    graph: true,
    batchNorm: 'global',
    augment: 'crop-flip',
    evalEvery: 1,
    minLr: 0,
    lr: 0.05,
    target: targetNetwork,
    size: 32,
    normalisation: imagenetNormalisation,
    sources: needs.source ? [source] : [],
    train: images(16),
    resizedCrops: false,
    evaluationBatch: 256,
    selectBest: true,
    device: 'cpu',
    threads: 1,
    seed: 5,
    epochs: 2,
    batch: 4,
    saveEvery: 1e6,
    ...changes,
  };
}

export const scratch = (changes: TinyChanges = {}): RunJob => tinyJob({ method: 'scratch', ...changes });

export const newRun = (job: RunJob, onEvent: (event: NativeEvent) => void): NativeRun =>
  new (addon().Run)(job, job, onEvent);

export interface Recorded {
  readonly events: NativeEvent[];
  readonly epochs: EpochEvent[];
  readonly saves: SaveEvent[];
  readonly result: TrainerResult;
}

/** Runs a job to its end. `onEvent` sees every event before it is acknowledged, and may stop the run; what it throws is lost. */
export async function train(
  job: RunJob,
  onEvent: (event: NativeEvent, stop: () => void) => void = () => {},
): Promise<Recorded> {
  const events: NativeEvent[] = [];
  const run = newRun(job, (event) => {
    events.push(event);
    onEvent(event, () => run.stop());
    if (event.type !== 'step') run.saved();
  });
  const result = await run.start();
  return {
    events,
    epochs: events.filter((event) => event.type === 'epoch'),
    saves: events.filter((event) => event.type === 'save'),
    result,
  };
}

export const stepsOf = (events: readonly { readonly type: string }[]) =>
  events.filter((event): event is StepEvent => event.type === 'step');
