import type { EpochMetrics, NamedTensor } from '../native/addon.js';

/** The losses of versions before `losses`, in the order in which they lay in `epoch_sums`. */
const olderLosses = {
  lossOrg: 'org',
  lossMatching: 'matching',
  lossAttention: 'attention',
  lossDistillation: 'distillation',
} as const;

/** A line of metrics.jsonl. Earlier versions had a key for each loss. */
export function translateMetrics(line: Readonly<Record<string, unknown>>): EpochMetrics {
  if ('losses' in line) return line as unknown as EpochMetrics;
  const losses = Object.entries(olderLosses).flatMap(([key, term]) => (key in line ? [[term, line[key]]] : []));
  const others = Object.entries(line).filter(([key]) => !(key in olderLosses));
  return Object.fromEntries([...others, ['losses', Object.fromEntries(losses)]]) as EpochMetrics;
}

const sumsOfRun = ['images', 'correct', ...Object.values(olderLosses).map((term) => `losses/${term}`)];
const sumsOfMeta = ['meta_objective', 'grad_phi'];
const sumsOfPair = ['lambda', 'lambda_square', 'weight_entropy'];

/** The tensors of state.safetensors. Earlier versions had the sums of an epoch in one vector. */
export function translateState(state: readonly NamedTensor[]): readonly NamedTensor[] {
  const older = state.find(({ name }) => name === 'epoch_sums');
  if (older?.dtype !== 'float64') return state;
  const sums = new Float64Array(older.data.slice().buffer);
  const each = [...sumsOfRun, ...sumsOfMeta];
  const pairs = sums.slice(each.length);
  const named = (name: string, values: Float64Array): NamedTensor => ({
    name: `epoch_sums/${name}`,
    dtype: 'float64',
    shape: [values.length],
    data: new Uint8Array(values.slice().buffer),
  });
  return [
    ...state.filter((tensor) => tensor !== older),
    ...each.map((name, i) => named(name, sums.slice(i, i + 1))),
    ...sumsOfPair.map((name, k) =>
      named(
        name,
        pairs.filter((_, i) => i % sumsOfPair.length === k),
      ),
    ),
  ];
}
