import { basename } from 'node:path';
import type { PairMetrics } from '../native/addon.js';
import { describeNetwork } from '../networks/describe.js';
import type { SourceSpec } from '../options/spec.js';
import type { RunData } from '../store/run-data.js';
import { largest } from '../system/statistics.js';
import { type Curves, curves } from './page/figures.js';
import { type Content, type Html, html } from './page/html.js';

type FeaturesOf = Pick<SourceSpec, 'network' | 'width' | 'size'>;

/** Names a network's feature by its index: "8: 64@8×8". */
export function featureNames({ network, width, size: side }: FeaturesOf): (index: number) => string {
  // Features do not depend on the count of classes.
  const { features } = describeNetwork({ name: network, classes: 1, width }, side);
  const names = new Map(features.map(({ index, channels, size }) => [index, `${index}: ${channels}@${size}×${size}`]));
  return (index) => names.get(index) ?? String(index);
}

/** Where and what to transfer, by epoch: for each source a map of λ with a slider, λ of each pair, and the entropy of w. */
export function featureSections(run: RunData): Content {
  const { sources } = run.record.spec;
  return sources.map((source, k) => {
    const epochs = run.metrics.map(({ pairs }) => pairs.filter((each) => each.source === k));
    const [first] = epochs;
    if (first === undefined || first.length === 0) return undefined;
    const learned = (value: 'lambdaMean' | 'weightEntropy') => first.some((pair) => pair[value] !== undefined);
    return html`${learned('lambdaMean') && whereSection(run, source, epochs)}${learned('weightEntropy') && entropySection(run, source, epochs)}`;
  });
}

function byPair(
  epochs: readonly (readonly PairMetrics[])[],
  title: string,
  note: string,
  value: (pair: PairMetrics) => number | undefined,
): Curves {
  const names = (epochs[0] ?? []).map(({ pair }) => pair.join('-'));
  return {
    title,
    note,
    x: { name: 'epoch', values: epochs.map((_, epoch) => epoch + 1) },
    columns: names.map((name, i) => ({ name, values: epochs.map((pairs) => pairs[i] && value(pairs[i])) })),
  };
}

function whereSection(run: RunData, source: SourceSpec, epochs: readonly (readonly PairMetrics[])[]): Html {
  const mean = byPair(epochs, 'λ of each pair, by epoch', 'Mean over the epoch’s images.', (pair) => pair.lambdaMean);
  const spread = byPair(
    epochs,
    'How much λ differs from image to image',
    'Standard deviation over the epoch’s images.',
    (pair) => pair.lambdaStd,
  );
  return html`<section><h2>Where: λ of ${basename(source.path)}</h2>
<p>λ is the amount by which a feature map of the source is matched by one of the target, from 0 to 6. The meta-network g gives it for each image.</p>
${lambdaMap(run, source, epochs)}
<div class="charts">${curves(mean)}${curves(spread)}</div></section>`;
}

const cell = { width: 104, height: 40, left: 130, top: 50 };

/** λ as a map of source × target features at one epoch; the page's script moves it by the table of λ beside it. */
function lambdaMap({ record }: RunData, source: SourceSpec, epochs: readonly (readonly PairMetrics[])[]): Html {
  const last = epochs.at(-1) as readonly PairMetrics[];
  const features = (side: 0 | 1) => [...new Set(last.map(({ pair }) => pair[side]))].sort((a, b) => a - b);
  const [rows, columns] = [features(0), features(1)];
  const most = largest(epochs.flat().map(({ lambdaMean = 0 }) => lambdaMean));
  const { target, width: ownWidth, size } = record.spec;
  const [nameOfSource, nameOfTarget] = [featureNames(source), featureNames({ network: target, width: ownWidth, size })];
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

function entropySection(run: RunData, source: SourceSpec, epochs: readonly (readonly PairMetrics[])[]): Html {
  const last = epochs.at(-1) as readonly PairMetrics[];
  const { features } = describeNetwork({ name: source.network, classes: 1, width: source.width }, source.size);
  const equal = new Map(features.map(({ index, channels }) => [index, Math.log(channels)]));
  const x = { name: 'epoch', values: epochs.map((_, epoch) => epoch + 1) };
  const columns = last.map(({ pair }, i) => ({
    name: pair.join('-'),
    values: epochs.map((pairs) => {
      const entropy = pairs[i]?.weightEntropy;
      return entropy === undefined ? undefined : (equal.get(pair[0]) as number) - entropy;
    }),
  }));
  const entropy = byPair(
    epochs,
    'Entropy of w of each pair, nats',
    'Mean over the epoch’s images; ln(channels) is that of equal weights.',
    (pair) => pair.weightEntropy,
  );
  return html`<section><h2>What: channel weights of ${basename(source.path)}</h2>
<p>The meta-network f weights the source’s channels for each image; all weights of a feature map sum to 1. The further the entropy of w falls below that of equal weights, the fewer channels count.</p>
<div class="charts">${curves({ title: 'Entropy of w below that of equal weights, nats', note: `${run.record.spec.method}; 0: all channels count the same.`, x, columns })}${curves(entropy)}</div></section>`;
}
