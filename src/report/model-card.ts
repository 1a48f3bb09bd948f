import { basename, dirname, join } from 'node:path';
import { formatTop } from '../inference/top-accuracy.js';
import type { NetworkSpec, Normalisation } from '../native/addon.js';
import { countParameters } from '../networks/describe.js';
import { command, flagWords } from '../options/command.js';
import { torchvisionNetworks } from '../options/networks.js';
import { type ExportFormat, exportSchema } from '../options/schemas.js';
import type { SourceSpec } from '../options/spec.js';
import { type RunRecord, skippedTests } from '../store/record.js';
import { bestName, type FinishedResult, whichOf } from '../store/run-data.js';
import { counted, shown } from '../system/printable.js';
import { percent } from '../system/statistics.js';
import { packageVersion } from '../system/version.js';

/** The facts of a finished run's card. */
export interface ModelCard {
  readonly record: RunRecord;
  readonly network: NetworkSpec;
  readonly normalisation: Normalisation;
  /** The learning rate that the schedule began with. */
  readonly lr: number;
  /** Numbers of images. */
  readonly images: Readonly<Record<'train' | 'validation' | 'test', number>> & { readonly unlabelled?: number };
  /** True if the data has no test images: a tenth of each class was held out. */
  readonly testDrawn: boolean;
  readonly result: Pick<FinishedResult, 'correct' | 'total' | 'topK' | 'best'> & Partial<FinishedResult>;
}

/**
 * Returns the README.md beside a run's result, in Markdown; its head is for the hub of Hugging Face. It has no time or
 * host, and of the person's paths only the last names, so that it can be published.
 */
export function modelCard({ record, network, normalisation, images, lr, testDrawn, result }: ModelCard): string {
  const { perClass, data, size, method, epochs, batch, seed, targetInit, sourceLicence, sources, sourceFinetune } =
    record.spec;
  const { name, width, classes } = network;
  const { classNames, sources: hashes } = record.found;
  const drawn = perClass === undefined ? '' : ` (${grouped(perClass)} a class, drawn from more)`;
  const without = images.unlabelled === undefined ? '' : `, ${grouped(images.unlabelled)} images without labels`;
  const more = classNames.length > maxClasses ? `, and ${grouped(classNames.length - maxClasses)} more` : '';
  const beginnings = sources.map((source, k) => sourceLine(source, hashes[k]));
  if (targetInit !== undefined) {
    beginnings.push(`- Starts from ${codeOf(fileName(targetInit))}. Licence: ${licenceOf(sourceLicence)}`);
  }
  if (sourceFinetune !== undefined) {
    beginnings.push(
      `- ${sources.length > 1 ? 'Each source' : 'The source'} was fine-tuned on the training images for ${counted(sourceFinetune, 'epoch')} first`,
    );
  }
  const sourceless = beginnings.length === 0;
  const { best, epochs: done = epochs } = result;
  const validated = best.accuracy === null ? '' : `; validation accuracy ${percent(best.accuracy)}`;
  const inTorchvision = torchvisionNetworks.some((known) => known === name) && width === 1;
  return `---
pipeline_tag: image-classification
tags:
- image-classification
- l2t-native
---

# ${name}, ${grouped(classes)} classes

An image classifier, trained with l2t-native ${packageVersion()} ${record.verb === 'pretrain' ? 'from random weights.' : `by the method ${method}; the program implements [Learning What and Where to Transfer](https://arxiv.org/abs/1905.05901).`}

${accuracyOf(record, result, testDrawn)}

## Training

- Network: ${name}, width ${width}, ${grouped(countParameters(network))} parameters
- Data: ${codeOf(basename(data))}, ${grouped(images.train)} training images${drawn}${without}, ${grouped(images.validation)} validation images, ${grouped(images.test)} test images
- ${grouped(classes)} classes: ${classNames.slice(0, maxClasses).map(codeOf).join(', ')}${more}
${sourceless ? '- Starts from random weights, without a source' : beginnings.join('\n')}
- Batch ${batch}, learning rate ${lr}, seed ${seed}
- The weights are those of epoch ${best.epoch + 1} of ${epochs}, ${whichOf(best)}${validated}${done === epochs ? '' : `; the run ended after epoch ${done}, by patience`}

Whether this network may be passed on depends on the licence of its data${sourceless ? '' : ', and on those of the networks named above'}.

## Use

In Node:

\`\`\`js
import { Network } from 'l2t-native';
const network = await Network.load('best.safetensors');
const [image] = await network.predict(['photo.jpg']);
console.log(image.label, image.probability);
\`\`\`

For ONNX Runtime${inTorchvision ? ', and for torchvision in PyTorch' : ''}:

\`\`\`sh
${exporting('onnx', 'model.onnx')}${inTorchvision ? `\n${exporting('torchvision', 'weights.safetensors')}` : ''}
\`\`\`

Input: RGB images of ${size} × ${size} pixels. Values in [0, 1] are normalised per channel: (value − mean) / std, with
mean ${normalisation.mean.join(', ')} and std ${normalisation.std.join(', ')}. Output: a logit for each class.
`;
}

const grouped = (count: number): string => count.toLocaleString('en-US');

/**
 * Formats a person's text as code, in which Markdown and HTML mean nothing. The fence is longer than any run of
 * backticks in it; spaces keep it apart from those at the ends.
 */
export function codeOf(text: string): string {
  const plain = shown(text, maxText);
  const runs = plain.match(/`+/g) ?? [];
  const fence = '`'.repeat(1 + Math.max(0, ...runs.map(({ length }) => length)));
  return runs.length > 0 || plain !== plain.trim() ? `${fence} ${plain} ${fence}` : `${fence}${plain}${fence}`;
}

/** Maximum number of characters of a person's text. */
const maxText = 200;
/** Maximum number of classes in the list. */
const maxClasses = 200;

function accuracyOf(record: RunRecord, { correct, total, topK }: ModelCard['result'], testDrawn: boolean): string {
  if (correct === null || total === null) return 'Its accuracy was not measured: the data has no test images.';
  const near = topK ? `; ${formatTop(topK, 1)}` : '';
  const heldOut = testDrawn ? ', a tenth of each class that was held out' : '';
  const skipped = skippedTests(record);
  const left = skipped > 0 ? `; ${counted(skipped, 'damaged image')} left out` : '';
  return `**Test accuracy ${percent(correct / total)}** (${grouped(correct)} of ${grouped(total)} images${heldOut}${left}${near}).`;
}

function sourceLine({ path, network, width, size, pairs, licence }: SourceSpec, hash?: string): string {
  const matched = pairs === undefined ? '' : `, pairs ${codeOf(pairs)}`;
  const about = `${network}, width ${width}, images of ${size} × ${size}${matched}`;
  const weights = hash === undefined ? '' : ` (weights ${hash.slice(0, 12)})`;
  return `- Source: ${codeOf(fileName(path))}${weights}: ${about}. Licence: ${licenceOf(licence)}`;
}

const licenceOf = (licence: string | undefined): string => (licence === undefined ? 'not stated' : codeOf(licence));

/** Returns a file's name; for a run's result, whose name says nothing, with that of its folder. */
export const fileName = (path: string): string =>
  /^(best|last)\.safetensors$/.test(basename(path)) ? join(basename(dirname(path)), basename(path)) : basename(path);

const exporting = (to: ExportFormat, out: string): string =>
  `npx ${command('export', bestName, ...flagWords(exportSchema, { to, out }))}`;
