import { basename, dirname, join } from 'node:path';
import { formatTop } from '../inference/top-accuracy.js';
import type { NetworkSpec, Normalisation } from '../native/addon.js';
import { countParameters } from '../networks/describe.js';
import { type About, type Given, namesOf } from '../options/check.js';
import { command, flagWords } from '../options/command.js';
import { torchvisionNetworks } from '../options/networks.js';
import { exportSchema } from '../options/schemas.js';
import { type RunSpec, recordedRows, type SourceSpec, scopeOf } from '../options/spec.js';
import { type RunRecord, skippedTests } from '../store/record.js';
import { type FinishedResult, whichOf } from '../store/run-data.js';
import { counted, shown } from '../system/printable.js';
import { percent } from '../system/statistics.js';
import { packageVersion } from '../system/version.js';

/** What the card of a finished run tells, besides its options. */
export interface ModelCard {
  readonly record: RunRecord;
  readonly network: NetworkSpec;
  readonly normalisation: Normalisation;
  /** The learning rate that the schedule began with. */
  readonly lr: number;
  /** Numbers of images. */
  readonly images: { readonly train: number; readonly validation: number; readonly test: number };
  /** True if the data has no test images: a tenth of each class was held out. */
  readonly testDrawn: boolean;
  readonly result: Pick<FinishedResult, 'correct' | 'total' | 'topK' | 'best'> & Partial<FinishedResult>;
}

/**
 * The README.md beside a run's result, in Markdown; its head is what the hub of Hugging Face reads. It has no time or
 * host, and of the person's paths only the last names, so that it can be published.
 */
export function modelCard(card: ModelCard): string {
  const { record, network, normalisation, images } = card;
  const { perClass, data, size, method } = record.spec;
  const how =
    record.verb === 'pretrain'
      ? 'from random weights.'
      : `by the method ${method}; the program implements [Learning What and Where to Transfer](https://arxiv.org/abs/1905.05901).`;
  const { classNames } = record.found;
  const drawn = perClass === undefined ? '' : ` (${grouped(perClass)} a class, drawn from more)`;
  const more = classNames.length > mostClasses ? `, and ${grouped(classNames.length - mostClasses)} more` : '';
  return `---
pipeline_tag: image-classification
tags:
- image-classification
- l2t-native
---

# ${network.name}, ${grouped(network.classes)} classes

An image classifier, trained with l2t-native ${packageVersion()} ${how}

${accuracyOf(card)}

## Network

- ${network.name}, width ${network.width}: ${grouped(countParameters(network))} parameters
- Input: RGB images of ${size} × ${size} pixels. Values in [0, 1] are normalised per channel: (value − mean) / std, with
  mean ${normalisation.mean.join(', ')} and std ${normalisation.std.join(', ')}
- Output: a logit for each class

## Data

- ${codeOf(basename(data))}: ${grouped(images.train)} training images${drawn}, ${grouped(images.validation)} validation images, ${grouped(images.test)} test images
- ${grouped(network.classes)} classes: ${classNames.slice(0, mostClasses).map(codeOf).join(', ')}${more}

## Training

${training(card)}

## Use

In Node, with l2t-native:

\`\`\`js
import { Network } from 'l2t-native';
const network = await Network.load('best.safetensors');
const [image] = await network.predict(['photo.jpg']);
console.log(image.label, image.probability);
\`\`\`

In ONNX Runtime:

\`\`\`sh
${exporting({ to: 'onnx', out: 'model.onnx' })}
\`\`\`

\`\`\`python
import onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
[logits] = session.run(None, {"images": images})  # images: float32, B × 3 × ${size} × ${size}, normalised as above
\`\`\`

${pytorch(network)}
`;
}

const grouped = (count: number): string => count.toLocaleString('en-US');

/**
 * A person's text as code, in which Markdown and HTML mean nothing. The fence is longer than any run of backticks in
 * it; spaces keep it apart from those at the ends.
 */
