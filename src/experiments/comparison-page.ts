import { basename, resolve } from 'node:path';
import type { EpochMetrics } from '../native/addon.js';
import { command, resumeCommand } from '../options/command.js';
import type { Page, Status } from '../report/page/document.js';
import { type Column, type Content, colours, curves, type Html, html, scrolling, table } from '../report/page/html.js';
import { footer, helpOf, metricsData, nameOf, titleOfTerm } from '../report/run-page.js';
import type { RunData } from '../store/run-data.js';
import { counted, duration } from '../system/printable.js';
import { intervalOf, largest, mean, smallest } from '../system/statistics.js';
import { conclusionsOf, sentenceOf } from './conclusions.js';
import { type Experiment, titleOf } from './plan.js';
import { byCount, type ExperimentRow, isFixed, pairedDifferences } from './row.js';
import { type UnfinishedRun, unfinishedLines } from './run-states.js';
import { experimentTable } from './table.js';

/** Maximum number of runs with curves: more would be unreadable, and the page large. */
const maxCurves = 24;

/** The content of an experiment's page. */
interface Shown {
  readonly folder: string;
  readonly verb: Experiment['verb'];
  readonly state: Status['state'];
  readonly rows: readonly ExperimentRow[];
  /** The runs whose files are there. */
  readonly runs: readonly RunData[];
  readonly unfinished: readonly UnfinishedRun[];
}

/** The page of an experiment. A method has one colour in all of its figures, and a run one kind of line. */
export function comparisonPage(shown: Shown): Page {
  const { folder, rows, runs, unfinished } = shown;
  const title = `Comparison: ${basename(folder)}`;
  const { head, rows: cells } = experimentTable(rows);
  const first = runs.find(({ record }) => record.spec.sources.length > 0) ?? runs[0];
  const drawn = runs.slice(0, maxCurves);
  const missing = unfinishedLines(unfinished).map((line) => html`<li>${line}</li>`);
  const main = html`<header><h1>${title}</h1>
${conclusionsOf(rows).map((sentence) => html`<p class="result">${sentence}</p>`)}
${first && html`<p>${aboutOf(first)}</p>`}</header>
<section><h2>Results</h2>${scrolling('Results', table(head, cells, 'cards'))}
<p class="note">Mean ± standard deviation over the seeds. comparison.csv has the same columns as plain numbers.</p>
${missing.length > 0 && html`<h3>Not done</h3><ul>${missing}</ul>`}</section>
${byCount(rows).map((group) => accuracySections(group, rows))}
${curveSection(rows)}
${costSection(rows)}
${runs.length > maxCurves && html`<p class="note">Of ${runs.length} runs, the curves of the first ${maxCurves} are shown.</p>`}
${trainingSection(drawn, rows)}
${footer()}
${metricsData(Object.fromEntries(drawn.map((run) => [nameOf(run), run.metrics])))}`;
  return { title, status: statusOf(shown), main };
}

/** Returns the number of finished runs, and the time that is left. */
function statusOf({ folder, verb, state, rows, runs, unfinished }: Shown): Status {
  const [path, total] = [resolve(folder), rows.flatMap((row) => row.runs).length];
  const done = total - unfinished.length;
  const far = `${done} of ${total} runs are done`;
  const seconds = secondsLeft(runs, unfinished);
  const next = done === total ? '; the speed of the networks is next' : seconds && `; about ${duration(seconds)} left`;
  const resume = html`<code>${resumeCommand(verb, path)}</code>`;
  const texts = {
    running: html`<strong>The experiment goes on:</strong> ${far}${next}.`,
    interrupted: html`<strong>The experiment is not finished:</strong> ${far}. To go on: ${resume}.`,
    failed: html`<strong>The experiment failed:</strong> ${far}. To try again: ${resume}.`,
    finished: html`<strong>The experiment is finished:</strong> ${far}.`,
  };
  return { state, text: texts[state], done: done / total, again: command('report', path), every: 10 };
}

/** Estimates the time that is left from the epochs done; undefined before the first. */
function secondsLeft(runs: readonly RunData[], unfinished: readonly UnfinishedRun[]): number | undefined {
  const seconds = runs.flatMap(({ timing }) => timing.map((epoch) => epoch.seconds));
  if (seconds.length === 0) return undefined;
  const epochs = (runs[0] as RunData).record.spec.epochs;
  const begun = runs.filter(({ status }) => status.state !== 'finished').flatMap(({ metrics }) => metrics).length;
  const lanes = unfinished.filter(({ state }) => state === 'running').length;
  return (mean(seconds) * Math.max(0, unfinished.length * epochs - begun)) / Math.max(1, lanes);
}

function aboutOf({ record: { spec, found } }: RunData): string {
  const { target, width, size, epochs, batch } = spec;
  return `${target} at width ${width} on ${found.classNames.length} classes of ${basename(spec.data)}, images of ${size}×${size} pixels, ${counted(epochs, 'epoch')} of batch ${batch}, ${helpOf(spec)}.`;
}

const labelsOf = (rows: readonly ExperimentRow[]): string[] => [...new Set(rows.map(({ label }) => label))];

