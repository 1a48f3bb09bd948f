import * as z from 'zod';
import type { Marks, Needs } from './marks.js';
import { below, between, custom, grouped, whole } from './row.js';
import { type Term, type TermName, terms } from './terms.js';

/** The terms that a method adds to the cross-entropy, and the weights of these that it learns. */
interface Method {
  /** The terms that it adds, in the order in which they are summed. */
  readonly terms: readonly TermName[];
  /** The weights of the matching loss that its meta-networks give: of channels, of pairs. */
  readonly learns?: readonly ('what' | 'where')[];
  /** The default configuration of pairs. */
  readonly pairs?: 'all-to-all' | 'one-to-one';
  /** A start from --target-init; the last layer starts anew if the classes differ, or always. */
  readonly start?: 'checkpoint' | 'checkpoint, new last layer';
  /** False: SGD decays no weights. */
  readonly decays?: false;
}

/** The methods: those that the paper compares, and ablations of its own method (docs/method.md). */
export const methods = {
  'l2t-ww': { terms: ['matching'], learns: ['what', 'where'], pairs: 'all-to-all' },
  'l2t-w': { terms: ['matching'], learns: ['what'], pairs: 'one-to-one' },
  'amounts-only': { terms: ['matching'], learns: ['where'], pairs: 'one-to-one' },
  fm: { terms: ['matching'], pairs: 'all-to-all' },
  at: { terms: ['attention'], pairs: 'one-to-one' },
  lwf: { terms: ['distillation'] },
  'lwf+at': { terms: ['attention', 'distillation'], pairs: 'one-to-one' },
  kd: { terms: ['kd'] },
  'kd+fm': { terms: ['matching', 'kd'], pairs: 'all-to-all' },
  'kd+l2t-ww': { terms: ['matching', 'kd'], learns: ['what', 'where'], pairs: 'all-to-all' },
  sp: { terms: ['sp'], pairs: 'one-to-one' },
  vid: { terms: ['vid'], pairs: 'one-to-one' },
  'l2-sp': { terms: ['l2-sp'], start: 'checkpoint, new last layer', decays: false },
  finetune: { terms: [], start: 'checkpoint' },
  scratch: { terms: [] },
} as const satisfies Readonly<Record<string, Method>>;
/** The name of a method: a row of `methods` (docs/method.md). */
export type MethodName = keyof typeof methods;
export const methodNames = Object.keys(methods) as [MethodName, ...MethodName[]];

/** The method's row, as a plain type. */
export const methodOf = (name: MethodName): Method => methods[name];

/** Settings of SGD. */
const optimiserSettings = {
  momentum: below(0, 1, 'momentum of SGD', { default: 0.9, paper: 0.9 }),
  weightDecay: between(0, 1, 'weight decay of SGD', { default: 1e-4, paper: 1e-4 }),
};

/** Settings of the cross-entropy. */
const lossSettings = {
  labelSmoothing: below(0, 1, 'spreads this part of each label evenly over all classes', { default: 0, paper: 0 }),
};

/** Settings of the meta-networks and of the steps that train them, for the methods that learn weights. */
const metaSettings = {
  innerSteps: whole(1, 100, 'T, virtual steps on the matching loss', { default: 2, paper: 2 }),
  metaLr: custom(
    z.union([z.literal('auto'), z.number().gte(0).lte(10)]),
    'x',
    'auto, or a number from 0 to 10',
    'learning rate of Adam on the meta-networks; auto takes one for the number of their steps',
    { default: 1e-4, paper: 1e-4 },
  ),
  metaWeightDecay: between(0, 1, 'weight decay of Adam on the meta-networks', { default: 1e-4, paper: 1e-4 }),
  metaClip: between(
    0,
    1e6,
    "clip the meta-networks' gradient at this multiple of the running mean of its norm; 0: do not clip",
    { default: 0, paper: 0 },
  ),
  metaEvery: whole(1, 1_000_000, 'train the meta-networks in every n-th step, from the first; 1: in each', {
    default: 1,
    paper: 1,
  }),
};

/** Settings of the methods that learn both weights. */
const bothSettings = {
  wLrRatio: between(0, 1, "learning rate of w's network, as a part of that of λ's", { default: 1, paper: 1 }),
};

type Intersection<U> = (U extends unknown ? (each: U) => void : never) extends (all: infer I) => void ? I : never;
const termSettings = Object.assign({}, ...Object.values(terms).map(({ settings }) => settings)) as Intersection<
  (typeof terms)[TermName]['settings']
>;

/** All settings: the options that the native part takes by name. Their order is that of help and of options.yaml. */
export const settings = {
  ...grouped('Training', { ...optimiserSettings, ...lossSettings }),
  ...grouped('Method', { ...terms.matching.settings, ...metaSettings, ...bothSettings, ...termSettings }),
};
export type SettingName = keyof typeof settings;
export type SettingValues = { readonly [name in SettingName]?: number | undefined };

/** Epochs of a source's fine-tuning where no number is given. */
export const finetuneEpochs = 12;

/** Returns the inputs of a method besides the data. */
export function needsOf(name: MethodName): Needs {
  const { learns = [], start, decays = true, ...method } = methodOf(name);
  const added: readonly Term[] = method.terms.map((term) => terms[term]);
  const groups = [
    optimiserSettings,
    lossSettings,
    ...(learns.length > 0 ? [metaSettings] : []),
    ...(learns.length > 1 ? [bothSettings] : []),
    ...added.map((term) => term.settings),
  ];
  const names = groups.flatMap((group) => Object.keys(group) as SettingName[]);
  return {
    source: added.some(({ reads }) => reads !== 'start'),
    pairs: added.some(({ reads }) => reads === 'pairs'),
    start: start !== undefined,
    learns,
    settings: names.filter((setting) => decays || setting !== 'weightDecay'),
  };
}

/** Returns the settings that the method reads: the given values, and the defaults for the rest. */
export function settingsOf(name: MethodName, values: SettingValues = {}): Record<string, number> {
  const value = (key: SettingName) => values[key] ?? (settings[key].meta()?.default as number);
  return Object.fromEntries(needsOf(name).settings.map((key) => [key, value(key as SettingName)]));
}

/**
 * The rows that `--methods` of an experiment may list: every method, and finetune-source, which runs finetune on the
 * first source's network, from the source's weights.
 */
export type RowName = MethodName | 'finetune-source';
export const rowNames: readonly RowName[] = [...methodNames, 'finetune-source'];

export const needsOfRow = (name: RowName): Needs =>
  name === 'finetune-source' ? { ...needsOf('finetune'), source: true, start: false } : needsOf(name);

/** Checks whether a method with these needs reads an option. */
export const isRead = (name: string, { of }: Marks, needs: Needs): boolean =>
  name in settings ? needs.settings.includes(name) : (of?.(needs) ?? true);