export function codeOf(text: string): string {
  const plain = shown(text, longestText);
  const runs = plain.match(/`+/g) ?? [];
  const fence = '`'.repeat(1 + Math.max(0, ...runs.map(({ length }) => length)));
  return runs.length > 0 || plain !== plain.trim() ? `${fence} ${plain} ${fence}` : `${fence}${plain}${fence}`;
}

/** Characters of a person's text that are shown at most. */
const longestText = 200;
/** Classes that are listed. */
const mostClasses = 200;

function accuracyOf({ record, result: { correct, total, topK }, testDrawn }: ModelCard): string {
  if (correct === null || total === null) return 'Its accuracy was not measured: the data has no test images.';
  const near = topK ? `; ${formatTop(topK, 1)}` : '';
  const held = testDrawn ? ', a tenth of each class that was held out' : '';
  const skipped = skippedTests(record);
  const left = skipped > 0 ? `; ${counted(skipped, 'damaged image')} left out` : '';
  return `**Test accuracy ${percent(correct / total)}** (${grouped(correct)} of ${grouped(total)} images${held}${left}${near}).`;
}

function training({ record: { spec, found }, lr, result: { best, epochs: done } }: ModelCard): string {
  const { epochs, targetInit, sourceLicence, sources } = spec;
  const sourceless = sources.length === 0 && targetInit === undefined;
  const validated = best.accuracy === null ? '' : `; validation accuracy ${percent(best.accuracy)}`;
  const early = done === undefined || done === epochs ? '' : `; the run ended after epoch ${done}, by patience`;
  const shared = recordedRows.flatMap(({ name, about }) => {
    const value = name === 'lr' ? lr : spec[name as keyof RunSpec];
    return isShared(about, value) ? [`${name} ${value}`] : [];
  });
  const beginnings = sources.map((source, k) => sourceLine(source, found.sources[k]));
  if (targetInit !== undefined)
    beginnings.push(`- Starts from ${codeOf(fileName(targetInit))}. Licence: ${licenceOf(sourceLicence)}`);
  if (sourceless) beginnings.push('- Starts from random weights, without a source');
  return `${beginnings.join('\n')}
- The weights are those of epoch ${best.epoch + 1} of ${epochs}, ${whichOf(best)}${validated}${early}
- Options: ${shared.join(', ')}

Whether this network may be passed on depends on the licence of its data${sourceless ? '' : ', and on those of the networks named above'}.`;
}

/** Numbers, yes or no, and names of the program. Other texts may be paths, or names of a person's files. */
function isShared(about: About, value: unknown): boolean {
  if (scopeOf(about) === 'output') return false;
  if (typeof value !== 'string') return typeof value === 'number' || typeof value === 'boolean';
  return namesOf(about.allowed).includes(value);
}

function sourceLine({ path, network, width, size, pairs, licence }: SourceSpec, hash?: string): string {
  const matched = pairs === undefined ? '' : `, pairs ${codeOf(pairs)}`;
  const about = `${network}, width ${width}, images of ${size} × ${size}${matched}`;
  const weights = hash === undefined ? '' : ` (weights ${hash.slice(0, 12)})`;
  return `- Source: ${codeOf(fileName(path))}${weights}: ${about}. Licence: ${licenceOf(licence)}`;
}

const licenceOf = (licence: string | undefined): string => (licence === undefined ? 'not stated' : codeOf(licence));

/** A file's name; for a run's result, whose name says nothing, that of its folder, too. */
const fileName = (path: string): string =>
  /^(best|last)\.safetensors$/.test(basename(path)) ? join(basename(dirname(path)), basename(path)) : basename(path);

/** The command that writes the network in another format. */
const exporting = (options: Given<typeof exportSchema>): string =>
  `npx ${command('export', 'best.safetensors', ...flagWords(exportSchema, options))}`;

const pytorch = ({ name, width, classes }: NetworkSpec): string =>
  torchvisionNetworks.some((known) => known === name) && width === 1
    ? `In PyTorch, with torchvision:

\`\`\`sh
${exporting({ to: 'torchvision', out: 'weights.safetensors' })}
\`\`\`

\`\`\`python
import torchvision
from safetensors.torch import load_file
network = torchvision.models.${name}(num_classes=${classes})
network.load_state_dict(load_file("weights.safetensors"), strict=True)
network.eval()
\`\`\``
    : `In PyTorch: torchvision has no ${name}${width === 1 ? '' : ` of width ${width}`}. The file has each tensor by its name, for a module of your own:

\`\`\`python
from safetensors.torch import load_file
tensors = load_file("best.safetensors")
\`\`\``;
