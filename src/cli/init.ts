import { existsSync } from 'node:fs';
import { type Command, Help } from 'commander';
import { stringify } from 'yaml';
import { loadCheckpoint, networkIn } from '../networks/checkpoint.js';
import { sourceNames } from '../networks/sources.js';
import { aboutField, checkOptions, defaultOf, type Given, helpOf } from '../options/check.js';
import { command } from '../options/command.js';
import { needsOf } from '../options/methods.js';
import { type NetworkName, networkNames } from '../options/networks.js';
import { initSchema, proposeSchema, transferSchema } from '../options/schemas.js';
import { isOnnx } from '../options/sources.js';
import { named } from '../options/spelling.js';
import { fileAccess, invalidOption } from '../system/failures.js';
import { writeFileAtomic } from '../system/files.js';
import { counted, duration, printable, printableJson } from '../system/printable.js';
import {
  type DataSummary,
  lookAtData,
  type Proposal,
  type ProposeControl,
  type ProposeOptions,
  proposeOptions,
} from '../train/proposal.js';
import { addFlags, type Flags, flagOptions } from './flags.js';
import { say, withProgress } from './progress.js';
import { onTerminal, Questions } from './questions.js';

type Options = Given<typeof proposeSchema>;

export function register(command: Command): void {
  addFlags(command, initSchema, 'What is not given is asked or proposed.')
    .option('--yes', 'ask nothing, and take what is proposed')
    .option('--json', 'print what was written as one JSON document')
    .action(init);
}

async function init(flags: Flags): Promise<void> {
  const { out = defaultOf(initSchema, 'out'), ...known } = flagOptions(initSchema, flags);
  requireNew(out);
  const proposal = await withProgress(async (progress, signal) => {
    const control = { signal, onListed: progress.listing, onWarning: progress.warn };
    const options = await completed(known, flags.yes === true, control);
    progress.note('timing a few steps');
    const proposed = await proposeOptions({ ...(options as ProposeOptions), ...control });
    requireNew(out);
    await writeFileAtomic(out, proposalFile(proposed, out));
    return proposed;
  });
  process.stdout.write(flags.json ? `${printableJson({ file: out, ...proposal })}\n` : summary(out, proposal));
}

/** Refuses a file that exists: it may be somebody's work. */
function requireNew(out: string): void {
  if (!existsSync(out)) return;
  throw fileAccess(`Cannot write ${out}: it exists already: remove it, or choose another {out}.`);
}

function summary(out: string, proposal: Proposal): string {
  const { target, width, size, batch, epochs, pairs } = proposal.options;
  const matched = pairs === undefined ? '' : `, pairs ${[pairs].flat().join(' and ')} (${proposal.pairs})`;
  return [
    printable(describeData(proposal.data)),
    `${proposal.options.method}: ${target}, width ${width}, images of ${size}×${size}, batch ${batch}, ${counted(epochs as number, 'epoch')}${matched}`,
    `${describeTime(proposal)} (an estimate, without reading images and testing)`,
    `${printable(out)} is written. Next: ${printable(command('transfer', '--config', out))}`,
    '',
  ].join('\n');
}

type Control = ProposeControl & { readonly signal: AbortSignal };

/**
 * Returns the options, after asking on the terminal for missing ones.
 * @throws L2TError INVALID_OPTION that names the flags, if nobody can be asked.
 */
async function completed(known: Options, unattended: boolean, control: Control): Promise<Options> {
  const { source, start } = needsOf(known.method ?? defaultOf(proposeSchema, 'method'));
  const decided = ['target', 'targetInit', 'maxMs', 'maxParams', 'maxMb'].some((key) => known[key as keyof Options]);
  const budget = source && !unattended && !decided ? ['maxMs'] : [];
  const needed = ['data', ...(source ? ['source'] : []), ...(start ? ['targetInit'] : []), ...budget];
  const missing = needed.filter((key) => known[key as keyof Options] === undefined);
  if (missing.length === 0) return known;
  const names = missing.map((key) => `{${key}}`).join(', ');
  if (unattended) {
    throw invalidOption(`There is no proposal for ${names}: give what is missing, or leave out --yes to be asked.`);
  }
  if (!onTerminal()) {
    const choice = missing.includes('maxMs') ? ' (or --yes, for a network of any speed)' : '';
    throw invalidOption(`There is no terminal to ask at: give ${names}${choice}.`);
  }
  const questions = new Questions(control.signal);
  try {
    return await ask(questions, known, missing, control);
  } finally {
    questions.close();
  }
}

