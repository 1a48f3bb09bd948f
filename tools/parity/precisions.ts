import { table } from '../../src/cli/table.js';
import type { PrecisionName } from '../../src/native/addon.js';
import { precisionNames } from '../../src/native/contract/names.js';
import { type ParityOptions, parity } from './parity.js';

/** For each case that has a ∇φ, the error of ∇φ relative to its norm, in each precision of a GPU. */
export type PrecisionEffects = Readonly<Record<string, Readonly<Partial<Record<PrecisionName, number>>>>>;

/** Measures the error of ∇φ in each of the GPU's precisions, without judging it. */
export async function precisionEffects(folder: string, { device }: Pick<ParityOptions, 'device'>) {
  const effects: Record<string, Partial<Record<PrecisionName, number>>> = {};
  for (const precision of precisionNames) {
    const { cases } = await parity(folder, {
      dtype: 'float32',
      engine: 'native',
      precision,
      ...(device && { device }),
    });
    for (const result of cases) {
      if ('error' in result) throw new Error(`${result.name} in ${precision}: ${result.error}`);
      const error = 'verdict' in result ? result.verdict.gradError : undefined;
      if (error !== undefined) effects[result.name] = { ...effects[result.name], [precision]: error };
    }
  }
  return effects satisfies PrecisionEffects;
}

export function formatEffects(effects: PrecisionEffects): string {
  const rows = Object.entries(effects).map(([name, errors]) => [
    name,
    ...precisionNames.map((precision) => errors[precision]?.toExponential(1) ?? ''),
  ]);
  return `Error of ∇φ, relative to its norm:\n${table(['case', ...precisionNames], rows)}`;
}
