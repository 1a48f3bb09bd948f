import type { PairMetrics } from '../native/addon.js';
import { featureMaps } from '../networks/describe.js';
import type { SourceSpec } from '../options/spec.js';
import type { RunData } from '../store/run-data.js';
import { deviation, mean, percent } from '../system/statistics.js';
import { fileName } from './model-card.js';

/** A summary of what the meta-networks of a run learned, as of its last epoch. */
export interface Learned {
  /**
   * The largest change of a pair's λ: between its mean over the epoch's images, and that over the same images by the
   * meta-networks with which the run began. Absent if the method does not learn λ.
   */
  readonly lambdaChange?: number;
  /** Number of pairs whose mean λ went to 0 (below 0.005), from 0.25 or more; absent if the method does not learn λ. */
  readonly zeroPairs?: number;
  /** Number of pairs. */
  readonly pairs: number;
  /**
   * The largest drop of a pair's mean entropy of w below ln(channels), that of equal weights, as a fraction of it, in
   * [0, 1]. Absent if the method does not learn w.
   */
  readonly entropyLost?: number;
  /** False if the meta-networks moved so little that λ and w say nothing about what or where to transfer. */
  readonly means: boolean;
  /** All of this in a sentence. */
  readonly sentence: string;
}

/**
 * The meta-networks hardly moved if every λ changed by less than `minChange` and no entropy fell by `minLost`. λ is in
 * [0, 6], and the random starts of two pairs differ by about 1, four times as much. At 5 % less entropy, w counts 52 of
 * 64 channels.
 */
const minChange = 0.25;
const minLost = 0.05;
/** A mean λ below this is shown as 0.00. */
const nearZero = 0.005;

/** Returns the entropy of equal weights of a source's feature, nats. */
export function equalEntropy(source: SourceSpec): (feature: number) => number {
  const features = featureMaps(source);
  return (feature) => Math.log(features[feature]?.channels ?? Number.NaN);
}

/** Sums up what a run has learned so far; undefined if its method has no meta-networks, or no epoch is done. */
export function learnedOf({ record, metrics }: Pick<RunData, 'record' | 'metrics'>): Learned | undefined {
  const { sources, metaLr } = record.spec;
  const { pairs = [] } = metrics.at(-1) ?? {};
  const nameOf: NameOf = ({ source, pair }) => {
    const name = `pair ${pair.join('-')}`;
    return sources.length > 1 ? `${name} of ${fileName(sources[source]?.path ?? '')}` : name;
  };
  const [where, what] = [ofLambda(pairs, nameOf), ofWeights(pairs, sources, nameOf)];
  const parts = [where, what].filter((part) => part !== undefined);
  if (parts.length === 0) return undefined;
  const clauses = parts.map(({ clause }) => clause);
  const means = metaLr !== 0 && parts.some(({ moved }) => moved);
  const about = [what && 'what', where && 'where'].filter(Boolean).join(' or ');
  const hardly = `The meta-networks hardly moved (${clauses.join(', ')}): this run says nothing about ${about} to transfer.`;
  const learned = means ? `${clauses.join('; ')}.` : hardly;
  return {
    ...(where && { lambdaChange: where.change, zeroPairs: where.zeroPairs }),
    pairs: pairs.length,
    ...(what && { entropyLost: what.lost }),
    means,
    sentence: metaLr === 0 ? 'The meta-networks were kept as they were.' : learned,
  };
}

type NameOf = (pair: PairMetrics) => string;

function ofLambda(pairs: readonly PairMetrics[], nameOf: NameOf) {
  const lambdas = pairs.flatMap((each) => {
    const { lambdaStart: from, lambdaMean: to } = each;
    if (from === undefined || to === undefined) return [];
    return [{ name: nameOf(each), from, change: to - from, to, range: `from ${from.toFixed(2)} to ${to.toFixed(2)}` }];
  });
  const mostChanged = largestBy(lambdas, (each) => Math.abs(each.change));
  const risen = largestBy(lambdas, (each) => each.change);
  if (mostChanged === undefined || risen === undefined) return undefined;
  const change = Math.abs(mostChanged.change);
  const zeroPairs = lambdas.filter(({ from, to }) => from >= minChange && to < nearZero).length;
  const moved = change >= minChange;
  if (!moved) return { change, zeroPairs, moved, clause: `λ changed by at most ${change.toFixed(2)}` };
  const rise = risen.change < minChange ? '' : `, and that of ${risen.name} rose most, ${risen.range}`;
  const zero = `λ of ${zeroPairs} of ${pairs.length} pairs went to 0${rise}`;
  const changes = Math.sqrt(mean(lambdas.map((each) => each.change ** 2)));
  const starts = deviation(lambdas.map(({ from }) => from)) ?? 0;
  const rest = changes < starts ? ', but the pairs differ more by their start than by what was learned' : '';
  const clause = (zeroPairs > 0 ? zero : `λ of ${mostChanged.name} changed most, ${mostChanged.range}`) + rest;
  return { change, zeroPairs, moved, clause };
}

function ofWeights(pairs: readonly PairMetrics[], sources: readonly SourceSpec[], nameOf: NameOf) {
  const equals = sources.map(equalEntropy);
  const entropies = pairs.flatMap((each) => {
    const equal = equals[each.source]?.(each.pair[0]) ?? 0;
    if (each.weightEntropy === undefined) return [];
    // A single channel has no entropy to lose.
    return [{ name: nameOf(each), lost: equal > 0 ? Math.max(0, 1 - each.weightEntropy / equal) : 0 }];
  });
  const furthest = largestBy(entropies, (each) => each.lost);
  if (furthest === undefined) return undefined;
  const { name, lost } = furthest;
  const moved = lost >= minLost;
  const clause = moved
    ? `w of ${name} is furthest from equal weights, with an entropy ${percent(lost)} below theirs`
    : `the entropy of w is at most ${percent(lost)} below that of equal weights`;
  return { lost, moved, clause };
}

const largestBy = <T>(items: readonly T[], score: (item: T) => number): T | undefined =>
  items.toSorted((a, b) => score(b) - score(a))[0];
