import { percent } from '../system/statistics.js';
import { type Content, type Html, html, scrolling, table } from './page/html.js';
import type { Tested } from './test-images.js';
import type { Thumbnails } from './thumbnails.js';

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
