import { type MethodName, methodNames, needsOf, type SettingValues, settingsOf } from '../../../src/options/methods.js';
import { measured } from '../program.js';

/** What the fake device counted (counts.h). */
export interface Counts {
  readonly operations: number;
  readonly copies: number;
  readonly uploads: number;
  readonly downloads: number;
  readonly waits: number;
}
interface AllCounts extends Counts {
  readonly strays: number;
  readonly byName: Readonly<Record<string, number>>;
}

/** Of one engine and backend. Lists are names of tensors. */
export interface Trained {
  readonly engine: 'native' | 'autograd';
  readonly backend: string;
  /** Differ from the CPU's after the initialisation. */
  readonly start: readonly string[];
  /** The largest difference from the CPU after three iterations, and whose it is. */
  readonly difference: number;
  readonly tensor: string;
  /** Are not on the device. */
  readonly elsewhere: readonly string[];
  /** Differ between a run and the same run saved and resumed. */
  readonly resumed: readonly string[];
  /** Of the third iteration. */
  readonly counts: AllCounts;
}

interface Target {
  readonly target: string;
  readonly size: number;
  readonly methods: readonly MethodName[];
}

/** A term asks the same of a device whatever the target and the other terms, so one target has every method but one. */
const vgg: Target = { target: 'vgg9_bn', size: 32, methods: methodNames.filter((name) => name !== 'kd+l2t-ww') };
export const targets: readonly [Target, ...Target[]] = [
  vgg,
  { target: 'resnet20', size: 32, methods: ['fm'] },
  { target: 'resnet18', size: 64, methods: ['fm'] },
  { target: 'resnet20_a', size: 32, methods: ['l2t-ww'] },
];

/** Trains a small target. `sources`: where the method needs any. */
export function train(
  { target, size }: Target,
  method: MethodName,
  { type = 'float64', sources = 1, ...given }: { type?: string; sources?: number } & SettingValues = {},
): Trained[] {
  const needs = needsOf(method);
  const settings = Object.entries(settingsOf(method, { metaLr: 0.001, ...given })).map(
    ([name, value]) => `${name}=${value}`,
  );
  const source = [needs.source ? `${sources}` : '0', needs.pairs ? '2-0,2-1,5-1,8-2' : 'none'];
  return measured('device', 'train', target, `${size}`, method, ...source, type, ...settings) as Trained[];
}

export interface Images {
  readonly crops: boolean;
  readonly mirror: boolean;
  readonly batches: boolean;
  /** Differences of the networks' input. */
  readonly input: number;
  readonly reduced: number;
  readonly enlarged: number;
  /** Of one batch. */
  readonly counts: AllCounts;
}
export const images = (size: number) => measured('device', 'images', `${size}`) as Images;

interface Evaluation {
  readonly correct: number;
  readonly total: number;
  readonly loss: number;
  readonly predictions: readonly number[];
}
export interface Evaluated {
  readonly host: Evaluation;
  readonly device: Evaluation;
  readonly onDevice: boolean;
  readonly logits: number;
  /** Of an evaluation of three batches. */
  readonly counts: AllCounts;
}
export const evaluate = ({ target, size }: Target, side: number = size) =>
  measured('device', 'evaluate', target, `${size}`, `${side}`) as Evaluated;
