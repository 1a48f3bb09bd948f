import { basename, resolve } from 'node:path';
import type { GpuMemory } from '../native/contract.js';
import { countParameters } from '../networks/describe.js';
import { command, resumeCommand } from '../options/command.js';
import { methodOf } from '../options/methods.js';
import type { RunSpec, SourceSpec } from '../options/spec.js';
import { terms } from '../options/terms.js';
import { skippedTests } from '../store/record.js';
import { metricsName, type RunData, totalOf, whichOf } from '../store/run-data.js';
import { counted, duration } from '../system/printable.js';
import { largest, median, percent, probabilityInterval } from '../system/statistics.js';
import type { ExplainedSource } from './explain.js';
import type { Page, Status } from './page/document.js';
import { type Column, type Content, curves, type Html, html, json, scrolling, table } from './page/html.js';
import { featureSections } from './run-features.js';
import { explainedSections, testedSections } from './run-images.js';
import type { Tested } from './test-images.js';
import type { Thumbnails } from './thumbnails.js';

/** Parts of a run's report that its own files do not have. */
export interface RunPictures {
  readonly tested?: Tested | undefined;
  readonly explained?: readonly ExplainedSource[];
  readonly thumbnails?: Thumbnails;
  /** Sentences: which parts are left out, and why. */
  readonly leftOut: readonly string[];
}

/** A term of the loss, by its name in metrics.jsonl. */
export const titleOfTerm = (term: string): string =>
  term in terms
    ? `${terms[term as keyof typeof terms].title}, weighted as it is summed`
    : 'Cross-entropy of the training images, nats';

/** The name of a run's folder. */
export const nameOf = ({ folder }: RunData): string => basename(folder);

const titleOf = ({ record: { spec } }: RunData): string => `${spec.method}: ${spec.target} on ${basename(spec.data)}`;

/** Epochs from which the speed of a run is taken. */
const recent = 10;

/** Returns the run's state, its speed, and the time that is left. */
function statusOf({ folder, record: { verb, spec }, timing, metrics, result, status }: RunData): Status {
  const [done, { epochs, patience }, path] = [metrics.length, spec, resolve(folder)];
  const last = timing.slice(-recent);
  const seconds = last.length > 0 ? median(last.map((epoch) => epoch.seconds)) : undefined;
  const far = `${done} of ${counted(epochs, 'epoch')} done`;
  const left = `${patience === undefined ? 'about' : 'at most'} ${duration((epochs - done) * (seconds ?? 0))} left`;
  const next = done === epochs ? 'the test images are next' : left;
  const pace = seconds === undefined ? [] : [`${secondsOf(seconds)} an epoch${speedOf(last)}`, next];
  const early =
    result && result.epochs < epochs && ` Patience ended the run after epoch ${result.epochs} of ${epochs}.`;
  const texts = {
    running: html`<strong>The run goes on:</strong> ${[far, ...pace].join('; ')}.`,
    interrupted: html`<strong>The run was interrupted:</strong> ${far}. To go on: <code>${resumeCommand(verb, path)}</code>.`,
    failed: html`<strong>The run failed:</strong> ${far}. ${status.state === 'failed' && status.failure.message}`,
    finished: html`<strong>The run is finished:</strong> ${counted(done, 'epoch')} in ${secondsOf(totalOf(timing).seconds)}.${early}`,
  };
  const { state } = status;
  return { state, text: texts[state], done: done / epochs, again: command('report', path), every: seconds };
}

function speedOf(timing: RunData['timing']): string {
  const speeds = timing.flatMap(({ imagesPerSecond }) => imagesPerSecond ?? []);
  if (speeds.length === 0) return '';
  return ` (${Number(median(speeds).toPrecision(3)).toLocaleString('en')} training images a second)`;
}

const secondsOf = (seconds: number): string => (seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds));

