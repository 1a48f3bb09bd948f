import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { loadCheckpoint, networkIn } from '../networks/checkpoint.js';
import { sourceNames } from '../networks/sources.js';
import { checkOptions, defaultOf, type Given } from '../options/check.js';
import { command } from '../options/command.js';
import { needsOf } from '../options/methods.js';
import { type NetworkName, networkNames } from '../options/networks.js';
import { initSchema, proposeSchema } from '../options/schemas.js';
import { isOnnx } from '../options/sources.js';
import { named } from '../options/spelling.js';
import { fileAccess, invalidOption } from '../system/failures.js';
import { writeFileAtomic } from '../system/files.js';
import { counted, printable, printableJson } from '../system/printable.js';
import {
  lookAtData,
  type Proposal,
  type ProposeControl,
  type ProposeOptions,
  proposeOptions,
} from '../train/proposal.js';
import { addFlags, type Flags, flagOptions } from './flags.js';
import { describeData, describeTime, proposalFile } from './init-file.js';
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
