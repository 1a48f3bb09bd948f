import { deviceTitle } from '../../src/bench/cases.js';
import { table } from '../../src/cli/table.js';
import { groups } from './compare.js';
import type { CaseResult, ParityReport } from './parity.js';

/** Failures named per case; a broken engine breaks hundreds. */
const mostNamed = 5;

/** The table of worst relative errors, what failed, and the last line `parity: P passed, F failed, U unsupported`. */
export function formatReport({ device, dtype, cases, medians }: ParityReport): string {
  const worst = table(['case', ...groups.map(([title]) => title), ''], cases.map(row));
  const lines = [
    `Worst error of each quantity, relative to its norm, ${dtype} on ${deviceTitle(device)}:`,
    worst,
    ...cases.flatMap(problems),
  ];
  for (const [kind, value] of Object.entries(medians ?? {})) {
    if (value !== undefined) lines.push(`median of error / bound, ${kind}: ${value.toFixed(2)} (at most 10)`);
  }
  const count = (outcome: CaseResult['outcome']) => cases.filter((result) => result.outcome === outcome).length;
  lines.push(`parity: ${count('passed')} passed, ${count('failed')} failed, ${count('unsupported')} unsupported`);
  return lines.join('\n');
}

function row(result: CaseResult): string[] {
  const cells = groups.map(([title]) => {
    const error = 'verdict' in result ? result.verdict.worst.get(title) : undefined;
    return error === undefined ? '' : error === 0 ? '0' : error.toExponential(0);
  });
  return [result.name, ...cells, result.outcome];
}

function problems(result: CaseResult): string[] {
  if (result.outcome === 'unsupported') return [`${result.name}: method ${result.method} is not built yet`];
  if ('error' in result) return [`${result.name}: ${result.error}`];
  const { failures } = result.verdict;
  const named = failures.slice(0, mostNamed).map((failure) => `${result.name}: ${failure}`);
  return failures.length > mostNamed ? [...named, `${result.name}: and ${failures.length - mostNamed} more`] : named;
}
