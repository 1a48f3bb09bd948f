import { basename } from 'node:path';
import { command } from '../options/command.js';
import type { NetworkName } from '../options/networks.js';
import type { Page } from '../report/page/document.js';
import { html, scrolling, table } from '../report/page/html.js';
import { footer } from '../report/run-page.js';
import type { RunResult } from '../run/run.js';
import { counted, duration } from '../system/printable.js';
import { type Interval, percent, probabilityInterval } from '../system/statistics.js';
import { type Candidate, nameOf } from './candidates.js';
import type { CheckedTrainOptions } from './decisions.js';
import { minForRace, type TrainPlan } from './plan.js';

/** A network that was trained: a row of the table. */
export interface TrainedRow {
  /** The fine-tuned source, the result if that is another network, or the same from scratch. */
  readonly name: 'source' | 'result' | 'scratch';
  /** The network's name. */
  readonly network: NetworkName;
  /** The factor of its numbers of channels. */
  readonly width: number;
  /** Side of its images, pixels. */
  readonly size: number;
  /** Accuracy on the test images; null without any. The interval is Wilson's, 95 %. */
  readonly accuracy: Interval | null;
  /** Milliseconds for one image on one CPU thread, decoding not counted. */
  readonly ms: number;
  /** The number of its parameters. */
  readonly parameters: number;
  /** Megabytes of its weights. */
  readonly mb: number;
  /** The epochs of its training. */
  readonly epochs: number;
  /** The folder of the run. */
  readonly run: string;
}

export function trainedRow(name: TrainedRow['name'], candidate: Candidate, result: RunResult): TrainedRow {
  const { network, width, size, ms = Number.NaN, parameters, mb } = candidate;
  const { correct, total, epochs, run } = result;
  const accuracy = correct === null || total === null ? null : probabilityInterval(correct, total);
  return { name, network, width, size, accuracy, ms, parameters, mb, epochs, run };
}

const titles = { source: 'the source, fine-tuned', result: 'the result', scratch: 'the same, from scratch' } as const;

/** The table as texts: on the terminal, and in the report. */
export function resultTable(rows: readonly TrainedRow[]): { head: string[]; cells: string[][] } {
  const points = (part: number) => (100 * part).toFixed(1);
  return {
    head: ['', 'network', 'test accuracy (95 %)', 'ms an image', 'parameters', 'MB', 'epochs'],
    cells: rows.map((row) => [
      titles[row.name],
      nameOf(row),
      row.accuracy === null
        ? 'no test images'
        : `${percent(row.accuracy.mean)} (${points(row.accuracy.low)} to ${points(row.accuracy.high)})`,
      row.ms.toFixed(2),
      row.parameters.toLocaleString('en'),
      row.mb.toFixed(2),
      String(row.epochs),
    ]),
  };
}

/** Returns a sentence about the cost of the budget. */
export function verdictOf(rows: readonly TrainedRow[], { maxMs, source: file }: CheckedTrainOptions): string {
  const [source, result] = ['source', 'result'].map((name) => rows.find((row) => row.name === name));
  if (result === undefined) return 'The fine-tuned source is within the budget: it is the result.';
  const slow =
    maxMs !== undefined && result.ms > 1.1 * maxMs
      ? ` Timed again, it takes ${result.ms.toFixed(2)} ms an image, more than the ${maxMs} ms of the budget.`
      : '';
  if (source === undefined) {
    const how =
      file === undefined ? 'was trained from scratch' : `learned from ${basename(file)}, which stayed as it is`;
    return `${nameOf(result)} ${how}.${slow}`;
  }
  const [before, after] = [source.accuracy?.mean, result.accuracy?.mean];
  const lost = before === undefined || after === undefined ? undefined : 100 * (before - after);
  const cost = lost === undefined ? 'There are no test images to say what the budget costs' : costSentence(lost);
  const times = (key: 'ms' | 'parameters' | 'mb') => (result[key] / source[key]).toFixed(2);
  return `${cost}: the result takes ${times('ms')} of the source's time for an image and has ${times('parameters')} of its parameters.${slow}`;
}