/** Asks for missing options; after a wrong answer, it says so and repeats the question. */
async function ask(
  questions: Questions,
  known: Options,
  missing: readonly string[],
  control: Control,
): Promise<Options> {
  const look = async (data: string) => {
    const found = await lookAtData({ ...known, data: checked('data', data) as string }, control);
    say(printable(describeData(found)));
    return found;
  };
  const images = 'Your images: a folder with a folder for each class, or a published data set';
  const found = known.data === undefined ? await questions.ask(images, look) : await look(known.data);
  const options: Options = { ...known, data: found.data };
  const [width] = [known.sourceWidth].flat();
  let [network] = [known.sourceNetwork].flat();
  if (missing.includes('source')) {
    const question = 'The source: the checkpoint of a pretrained network (.pth, safetensors or ONNX)';
    const path = await questions.ask(question, async (answer) => {
      const file = await readable(answer);
      if (network !== undefined && network !== 'onnx')
        await loadCheckpoint(file, { network, width, names: sourceNames });
      return file;
    });
    if (isOnnx(path)) network ??= 'onnx';
    network ??=
      (await networkIn(path, width)).network ??
      (await askNetwork(questions, 'Its network, which the file does not say', (answer) =>
        loadCheckpoint(path, { network: answer, width, names: sourceNames }),
      ));
    options.source = path;
    options.sourceNetwork ??= network;
  }
  if (missing.includes('targetInit')) {
    const question = 'The weights to start from: a checkpoint of the target (.pth or safetensors)';
    options.targetInit = await questions.ask(question, readable);
  }
  if (missing.includes('maxMs')) {
    const question = 'The milliseconds that the network may take for an image, one at a time on one CPU thread';
    options.maxMs = await questions.ask(
      question,
      async (answer) => (answer === anySpeed ? undefined : (checked('maxMs', Number(answer) || answer) as number)),
      anySpeed,
    );
  }
  return options;
}

/** The answer that sets no limit. */
const anySpeed = 'any';

const askNetwork = (
  questions: Questions,
  question: string,
  check: (network: NetworkName) => Promise<unknown>,
): Promise<NetworkName> =>
  questions.ask(`${question}, one of ${networkNames.join(', ')}`, async (answer) => {
    const network = checked('sourceNetwork', answer) as NetworkName;
    await check(network);
    return network;
  });

/** Checks an answer as its flag is checked. */
const checked = (key: keyof Options, answer: string | number) =>
  checkOptions(proposeSchema, { [key]: answer }, named)[key];

async function readable(answer: string): Promise<string> {
  const path = checked('source', answer) as string;
  await networkIn(path);
  return path;
}

/** `photos: folder, 10 classes, 400 training and 290 test images, short sides of 400 pixels` */
function describeData({ data, layout, classNames, images, testDrawn, shortSides }: DataSummary): string {
  const { train, validation, test } = images;
  const validating = validation > 0 ? `, ${validation} validation` : '';
  const drawn = testDrawn ? ' (a tenth of each class: the data has none)' : '';
  const { min, max } = shortSides;
  const sides = min === max ? String(min) : `${min} to ${max}`;
  return `${data}: ${layout}, ${counted(classNames.length, 'class', 'classes')}, ${train} training${validating} and ${test} test images${drawn}, short sides of ${sides} pixels`;
}

/** `1 h 12 min to 1 h 20 min: 2,600 steps of 1.66 to 1.84 s`; one value where both are the same. */
function describeTime({ estimate: { steps, msPerStep, maxMsPerStep } }: Proposal): string {
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
function proposalFile(proposal: Proposal, file: string): string {
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
