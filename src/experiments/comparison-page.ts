import { basename } from 'node:path';
import { mostCurves, overlaid } from '../report/overlay.js';
import type { Page } from '../report/page/document.js';
import { curves, scrolling, table } from '../report/page/figures.js';
import { type Content, type Html, html } from '../report/page/html.js';
import { footer, metricsData, nameOf } from '../report/run-page.js';
import type { RunData } from '../store/run-data.js';
import { intervalOf, mean } from '../system/statistics.js';
import { conclusionsOf, sentenceOf } from './conclusions.js';
import { dotPlot, scatter } from './drawings.js';
import { byCount, type ExperimentRow, pairedDifferences } from './row.js';
import { experimentTable } from './table.js';

/** The page of an experiment. `runs`: those whose files are there. */
export function comparisonPage(folder: string, rows: readonly ExperimentRow[], runs: readonly RunData[]): Page {
  const title = `Comparison: ${basename(folder)}`;
  const { head, rows: cells } = experimentTable(rows);
  const [first] = runs;
  const shown = runs.slice(0, mostCurves);
  const main = html`<header><h1>${title}</h1>
${first && html`<p>${aboutOf(first)}</p>`}
${conclusionsOf(rows).map((sentence) => html`<p class="result">${sentence}</p>`)}</header>
<section><h2>Results</h2>${scrolling('Results', table(head, cells))}
<p class="note">Mean ± standard deviation over the seeds. comparison.csv has the same columns as plain numbers.</p></section>
${byCount(rows).map((group) => accuracySections(group))}
${curveSection(rows)}
${scatter(rows)}
${runs.length > mostCurves && html`<p class="note">Of ${runs.length} runs, the curves of the first ${mostCurves} are shown.</p>`}
${overlaid(shown)}
${footer()}
${metricsData(Object.fromEntries(shown.map((run) => [nameOf(run), run.metrics])))}`;
  return { title, main };
}

function aboutOf({ record: { spec, found } }: RunData): string {
  const { target, width, size, epochs, batch, sources } = spec;
  const from = sources.map(({ path, network }) => `${basename(path)} (${network})`).join(', ');
  return `${target} at width ${width} on ${found.classNames.length} classes of ${basename(spec.data)}, images of ${size}×${size} pixels, ${epochs} epochs of batch ${batch}${from === '' ? '' : `; source: ${from}`}.`;
}

function accuracySections({ count, rows }: ReturnType<typeof byCount<ExperimentRow>>[number]): Html {
  const where = count === undefined ? '' : `, ${count} images a class`;
  const known = rows.filter(({ mean }) => mean !== null);
  if (known.length === 0) return html`<section><h2>Accuracy${where}</h2><p>No run finished.</p></section>`;
  const dots = known.map(({ label, accuracies, mean }) => ({
    label,
    values: accuracies.flatMap((accuracy) => (accuracy === null ? [] : [100 * accuracy])),
    mean: 100 * (mean as number),
  }));
  return html`<section><h2>Accuracy${where}</h2>
${dotPlot('Test accuracy, %: a dot for each seed, a line at the mean', dots)}
${known.length > 1 && differenceSection(known, where)}</section>`;
}

/** For each possible baseline, the others' differences to it; the page's script shows those of the chosen one. */
function differenceSection(rows: readonly ExperimentRow[], where: string): Html {
  const id = `baseline${where.replaceAll(/\D/g, '')}`;
  const start = rows.find(({ method }) => method === 'scratch') ?? (rows[0] as ExperimentRow);
  const parts = rows.map((baseline) => {
    const others = rows.filter((row) => row !== baseline);
    const differences = others.flatMap((row) => differenceTo(baseline, row) ?? []);
    const hidden = baseline !== start && html` hidden`;
    return html`<div data-choice="${id}" data-value="${baseline.label}"${hidden}>${others.map(
      (row) => html`<p>${sentenceOf(row, baseline)}</p>`,
    )}${dotPlot(`Points ahead of ${baseline.label}: a dot for each seed, and the 95 % interval`, differences.map(toDots), 0)}
<details><summary>Table: points ahead of ${baseline.label}</summary>${differenceTable(differences)}</details></div>`;
  });
  return html`<h3>Paired differences</h3><p><label>Baseline <select id="${id}">${rows.map(
    ({ label }) => html`<option${label === start.label && html` selected`}>${label}</option>`,
  )}</select></label></p>
<p class="note">Equal seeds draw equal images, so a difference is taken seed by seed. Its 95 % interval is Student’s t, and it is settled if the interval does not contain 0.</p>
${parts}`;
}

type Difference = NonNullable<ReturnType<typeof differenceTo>>;

/**
 * How far a row is from a baseline, over the seeds that both finished; undefined without any. Differences are of
 * accuracies in [0, 1]. The interval is undefined for one seed.
 */
function differenceTo(baseline: ExperimentRow, row: ExperimentRow) {
  const differences = pairedDifferences(row, baseline);
  if (differences.length === 0) return undefined;
  return { label: row.label, differences, mean: mean(differences), interval: intervalOf(differences) };
}

const toDots = ({ label, differences, mean, interval }: Difference) => ({
  label,
  values: differences.map((difference) => 100 * difference),
  mean: 100 * mean,
  ...(interval && { range: [100 * interval.low, 100 * interval.high] as const }),
});

function differenceTable(differences: readonly Difference[]): Html {
  const points = (value: number) => (100 * value).toFixed(2);
  const rows = differences.map(({ label, mean, interval, differences: each }) => [
    label,
    points(mean),
    interval ? `${points(interval.low)} to ${points(interval.high)}` : '–',
    each.map(points).join(', '),
  ]);
  return scrolling('Differences', table(['method', 'mean', '95 % interval', 'each seed'], rows));
}

/** Accuracy against images a class, if rows differ in it. */
function curveSection(rows: readonly ExperimentRow[]): Content {
  const counts = [...new Set(rows.flatMap(({ perClass }) => perClass ?? []))].sort((a, b) => a - b);
  if (counts.length < 2) return undefined;
  const columns = [...new Set(rows.map(({ label }) => label))].map((label) => ({
    name: label,
    values: counts.map((count) => {
      const mean = rows.find((row) => row.label === label && row.perClass === count)?.mean ?? null;
      return mean === null ? undefined : 100 * mean;
    }),
  }));
  const x = { name: 'training images a class', values: counts };
  return html`<section><h2>Accuracy and images a class</h2>${curves({ title: 'Mean test accuracy, %', x, columns })}</section>`;
}