/** The page of one run. */
export function runPage(
  run: RunData,
  { tested, explained = [], leftOut, thumbnails }: RunPictures = { leftOut: [] },
): Page {
  const { sources } = run.record.spec;
  const main = html`<header><h1>${titleOf(run)}</h1>
${headline(run, tested)}
${leftOut.map((sentence) => html`<p class="left-out">${sentence}</p>`)}</header>
${thumbnails?.definitions}
${tested && testedSections(tested, run.record.spec.data, thumbnails)}
${trainingSections(run)}
${featureSections(run)}
${thumbnails && explained.map((pairs, k) => explainedSections(sources[k] as SourceSpec, pairs, thumbnails))}
${timeSection(run)}
${optionsSection(run)}
${footer()}
${metricsData(run.metrics)}`;
  return { title: titleOf(run), status: statusOf(run), main };
}

/** All of metrics.jsonl, as an array of its lines, for programs that read the page; of several runs, by name. */
export const metricsData = (metrics: unknown): Html =>
  html`<script type="application/json" id="metrics">${json(metrics)}</script>`;

export const footer = (): Html =>
  html`<footer><p class="note">Made by l2t-native. The method: <a href="https://arxiv.org/abs/1905.05901">Learning What and Where to Transfer</a> (Jang, Lee, Hwang, Shin; ICML 2019).</p></footer>`;

function headline({ record, result, sources }: RunData, tested: Tested | undefined): Content {
  const { spec, found } = record;
  const { target, width, method, size } = spec;
  const parameters = countParameters({ name: target, classes: found.classNames.length, width });
  const what = `${target} at width ${width} (${parameters.toLocaleString('en')} parameters) learns ${found.classNames.length} classes of ${basename(spec.data)} in images of ${size}×${size} pixels, ${helpOf(spec)}, by the method ${method}.`;
  return html`${result && accuracySentence(result, skippedTests(record), tested)}<p>${what}${sources && finetunedSentence(sources)}</p>`;
}

/** How good the fine-tuned sources are, in a sentence; nothing where there are no test images. */
function finetunedSentence(sources: NonNullable<RunData['sources']>): string {
  const accuracies = sources.flatMap(({ accuracy }) => (accuracy === null ? [] : [percent(accuracy)]));
  if (accuracies.length === 0) return '';
  return ` The fine-tuned ${accuracies.length > 1 ? 'sources get' : 'source gets'} ${accuracies.join(' and ')} of the test images right.`;
}

/** Returns a phrase about the run's initial weights and its sources. */
export function helpOf({ sources, targetInit, sourceFinetune }: RunSpec): string {
  const start = targetInit === undefined ? [] : [`starting from the weights in ${basename(targetInit)}`];
  const names = sources.map(({ path, network }) => `${basename(path)} (${network})`).join(' and ');
  const first = sourceFinetune === undefined ? '' : `, fine-tuned for ${counted(sourceFinetune, 'epoch')} first`;
  const help = names === '' ? [] : [`with the help of ${names}${first}`];
  return [...start, ...help].join(', ') || 'from random weights, without a source';
}

function accuracySentence(
  { correct, total, topK, best }: NonNullable<RunData['result']>,
  skipped: number,
  tested: Tested | undefined,
): Html {
  if (correct === null || total === null) return html`<p>The run has no test images.</p>`;
  const { mean, low, high } = probabilityInterval(correct, total);
  const again =
    tested && tested.correct !== correct
      ? ` (Evaluated again for this page, on another machine or with other threads: ${tested.correct}.)`
      : '';
  return html`<p class="result"><strong>${percent(mean)}</strong> of the test images are right: ${correct} of ${total}.${skipped > 0 && ` ${counted(skipped, 'damaged image')} left out.`}${topK !== null && ` For ${percent(topK.accuracy)} the class is among the ${topK.k} likeliest.`}</p>
<p>The 95 % interval is ${percent(low)} to ${percent(high)} (Wilson’s; it is about the choice of test images, not about the seed). The weights are those of epoch ${best.epoch + 1}, ${whichOf(best)}.${again}</p>`;
}

