import { basename } from 'node:path';
import type { Pair, PairMetrics } from '../native/addon.js';
import type { SourceSpec } from '../options/spec.js';
import type { RunData } from '../store/run-data.js';
import { largest } from '../system/statistics.js';
import { featureMaps, featureNames, featuresOf } from './features.js';
import { curves } from './page/figures.js';
import { type Content, type Html, html } from './page/html.js';

/** A source's pairs in each epoch. */
type Epochs = readonly (readonly PairMetrics[])[];

/** Where and what to transfer, by epoch: for each source a map of λ with a slider, λ of each pair, and the entropy of w. */
export function featureSections(run: RunData): Content {
  return run.record.spec.sources.map((source, k) => {
    const epochs = run.metrics.map(({ pairs }) => pairs.filter((each) => each.source === k));
    const learned = (value: 'lambdaMean' | 'weightEntropy') => epochs[0]?.some((pair) => pair[value] !== undefined);
    return [
      learned('lambdaMean') && whereSection(run, source, epochs),
      learned('weightEntropy') && whatSection(run, source, epochs),
    ];
  });
}

/** Curves of a number that each pair has, by epoch. */
function byPair(epochs: Epochs, title: string, note: string, value: (pair: PairMetrics) => number | undefined): Html {
  const columns = (epochs[0] ?? []).map(({ pair }, i) => ({
    name: pair.join('-'),
    values: epochs.map((pairs) => pairs[i] && value(pairs[i])),
  }));
  return curves({ title, note, x: { name: 'epoch', values: epochs.map((_, epoch) => epoch + 1) }, columns });
}

const whereSection = (run: RunData, source: SourceSpec, epochs: Epochs): Html =>
  html`<section><h2>Where: λ of ${basename(source.path)}</h2>
<p>λ is the amount by which a feature map of the source is matched by one of the target, from 0 to 6. The meta-network g gives it for each image.</p>
${lambdaMap(run, source, epochs)}
<div class="charts">${[
    byPair(epochs, 'λ of each pair, by epoch', 'Mean over the epoch’s images.', ({ lambdaMean }) => lambdaMean),
    byPair(
      epochs,
      'How much λ differs from image to image',
      'Standard deviation over the epoch’s images.',
      ({ lambdaStd }) => lambdaStd,
    ),
  ]}</div></section>`;

const cell = { width: 104, height: 40, left: 130, top: 50 };

/** λ as a map of source × target features at one epoch; the page's script moves it by the table of λ beside it. */
function lambdaMap({ record }: RunData, source: SourceSpec, epochs: Epochs): Html {
  const last = epochs.at(-1) as readonly PairMetrics[];
  const [rows, columns] = [featuresOf(last, 0), featuresOf(last, 1)];
  const most = largest(epochs.flat().map(({ lambdaMean = 0 }) => lambdaMean));
  const { target } = record.spec;
  const [nameOfSource, nameOfTarget] = [featureNames(source), featureNames({ ...record.spec, network: target })];
  const x = (n: number) => cell.left + cell.width * columns.indexOf(n);
  const y = (m: number) => cell.top + cell.height * rows.indexOf(m);
  const [width, height] = [cell.left + cell.width * columns.length, cell.top + cell.height * rows.length];
  const cells = last.map(({ pair: [m, n], lambdaMean = 0 }, i) => {
    const share = most > 0 ? lambdaMean / most : 0;
    return html`<g data-column="${i + 1}" style="--share:${share}"><rect x="${x(n)}" y="${y(m)}" width="${cell.width - 2}" height="${cell.height - 2}"/><text x="${x(n) + cell.width / 2}" y="${y(m) + cell.height / 2 + 4}" text-anchor="middle">${lambdaMean.toFixed(2)}</text></g>`;
  });
  return html`<figure class="where" data-most="${most}"><figcaption>λ at epoch <output>${epochs.length}</output></figcaption>
<p><label>Epoch <input type="range" min="1" max="${epochs.length}" value="${epochs.length}"></label></p>
<svg class="drawing" viewBox="0 0 ${width} ${height}" role="img" aria-label="λ of each pair of a source feature (row) and a target feature (column); the table of λ has the numbers">
<text x="0" y="16">${source.network} ↓ ${target} →</text>
${rows.map((m) => html`<text x="0" y="${y(m) + cell.height / 2 + 4}">${nameOfSource(m)}</text>`)}
${columns.map((n) => html`<text x="${x(n) + cell.width / 2}" y="${cell.top - 10}" text-anchor="middle">${nameOfTarget(n)}</text>`)}
${cells}</svg>
<p class="note">A feature’s name is its index, its channels and its size. The full colour is ${most.toFixed(2)}, the largest λ of the run.</p></figure>`;
}

function whatSection({ record }: RunData, source: SourceSpec, epochs: Epochs): Html {
  const features = featureMaps(source);
  const ofEqual = ([m]: Pair) => Math.log(features[m]?.channels as number);
  return html`<section><h2>What: channel weights of ${basename(source.path)}</h2>
<p>The meta-network f weights the source’s channels for each image; all weights of a feature map sum to 1. The further the entropy of w falls below that of equal weights, the fewer channels count.</p>
<div class="charts">${[
    byPair(
      epochs,
      'Entropy of w below that of equal weights, nats',
      `${record.spec.method}; 0: all channels count the same.`,
      ({ pair, weightEntropy }) => (weightEntropy === undefined ? undefined : ofEqual(pair) - weightEntropy),
    ),
    byPair(
      epochs,
      'Entropy of w of each pair, nats',
      'Mean over the epoch’s images; ln(channels) is that of equal weights.',
      ({ weightEntropy }) => weightEntropy,
    ),
  ]}</div></section>`;
}
