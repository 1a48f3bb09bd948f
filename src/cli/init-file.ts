import { Help } from 'commander';
import { stringify } from 'yaml';
import { aboutField, helpOf } from '../options/check.js';
import { command } from '../options/command.js';
import { transferSchema } from '../options/schemas.js';
import { counted, duration, printable } from '../system/printable.js';
import type { DataSummary, Proposal } from '../train/proposal.js';

/** `photos: folder, 10 classes, 400 training and 290 test images, short sides of 400 pixels` */
export function describeData({ data, layout, classNames, images, testDrawn, shortSides }: DataSummary): string {
  const { train, validation, test } = images;
  const validating = validation > 0 ? `, ${validation} validation` : '';
  const drawn = testDrawn ? ' (a tenth of each class: the data has none)' : '';
  const { min, max } = shortSides;
  const sides = min === max ? String(min) : `${min} to ${max}`;
  return `${data}: ${layout}, ${counted(classNames.length, 'class', 'classes')}, ${train} training${validating} and ${test} test images${drawn}, short sides of ${sides} pixels`;
}

/** `1 h 12 min to 1 h 20 min: 2,600 steps of 1.66 to 1.84 s`; one value where both are the same. */
export function describeTime({ estimate: { steps, msPerStep, maxMsPerStep } }: Proposal): string {
  const [fastest, slowest] = [msPerStep, maxMsPerStep].map((ms) =>
    ms < 1000 ? ms.toFixed(0) : (ms / 1000).toFixed(2),
  );
  const unit = maxMsPerStep < 1000 ? 'ms' : 's';
  const step = msPerStep < 1000 && unit === 's' ? `${fastest} ms to ${slowest}` : range(fastest, slowest);
  const [least, most] = [msPerStep, maxMsPerStep].map((ms) => duration((steps * ms) / 1000));
  return `${range(least, most)}: ${steps.toLocaleString('en')} steps of ${step} ${unit}`;
}

const range = (min: string | undefined, max: string | undefined): string =>
  min === max ? `${min}` : `${min} to ${max}`;

const tuned = ({ options: { targetInit }, proposed }: Proposal): boolean =>
  targetInit !== undefined && proposed.includes('targetInit');

/** Returns why a network, its width, or the size of its images is proposed. */
const chosen =
  (key: 'target' | 'width' | 'size') =>
  ({ options, proposed }: Proposal): string => {
    if (options.targetInit !== undefined)
      return proposed.includes('targetInit') ? "the source's own" : 'what targetInit has';
    if (options.source !== undefined && proposed.includes('target'))
      return 'the network with the most operations within the budget; without a budget, it has at most the parameters of the source';
    if (key === 'target') return "the paper's target for images of this size, since there is no source";
    return key === 'width' ? 'the default' : `what ${options.target} is meant for`;
  };

/** The reasons for proposals, by option. */
const reasons: Readonly<Record<string, (proposal: Proposal) => string>> = {
  sourceNetwork: () => 'what the source holds',
  sourceFinetune: () => 'a source that knows the classes teaches better',
  beta: () => 'with few images it was better than the default (docs/results.md)',
  method: (proposal) =>
    tuned(proposal)
      ? 'nothing is more accurate than the source itself, fine-tuned'
      : 'docs/methods.md has the comparison',
  targetInit: () => 'the source, which is within the budget',
  target: chosen('target'),
  width: chosen('width'),
  size: chosen('size'),
  pairs: ({ options, pairs }) => `the default of ${options.method}; these networks have ${counted(pairs, 'such pair')}`,
  batch: ({ estimate, data, options }) => {
    const steps = Math.round(estimate.steps / (options.epochs ?? 1));
    return `the default for ${data.images.train} training images: ${counted(steps, 'step')} an epoch`;
  },
  epochs: (proposal) => `${tuned(proposal) ? 'enough to fine-tune' : 'the default'}; ${describeTime(proposal)}`,
};

/** Returns the lines of a comment, of some 110 characters, broken between words. */
const comment = (text: string): string[] =>
  new Help()
    .boxWrap(printable(text), 108)
    .split('\n')
    .map((line) => `# ${line}`);

/** Returns the YAML file's text: each option with its help, and the reason for its proposal. `file`: its name. */
export function proposalFile(proposal: Proposal, file: string): string {
  const options = Object.entries(proposal.options).map(([key, value]) => {
    const reason = proposal.proposed.includes(key) ? (reasons[key]?.(proposal) ?? 'the default') : undefined;
    return [
      ...comment(helpOf(aboutField(transferSchema, key), 'TypeScript')),
      ...(reason === undefined ? [] : comment(`Proposed: ${reason}.`)),
      stringify({ [key]: value }, { lineWidth: 0 }).trimEnd(),
    ].join('\n');
  });
  const head = [
    `# ${printable(command('transfer', '--config', file))}`,
    ...comment(`${describeData(proposal.data)}.`),
    ...comment(
      `The run takes ${describeTime(proposal)}, timed here. This is an estimate: reading images, testing, and fine-tuning a source first are not in it. A smaller width or size, or fewer epochs, take less.`,
    ),
    ...comment('docs/options.md has every option. Paths begin at the folder in which the command runs.'),
  ].join('\n');
  return `${[head, ...options].join('\n\n')}\n`;
}
