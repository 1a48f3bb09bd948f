/** The methods: those that the paper compares, and ablations of its own method (docs/method.md). */
export const methodNames = [
  'l2t-ww',
  'l2t-w',
  'amounts-only',
  'fm',
  'at',
  'lwf',
  'lwf+at',
  'finetune',
  'scratch',
] as const;
export type MethodName = (typeof methodNames)[number];

/** What a method uses besides the data: a source, pairs of features, the settings of its losses and meta-networks. */
interface Needs {
  readonly source?: true;
  /** The default configuration of pairs. */
  readonly pairs?: 'all-to-all' | 'one-to-one';
  readonly beta?: true;
  readonly meta?: true;
  readonly attention?: true;
  readonly distillation?: true;
}

/** The table of methods. */
export const methodNeeds: Readonly<Record<MethodName, Needs>> = {
  'l2t-ww': { source: true, pairs: 'all-to-all', beta: true, meta: true },
  'l2t-w': { source: true, pairs: 'one-to-one', beta: true, meta: true },
  'amounts-only': { source: true, pairs: 'one-to-one', beta: true, meta: true },
  fm: { source: true, pairs: 'all-to-all', beta: true },
  at: { source: true, pairs: 'one-to-one', attention: true },
  lwf: { source: true, distillation: true },
  'lwf+at': { source: true, pairs: 'one-to-one', attention: true, distillation: true },
  finetune: {},
  scratch: {},
};

const { finetune: _, ...listedNeeds } = methodNeeds;
/**
 * The rows that `--methods` of an experiment may list: every method except finetune, which needs weights of the
 * target's network. finetune-source runs finetune on the first source's network, from the source's weights.
 */
export const rowNeeds = { ...listedNeeds, 'finetune-source': { source: true } } as const satisfies Record<
  string,
  Needs
>;
export type RowName = keyof typeof rowNeeds;
export const rowNames = Object.keys(rowNeeds) as readonly RowName[];

/** For each need, the options that only methods with that need use. */
const optionsOfNeed = {
  source: ['source', 'sourceNetwork', 'sourceSize', 'sourceWidth'],
  pairs: ['pairs'],
  beta: ['beta'],
  meta: ['innerSteps', 'metaLr', 'metaWeightDecay'],
  attention: ['attentionWeight'],
  distillation: ['distillationWeight', 'temperature'],
} as const;

/** The options of `transfer` that a method with these needs does not use. */
export function uselessOptions(has: Needs): (typeof optionsOfNeed)[keyof typeof optionsOfNeed][number][] {
  const needs = Object.keys(optionsOfNeed) as (keyof typeof optionsOfNeed)[];
  return needs.filter((need) => !has[need]).flatMap((need) => optionsOfNeed[need]);
}
