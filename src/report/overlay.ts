import { resolve } from 'node:path';
import type { EpochMetrics } from '../native/addon.js';
import type { RunData } from '../store/run-data.js';
import { percent } from '../system/statistics.js';
import type { Page } from './page/document.js';
import { type Curves, curves, scrolling, table } from './page/figures.js';
import { type Content, html } from './page/html.js';
import { featureSections } from './run-features.js';
import { footer, metricsData, nameOf, runPage, titleOfTerm } from './run-page.js';

/** More runs than this would make the curves unreadable, and the page large. */
export const mostCurves = 24;

/** The page of runs that may be in progress: one run as its report shows it, several with their curves over each other. */
export function livePage(runs: readonly RunData[]): Page {
  const [first] = runs;
  if (first === undefined) return { title: 'No run yet', main: html`<h1>No run has begun yet</h1>${footer()}` };
  if (runs.length === 1) return runPage(first);
  const title = `${runs.length} runs`;
  const names = namesOf(runs);
  const shown = runs.slice(0, mostCurves);
  const rows = runs.map((run, k) => [
    names[k] as string,
    run.record.spec.method,
    `${run.metrics.length} of ${run.record.spec.epochs}`,
    run.result?.accuracy == null ? '' : percent(run.result.accuracy),
  ]);
  const main = html`<header><h1>${title}</h1>
${scrolling('Runs', table(['run', 'method', 'epochs', 'test accuracy'], rows, 'words'))}</header>
${runs.length > mostCurves && html`<p class="note">The curves of the first ${mostCurves} are shown.</p>`}
${overlaid(shown)}
${shown.map((run, k) => html`<article><h2>${names[k]}</h2>${featureSections(run)}</article>`)}
${footer()}
${metricsData(Object.fromEntries(shown.map((run, k) => [names[k], run.metrics])))}`;
  return { title, main };
}

/** The names of the folders; where two are alike, the paths of all below the folder that they have in common. */
function namesOf(runs: readonly RunData[]): string[] {
  const names = runs.map(nameOf);
  if (new Set(names).size === names.length) return names;
  const paths = runs.map(({ folder }) => resolve(folder).split('/'));
  const [first = []] = paths;
  const differing = first.findIndex((part, depth) => paths.some((path) => path[depth] !== part));
  return paths.map((path) => path.slice(Math.max(differing, 0)).join('/'));
}

/** Curves of several runs in the same figures. */
export function overlaid(runs: readonly RunData[]): Content {
  const names = namesOf(runs);
  const epochs = Math.max(0, ...runs.map(({ metrics }) => metrics.length));
  if (epochs === 0) return undefined;
  const figure = (title: string, value: (line: EpochMetrics) => number | undefined): Curves => ({
    title,
    x: { name: 'epoch', values: Array.from({ length: epochs }, (_, epoch) => epoch + 1) },
    columns: runs.map((run, k) => ({ name: names[k] as string, values: run.metrics.map(value), exact: true })),
  });
  const terms = [...new Set(runs.flatMap(({ metrics }) => metrics.flatMap(({ losses }) => Object.keys(losses))))];
  const figures = [
    figure('Accuracy on the training images', ({ trainAccuracy }) => trainAccuracy),
    figure('Accuracy on the validation images', ({ validationAccuracy }) => validationAccuracy),
    ...terms.map((term) => figure(titleOfTerm(term), ({ losses }) => losses[term])),
    figure('Cross-entropy of the validation images, nats', ({ validationLoss }) => validationLoss),
    figure('Meta-objective, nats', ({ metaObjective }) => metaObjective),
    figure('Learning rate', ({ lr }) => lr),
  ];
  const drawn = figures.filter(({ columns }) =>
    columns.some(({ values }) => values.some((each) => each !== undefined)),
  );
  return html`<section><h2>Training</h2><div class="charts">${drawn.map(curves)}</div></section>`;
}