/** Returns the colour and dashes of a method (browser.ts). */
const styleOf = ({ label }: Pick<ExperimentRow, 'label'>, rows: readonly ExperimentRow[]): number =>
  labelsOf(rows).indexOf(label);

/** Returns the same colour for all runs of a method, and other dashes for each. */
function styleOfRun(run: RunData, rows: readonly ExperimentRow[]): number {
  const row = rows.find((each) => each.runs.some((path) => basename(path) === nameOf(run)));
  if (row === undefined) return 0;
  const siblings = rows.filter(({ label }) => label === row.label).flatMap((each) => each.runs);
  return styleOf(row, rows) + colours * siblings.findIndex((path) => basename(path) === nameOf(run));
}

function accuracySections(
  { count, rows }: ReturnType<typeof byCount<ExperimentRow>>[number],
  all: readonly ExperimentRow[],
): Content {
  const where = count === undefined ? '' : `, ${count} images a class`;
  const known = rows.filter((row) => row.mean !== null);
  if (known.length === 0) return undefined;
  const dots = known.map((row) => ({
    label: row.label,
    style: styleOf(row, all),
    values: (isFixed(row) ? row.accuracies.slice(0, 1) : row.accuracies).flatMap((accuracy) => accuracy ?? []),
    mean: row.mean as number,
  }));
  return html`<section><h2>Accuracy${where}</h2>
${dotPlot('Test accuracy: a dot for each seed, a line at the mean', dots, '%')}
${known.length > 1 && differenceSection(known, where, all)}</section>`;
}

/** Returns, for each possible baseline, the others' differences to it; the page's script shows those of the choice. */
function differenceSection(rows: readonly ExperimentRow[], where: string, all: readonly ExperimentRow[]): Html {
  const id = `baseline${where.replaceAll(/\D/g, '')}`;
  const start = rows.find(({ method }) => method === 'scratch') ?? (rows[0] as ExperimentRow);
  const parts = rows.map((baseline) => {
    const others = rows.filter((row) => row !== baseline);
    const differences = others.flatMap((row) => differenceTo(baseline, row, styleOf(row, all)) ?? []);
    const hidden = baseline !== start && html` hidden`;
    return html`<div data-choice="${id}" data-value="${baseline.label}"${hidden}>${others.map(
      (row) => html`<p>${sentenceOf(row, baseline)}</p>`,
    )}${dotPlot(`Points ahead of ${baseline.label}: a dot for each seed, a line at the mean, and the 95 % interval`, differences, '', 0)}
<details><summary>Table: points ahead of ${baseline.label}</summary>${differenceTable(differences)}</details></div>`;
  });
  return html`<h3>Paired differences</h3><p><label>Baseline <select id="${id}">${rows.map(
    ({ label }) => html`<option${label === start.label && html` selected`}>${label}</option>`,
  )}</select></label></p>
<p class="note">Equal seeds draw equal images, so a difference is taken seed by seed. Its 95 % interval is Student’s t, and it is settled if the interval does not contain 0.</p>
${parts}`;
}

/** A line of a dot plot. Values are parts of 1. */
interface Dots {
  readonly label: string;
  readonly style: number;
  readonly values: readonly number[];
  readonly mean: number;
  readonly interval?: { readonly low: number; readonly high: number } | undefined;
}

/**
 * Returns a row's distance from a baseline, over the seeds that both finished; undefined without any. Differences are
 * of accuracies in [0, 1]. The interval is undefined for one seed.
 */
function differenceTo(baseline: ExperimentRow, row: ExperimentRow, style: number): Dots | undefined {
  const values = pairedDifferences(row, baseline);
  if (values.length === 0) return undefined;
  return { label: row.label, style, values, mean: mean(values), interval: intervalOf(values) };
}

function differenceTable(differences: readonly Dots[]): Html {
  const points = (value: number) => (100 * value).toFixed(2);
  const rows = differences.map(({ label, mean, interval, values }) => [
    label,
    points(mean),
    interval ? `${points(interval.low)} to ${points(interval.high)}` : '–',
    values.map(points).join(', '),
  ]);
  return scrolling('Differences', table(['method', 'mean', '95 % interval', 'each seed'], rows));
}

/**
 * A row for each method, on an axis of percent: a dot for each value, a line at the mean, the interval. `zero`: a value to
 * mark.
 */