/** Losses, accuracies, and the learning rate, by epoch. */
function trainingSections({ metrics, record }: RunData): Content {
  if (metrics.length === 0) return html`<p>No epoch is done yet.</p>`;
  const x = { name: 'epoch', values: metrics.map(({ epoch }) => epoch + 1) };
  const column = (name: string, value: (line: (typeof metrics)[number]) => number | undefined) => ({
    name,
    values: metrics.map(value),
    exact: true,
  });
  const figure = (title: string, columns: readonly Column[], note?: string, parts = false) =>
    curves({ title, note, x, columns, parts });
  const added = [...new Set(metrics.flatMap(({ losses }) => Object.keys(losses)))].filter((term) => term !== 'org');
  const figures = [
    figure(
      'Cross-entropy, nats',
      [
        column('training', ({ losses }) => losses.org),
        column('validation', ({ validationLoss }) => validationLoss),
        column('meta-objective', ({ metaObjective }) => metaObjective),
      ],
      'Of the training images while they train; of the validation images after the epoch; and the meta-objective: of the same batch after the virtual steps.',
    ),
    figure(
      'Accuracy',
      [
        column('training', ({ trainAccuracy }) => trainAccuracy),
        column('validation', ({ validationAccuracy }) => validationAccuracy),
      ],
      'Of the training images while they train; of the validation images after the epoch.',
      true,
    ),
    ...added.map((term) => figure(titleOfTerm(term), [column('training', ({ losses }) => losses[term])])),
    figure('Learning rate', [column('learning rate', ({ lr }) => lr)]),
    methodOf(record.spec.method).learns !== undefined &&
      figure('Norm of the gradient of the meta-networks', [column('norm', ({ gradPhi }) => gradPhi)]),
  ];
  return html`<section><h2>Training</h2><div class="charts">${figures}</div></section>`;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

function timeSection({ timing }: RunData): Content {
  if (timing.length === 0) return undefined;
  const { seconds, steps } = totalOf(timing);
  const speeds = timing.flatMap(({ imagesPerSecond }) => imagesPerSecond ?? []);
  const memory = timing.map(({ peakMemory }) => peakMemory);
  const gpu = timing.flatMap(({ gpuMemory }) => gpuMemory ?? []);
  const onGpu = (key: keyof GpuMemory) => megabytes(largest(gpu.map((each) => each[key])));
  const rows = [['training and validation', `${seconds.toFixed(1)} s`]];
  if (steps > 0) {
    const step = `${((1000 * seconds) / steps).toFixed(1)} ms (${steps} steps)`;
    rows.push(['a step, with its share of the validation', step]);
  }
  if (speeds.length > 0) rows.push(['training images a second, median epoch', median(speeds).toFixed(1)]);
  rows.push(['most memory of the process', megabytes(largest(memory))]);
  if (gpu.length > 0)
    rows.push(['most memory of the GPU', `${onGpu('allocated')} in tensors, ${onGpu('reserved')} reserved`]);
  return html`<section><h2>Time and memory</h2>${table(['', ''], rows, 'words')}
<p class="note">Runs side by side in one process share its memory. The time of each epoch is in timing.jsonl.</p></section>`;
}

/** Every option, and the sources. */
function optionsSection({ record, rates, folder }: RunData): Html {
  const { sources, ...options } = record.spec;
  const { lr, metaLr } = rates ?? {};
  const found = (key: string) => {
    if (key === 'metaLr' && metaLr) return `${metaLr} (auto)`;
    if (key !== 'lr' || !lr) return undefined;
    return `${lr.lr} (auto: found in ${lr.tried.length} steps, after a warm-up over ${100 * lr.warmUp} % of the steps)`;
  };
  const value = (key: string, given: unknown) => found(key) ?? String(given);
  const rows = Object.entries(options).map(([key, given]) => [key, html`<span>${value(key, given)}</span>`]);
  const sourceHead = ['source', 'checkpoint', 'network', 'width', 'images', 'pairs'];
  const sourceRows = sources.map(({ path, network, width, size, pairs = '–' }, k) => {
    return [`source ${k}`, path, network, width, `${size}×${size}`, pairs];
  });
  return html`<section><h2>Options</h2>
${sources.length > 0 && scrolling('Sources', table(sourceHead, sourceRows, 'cards'))}
${scrolling('Options', table(['option', 'value'], rows, 'words'))}
<p class="note">${folder}: ${metricsName} has the numbers of this page, best.safetensors the network.</p></section>`;
}
