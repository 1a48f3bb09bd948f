/** How a target may learn: the rows of the paper's comparison, and parts of the method alone (docs/method.md). */
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

/** What a method reads beside the data: a source, pairs of features, and the settings of its losses and meta-networks. */
interface Needs {
  readonly source?: true;
  /** The configuration that it matches where no option says. */
  readonly pairs?: 'all-to-all' | 'one-to-one';
  readonly beta?: true;
  readonly meta?: true;
  readonly attention?: true;
  readonly distillation?: true;
}

/** A method's row: what it reads. */
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
 * What `--methods` of an experiment may list, and what each reads: every method but finetune, which needs weights of the
 * target's network. finetune-source runs finetune on the first source's own network, from the source's weights.
 */
export const rowNeeds = { ...listedNeeds, 'finetune-source': { source: true } } as const satisfies Record<
  string,
  Needs
>;
export type RowName = keyof typeof rowNeeds;
export const rowNames = Object.keys(rowNeeds) as readonly RowName[];

/** The options that only methods with such a need read. */
const optionsOfNeed = {
  source: ['source', 'sourceNetwork', 'sourceSize', 'sourceWidth'],
  pairs: ['pairs'],
  beta: ['beta'],
  meta: ['innerSteps', 'metaLr', 'metaWeightDecay'],
  attention: ['attentionWeight'],
  distillation: ['distillationWeight', 'temperature'],
} as const;

/** Options of `transfer` that what has these needs does not read. */
export function uselessOptions(has: Needs): (typeof optionsOfNeed)[keyof typeof optionsOfNeed][number][] {
  const needs = Object.keys(optionsOfNeed) as (keyof typeof optionsOfNeed)[];
  return needs.filter((need) => !has[need]).flatMap((need) => optionsOfNeed[need]);
}
