import { basename } from 'node:path';
import { featureNames } from '../networks/describe.js';
import type { SourceSpec } from '../options/spec.js';
import { percent } from '../system/statistics.js';
import type { ExplainedSource } from './explain.js';
import { type Content, type Html, html, scrolling, short, table } from './page/html.js';
import type { Tested } from './test-images.js';
import type { Thumbnails } from './thumbnails.js';

// The sections of a run's page that need its test images.

/** Maximum number of classes of a readable matrix; with more, a list has the most frequent confusions. */
const maxClasses = 30;
const maxConfusions = 50;

/** Returns the sections about right and wrong answers on the test images of `data`. */
export function testedSections(tested: Tested, data: string, thumbnails: Thumbnails | undefined): Content {
  const { classes } = tested;
  const rate = (share: number | undefined) => (share === undefined ? '–' : percent(share));
  const rows = classes.map(({ name, images, precision, recall }) => [name, images, rate(recall), rate(precision)]);
  return html`<section><h2>Test images, by class</h2>
<p>Recall: the share of a class’s images that are called so. Precision: of the images that are called so, the share that is of the class.</p>
${scrolling('Classes', table(['class', 'images', 'recall', 'precision'], rows))}
<h3>Confusion</h3>${classes.length <= maxClasses ? matrix(tested) : confusions(tested)}</section>
${mistakesSection(tested, data, thumbnails)}`;
}

function matrix({ classes, confusion }: Tested): Html {
  const head = html`<tr><th scope="col">true ↓ called →</th>${classes.map(({ name }) => html`<th scope="col"><span>${name}</span></th>`)}</tr>`;
  const rows = confusion.map((row, truth) => {
    const images = Math.max(1, classes[truth]?.images ?? 0);
    const cells = row.map(
      (count) => html`<td class="shade" style="--share:${count / images}">${count > 0 && count}</td>`,
    );
    return html`<tr><th scope="row">${classes[truth]?.name}</th>${cells}</tr>\n`;
  });
  return scrolling(
    'Confusion matrix',
    html`<table class="matrix"><thead>${head}</thead><tbody>${rows}</tbody></table>`,
  );
}

function confusions({ classes, confusion }: Tested): Html {
  const wrong = confusion.flatMap((row, truth) =>
    row.flatMap((count, predicted) => (count > 0 && truth !== predicted ? [{ truth, predicted, count }] : [])),
  );
  const most = wrong.sort((a, b) => b.count - a.count).slice(0, maxConfusions);
  const name = (k: number) => classes[k]?.name ?? '';
  const rows = most.map(({ truth, predicted, count }) => [name(truth), name(predicted), count]);
  return html`<p>With ${classes.length} classes, only the ${most.length} most frequent confusions are listed.</p>
${scrolling('Most frequent confusions', table(['true', 'called', 'images'], rows, 'words'))}`;
}

function mistakesSection({ mistakes, classes }: Tested, data: string, thumbnails: Thumbnails | undefined): Content {
  if (mistakes.length === 0) return undefined;
  const wrong = mistakes.map(({ name, truth, predicted, probability, image }) => ({
    name: name.startsWith(`${data}/`) ? name.slice(data.length + 1) : name,
    words: [classes[truth]?.name, classes[predicted]?.name, percent(probability)],
    picture: thumbnails?.show(image),
  }));
  const items = wrong.map(({ name, words: [truth, called, sure], picture }) => {
    return html`<li>${picture}${truth} → ${called}, ${sure}<small>${name}</small></li>`;
  });
  const rows = wrong.map(({ name, words }) => [name, ...words]);
  return html`<section><h2>The most confident errors</h2>
<p>Label → what the network says, how sure it is, and the image in ${data}${wrong.some(({ name }) => /, row \d+$/.test(name)) && ' (rows of a file count from 0)'}. Where the label is wrong, put it right there, and train again.</p>
${thumbnails && html`<ul class="gallery">${items}</ul>`}
<details${!thumbnails && html` open`}><summary>Table: the most confident errors</summary>${scrolling('The most confident errors', table(['image', 'label', 'called', 'how sure'], rows, 'cards'))}</details></section>`;
}

/** Numbers of a source's pairs whose channels are shown, and whose saliency is. */
const [pairsWithChannels, pairsWithSaliency] = [15, 6];

/** The pairs of a source whose saliency is shown. */
export const salientPairs = (pairs: ExplainedSource): ExplainedSource => pairs.slice(0, pairsWithSaliency);

/** A source's most weighted channels, and where the weighted channels are active in some images. */
export const explainedSections = (source: SourceSpec, pairs: ExplainedSource, thumbnails: Thumbnails): Content => [
  channelSection(source, pairs, thumbnails),
  saliencySection(source, salientPairs(pairs), thumbnails),
];

function channelSection(source: SourceSpec, pairs: ExplainedSource, thumbnails: Thumbnails): Html {
  const nameOf = featureNames(source);
  const rows = pairs
    .slice(0, pairsWithChannels)
    .flatMap(({ pair, channels, lambda, top }) =>
      top.map(({ channel, weight, images }) => [
        `${nameOf(pair[0])} → ${pair[1]}`,
        lambda === undefined ? '' : lambda.toFixed(2),
        String(channel),
        `${short(Number((weight * channels).toPrecision(3)))} ×`,
        html`${images.map((image) => thumbnails.show(image))}`,
      ]),
    );
  return html`<section><h2>The channels of ${basename(source.path)} that count most</h2>
<p>For each pair of features, in the order of λ: the channels with the highest mean w, as a multiple of the weight of equal channels, and the test images that excite each of them most.</p>
${scrolling('Most weighted channels', table(['source feature → target', 'λ', 'channel', 'w', 'images'], rows, 'cards'))}</section>`;
}

function saliencySection(source: SourceSpec, pairs: ExplainedSource, thumbnails: Thumbnails): Html {
  const images = pairs[0]?.saliency.map(({ image }) => image) ?? [];
  const head = ['image', ...pairs.map(({ pair }) => pair.join(' → '))];
  const pictures = images.map((image, k) => [
    thumbnails.show(image),
    ...pairs.map(({ saliency }) => thumbnails.show(image, saliency[k])),
  ]);
  return html`<section><h2>Where ${basename(source.path)} looks, weighted by w</h2>
<p>Σ<sub>c</sub> w<sub>c</sub> S<sub>c</sub>: the source’s activation with its channels weighted as the meta-network f weights them for that image (as in the paper’s Figure). A column is a pair, source feature → target feature. Red is high; each map has its own scale.</p>
${scrolling('Saliency', table(head, pictures, 'saliency'))}</section>`;
}