/** The cost in words; `lost`: percentage points, below 0 if the result is better. */
function costSentence(lost: number): string {
  const size = Math.abs(lost).toFixed(1);
  if (Number(size) === 0) return 'The budget costs no accuracy (the two are equal on the test images)';
  return lost > 0
    ? `The budget costs ${size} points of test accuracy`
    : `The budget costs no accuracy (the result is ${size} points ahead on the test images)`;
}

export function resultPage({
  out,
  options,
  rows,
  sentence,
  plan,
}: {
  readonly out: string;
  readonly options: CheckedTrainOptions;
  readonly rows: readonly TrainedRow[];
  readonly sentence: string;
  readonly plan: TrainPlan;
}): Page {
  const title = `Training: ${basename(out)}`;
  const { head, cells } = resultTable(rows);
  const raced = plan.candidates.slice(0, plan.schedule.race.candidates).map(({ candidate }) => nameOf(candidate));
  const links = rows.map(({ name, run }) => html`<li><a href="${basename(run)}/report.html">${titles[name]}</a></li>`);
  const main = html`<header><h1>${title}</h1><p class="result">${sentence}</p></header>
<section><h2>Networks</h2>${scrolling('Networks', table(head, cells, 'cards'))}
<p class="note">Milliseconds are of one image at a time on one CPU thread, without decoding. ${plan.images.train} training and ${plan.images.test} test images of ${basename(options.data as string)}. decisions.json has everything that was timed and decided.</p>
${raced.length > 0 && html`<h3>Race</h3><p>Judged by a fifth of the training images:</p><ul>${raced.map((name) => html`<li>${name}</li>`)}</ul>`}
<h3>Reports</h3><ul>${links}</ul></section>
${footer()}`;
  const text = html`<strong>The training is finished.</strong>`;
  return { title, status: { state: 'finished', text, done: 1, again: command('train', '--resume', out) }, main };
}

/** The plan in lines of text. */
export function describePlan({ source, candidates, schedule, fewest, images, method }: TrainPlan): string[] {
  const { candidate, fits } = source;
  const ms = ({ ms }: Candidate) => (ms === undefined ? '' : `, ${ms.toFixed(2)} ms an image`);
  const about = (each: Candidate) =>
    `${nameOf(each)}${ms(each)}, ${each.parameters.toLocaleString('en')} parameters, ${each.mb.toFixed(2)} MB`;
  const { race, last } = schedule;
  const step = (seconds: number) => `${(1000 * seconds).toFixed(0)} ms a step`;
  return [
    `${images.train} training, ${images.validation} validation and ${images.test} test images`,
    ...(source.given
      ? [
          `source: ${about(candidate)}; ${counted(schedule.source, 'epoch')} of fine-tuning, ${step(source.work.seconds)}`,
        ]
      : []),
    ...(candidates.length === 0 || !fits
      ? [
          `the ${source.given ? 'source' : 'usual network'} is ${fits ? 'within the budget: it is the result' : 'not within the budget'}`,
        ]
      : []),
    ...(race.candidates > 0
      ? [
          `race of ${race.candidates}: from ${counted(race.epochs, 'epoch')}, doubled each round; ${race.teacher} of their teacher`,
        ]
      : candidates.length > 1
        ? [
            `no race (${fewest < minForRace ? `${fewest} training images in a class` : 'there is no time for one'}): the largest is trained`,
          ]
        : []),
    ...last.map(({ student, scratch }, k) => {
      const { candidate: each, work } = candidates[k] as (typeof candidates)[number];
      const baseline = scratch > 0 ? `, ${scratch} from scratch` : '';
      return `  ${about(each)}; if it is chosen, ${counted(student, 'epoch')} of ${method}${baseline}, ${step(work.seconds)}`;
    }),
    `about ${duration(schedule.seconds)} in all`,
  ];
}
