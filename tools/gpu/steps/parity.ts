import { benchDevice } from '../../../src/bench/cases.js';
import { type ParityReport, parity } from '../../parity/parity.js';
import { precisionEffects } from '../../parity/precisions.js';
import type { Findings } from '../results.js';
import type { StepOptions } from '../step.js';

export const fixtures = 'test/fixtures/parity';

/** Every fixture in float64 and float32; on a GPU also what its precisions do to ∇φ. */
export async function checkParity({ device }: StepOptions): Promise<Findings> {
  const reports: ParityReport[] = [];
  for (const dtype of ['float64', 'float32'] as const) {
    reports.push(await parity(fixtures, { dtype, engine: 'native', device }));
  }
  const effects = benchDevice(device).gpu ? await precisionEffects(fixtures, { device }) : undefined;
  const count = reports.reduce((sum, { cases }) => sum + cases.length, 0);
  return {
    problems: reports.flatMap(problemsOf),
    summary: `${count} comparisons, in float64 and float32`,
    figures: { worst: Object.fromEntries(reports.map((report) => [report.dtype, worstOf(report)])), effects },
  };
}

const problemsOf = ({ dtype, cases }: ParityReport): string[] =>
  cases.flatMap((result) => {
    if (result.outcome === 'passed') return [];
    if ('method' in result) return [`${result.name}: no method ${result.method}`];
    return [`${result.name} in ${dtype}: ${'error' in result ? result.error : result.verdict.failures[0]}`];
  });

/** The worst relative error of each kind of quantity, by case. */
const worstOf = ({ cases }: ParityReport) =>
  Object.fromEntries(
    cases.flatMap((result) => ('verdict' in result ? [[result.name, Object.fromEntries(result.verdict.worst)]] : [])),
  );