function dotPlot(title: string, rows: readonly Dots[], unit: '%' | '', zero?: number): Html {
  const ends = rows.flatMap(({ values, interval }) => [...values, ...(interval ? [interval.low, interval.high] : [])]);
  const all = [...ends, ...(zero === undefined ? [] : [zero])].map((value) => 100 * value);
  const [min, max] = [smallest(all), largest(all)];
  const step = niceStep((max - min || 1) / 5);
  const [from, to] = [
    Math.floor(min / step) * step,
    Math.max(Math.ceil(max / step), Math.floor(min / step) + 1) * step,
  ];
  const ticks = Array.from({ length: Math.round((to - from) / step) + 1 }, (_, k) => from + k * step);
  const at = (value: number) => ((100 * (100 * value - from)) / (to - from)).toFixed(2);
  const mark = (name: string, value: number) => html`<i class="${name}" style="left:${at(value)}%"></i>`;
  const lines = rows.map(({ label, style, values, mean, interval }) => {
    const colour = html`<span style="--colour:var(--c${style % colours})"${style >= colours && html` class="hollow"`}>`;
    const span =
      interval &&
      html`<i class="range" style="left:${at(interval.low)}%;right:${(100 - Number(at(interval.high))).toFixed(2)}%"></i>`;
    return html`<b>${label}</b>${colour}${zero !== undefined && mark('zero', zero)}${span}${values.map((value) => mark('dot', value))}${mark('mean', mean)}</span>`;
  });
  const axis = ticks.map(
    (tick) =>
      html`<i class="tick" style="left:${at(tick / 100)}%">${Number(tick.toPrecision(6))}${unit && ` ${unit}`}</i>`,
  );
  return html`<figure><figcaption>${title}</figcaption>
<div class="dots" style="--steps:${ticks.length - 1}" role="img" aria-label="${title}; the table has the numbers">${lines}<b></b><span class="axis">${axis}</span></div></figure>`;
}

/** Returns the smallest of 1, 2, 5 × a power of ten that is at least `min`. */
function niceStep(min: number): number {
  const power = 10 ** Math.floor(Math.log10(min));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= min) as number);
}

/** Accuracy against images a class, if rows differ in it. */
function curveSection(rows: readonly ExperimentRow[]): Content {
  const counts = [...new Set(rows.flatMap(({ perClass }) => perClass ?? []))].sort((a, b) => a - b);
  if (counts.length < 2) return undefined;
  const columns = labelsOf(rows).map((label, style): Column => {
    const meanOf = (count: number) => rows.find((row) => row.label === label && row.perClass === count)?.mean;
    return { name: label, style, values: counts.map((count) => meanOf(count) ?? undefined) };
  });
  const x = { name: 'training images a class', values: counts };
  return html`<section><h2>Accuracy and images a class</h2>${curves({ title: 'Mean test accuracy', x, columns, parts: true })}</section>`;
}

/** Mean test accuracy against what the network and its training cost, a point for each row. */
function costSection(rows: readonly ExperimentRow[]): Content {
  const figure = (title: string, name: string, cost: (row: ExperimentRow) => number | null | undefined) => {
    const points = rows
      .flatMap((row) => {
        const at = cost(row) ?? null;
        return at === null || row.mean === null ? [] : [{ row, at, accuracy: row.mean }];
      })
      .sort((a, b) => a.at - b.at);
    if (points.length < 2) return undefined;
    const columns = points.map(({ row, accuracy }, k) => ({
      name: titleOf(row),
      style: styleOf(row, rows),
      values: points.map((_, j) => (j === k ? accuracy : undefined)),
    }));
    return curves({ title, x: { name, values: points.map(({ at }) => at) }, columns, parts: true, points: true });
  };
  const figures = [
    figure('Accuracy and the time of an image', 'ms an image, one at a time', ({ inference }) => inference?.batch1),
    figure('Accuracy and the size of the network', 'parameters', ({ parameters }) => parameters),
    figure('Accuracy and the time of training', 'seconds of a run', ({ seconds }) => seconds),
  ];
  if (figures.every((each) => each === undefined)) return undefined;
  return html`<section><h2>Accuracy and cost</h2><div class="charts">${figures}</div>
<p class="note">Mean test accuracy over the seeds. Runs side by side slow each other’s training down.</p></section>`;
}

/** Curves of several runs in the same figures. */
function trainingSection(runs: readonly RunData[], rows: readonly ExperimentRow[]): Content {
  const epochs = largest(runs.map(({ metrics }) => metrics.length));
  if (epochs <= 0) return undefined;
  const figure = (title: string, value: (line: EpochMetrics) => number | undefined, parts = false) => {
    const columns = runs.map((run): Column => {
      return { name: nameOf(run), style: styleOfRun(run, rows), values: run.metrics.map(value), exact: true };
    });
    if (columns.every(({ values }) => values.every((each) => each === undefined))) return undefined;
    const x = { name: 'epoch', values: Array.from({ length: epochs }, (_, epoch) => epoch + 1) };
    return curves({ title, x, columns, parts });
  };
  const terms = [...new Set(runs.flatMap(({ metrics }) => metrics.flatMap(({ losses }) => Object.keys(losses))))];
  return html`<section><h2>Training</h2><div class="charts">${[
    figure('Accuracy on the training images', ({ trainAccuracy }) => trainAccuracy, true),
    figure('Accuracy on the validation images', ({ validationAccuracy }) => validationAccuracy, true),
    ...terms.map((term) => figure(titleOfTerm(term), ({ losses }) => losses[term])),
    figure('Cross-entropy of the validation images, nats', ({ validationLoss }) => validationLoss),
    figure('Meta-objective, nats', ({ metaObjective }) => metaObjective),
    figure('Learning rate', ({ lr }) => lr),
  ]}</div></section>`;
}
