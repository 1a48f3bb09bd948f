import { basename } from 'node:path';
import { featureNames } from '../networks/describe.js';
import type { SourceSpec } from '../options/spec.js';
import type { ExplainedSource } from './explain.js';
import { type Content, type Html, html, scrolling, short, table } from './page/html.js';
import type { Thumbnails } from './thumbnails.js';

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
