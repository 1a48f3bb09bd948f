import type { PairMetrics } from '../native/addon.js';
import { featureNames, featuresOf } from '../networks/describe.js';
import type { SourceSpec } from '../options/spec.js';
import type { RunData } from '../store/run-data.js';
import { counted } from '../system/printable.js';
import { largest } from '../system/statistics.js';
import { equalEntropy, learnedOf } from './learned.js';
import { fileName } from './model-card.js';
import { type Content, curves, type Html, html, scrolling } from './page/html.js';

/** A source's pairs in each epoch. */
type Epochs = readonly (readonly PairMetrics[])[];

/**
 * Returns the sections on where and what to transfer: a sentence, and by epoch for each source a map of λ with a
 * slider, λ of each pair, and the entropy of w.
 */
export function featureSections(run: RunData): Content {
  const whole = learnedOf(run);
  const sections = run.record.spec.sources.map((source, k) => {
    const epochs = run.metrics.map(({ pairs }) => pairs.filter((each) => each.source === k));
    const learned = (value: 'lambdaMean' | 'weightEntropy') => epochs[0]?.some((pair) => pair[value] !== undefined);
    return [
      learned('lambdaMean') && whereSection(run, source, epochs),
      learned('weightEntropy') && whatSection(source, epochs),
    ];
  });
  return [
    whole &&
      html`<section><h2>What the meta-networks learned in ${counted(run.metrics.length, 'epoch')}</h2>
<p>${whole.sentence}</p></section>`,
    sections,
  ];
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
  html`<section><h2>Where: λ of ${fileName(source.path)}</h2>
<p>λ is the amount by which a feature map of the source is matched by one of the target, from 0 to 6. The meta-network g gives it for each image.</p>
${lambdaMap(run, source, epochs)}
<div class="charts">${[
    byPair(
      epochs,
      'λ of each pair, by epoch',
      'Mean over the epoch’s images. A pair is named source feature-target feature.',
      ({ lambdaMean }) => lambdaMean,
    ),
    byPair(
      epochs,
      'How much λ differs from image to image',
      'Standard deviation over the epoch’s images.',
      ({ lambdaStd }) => lambdaStd,
    ),
  ]}</div></section>`;

/** Returns λ as a map of source × target features at one epoch; the page's script updates it from its metrics. */
function lambdaMap({ record, metrics }: RunData, source: SourceSpec, epochs: Epochs): Html {
  const last = epochs.at(-1) as readonly PairMetrics[];
  const max = largest(epochs.flat().map(({ lambdaMean = 0 }) => lambdaMean));
  const { target } = record.spec;
  const [nameOfSource, nameOfTarget] = [featureNames(source), featureNames({ ...record.spec, network: target })];
  const columns = featuresOf(last, 1);
  const cellOf = (m: number, n: number): Html => {
    const found = last.find(({ pair }) => pair[0] === m && pair[1] === n);
    if (found === undefined) return html`<td style="--share:0"></td>`;
    const { lambdaStart = 0, lambdaMean = 0 } = found;
    const index = metrics.at(-1)?.pairs.indexOf(found);
    return html`<td data-pair="${index}" style="--share:${max > 0 ? lambdaMean / max : 0}"><small>${lambdaStart.toFixed(2)} →</small>${lambdaMean.toFixed(2)}</td>`;
  };
  const rows = featuresOf(last, 0).map(
    (m) => html`<tr><th scope="row">${twoLines(nameOfSource(m))}</th>${columns.map((n) => cellOf(m, n))}</tr>\n`,
  );
  const head = html`<th scope="col">${source.network} ↓<small>${target} →</small></th>${columns.map((n) => html`<th scope="col">${twoLines(nameOfTarget(n))}</th>`)}`;
  return html`<figure class="where" data-max="${max}"><figcaption>λ at epoch <output>${epochs.length}</output></figcaption>
<p><label>Epoch <input type="range" min="1" max="${epochs.length}" value="${epochs.length}"></label></p>
${scrolling('Map of λ', html`<table class="map"><thead><tr>${head}</tr></thead><tbody>${rows}</tbody></table>`)}
<p class="note">A row is a feature map of the source, a column one of the target: its index, and below it its channels and its size. The small number is λ at the start: of the same images, by the meta-networks with which the run began. The full colour is ${max.toFixed(2)}, the largest λ of the run.</p></figure>`;
}

/** Puts the size of a feature such as "8: 64@8×8" below its index. */
function twoLines(name: string): Html {
  const [index, size] = name.split(': ');
  return html`${index}<small>${size}</small>`;
}

function whatSection(source: SourceSpec, epochs: Epochs): Html {
  const equal = equalEntropy(source);
  return html`<section><h2>What: channel weights of ${fileName(source.path)}</h2>
<p>The meta-network f weights the source’s channels for each image; all weights of a feature map sum to 1. The further the entropy of w falls below that of equal weights, the fewer channels count.</p>
<div class="charts">${[
    byPair(
      epochs,
      'Entropy of w below that of equal weights, nats',
      'Mean over the epoch’s images. 0: all channels count the same; their entropy is then ln(channels).',
      ({ pair, weightEntropy }) =>
        weightEntropy === undefined ? undefined : Math.max(0, equal(pair[0]) - weightEntropy),
    ),
  ]}</div></section>`;
}
