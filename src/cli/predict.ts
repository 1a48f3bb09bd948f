import { addAbortSignal } from 'node:stream';
import { type Command, Option } from 'commander';
import { type DecodedImage, decodeBytes, maxFileBytes } from '../data/decode.js';
import { findImages } from '../data/find-images.js';
import { L2TError } from '../errors.js';
import { Network } from '../inference/network.js';
import { loadCheckpoint, weightsFile } from '../networks/checkpoint.js';
import { withClassNames } from '../networks/class-names.js';
import { holdsWeights } from '../networks/weights/load.js';
import { defaultOf, type Given } from '../options/check.js';
import { threadsWarning } from '../options/cost.js';
import { checkpointForms } from '../options/networks.js';
import { predictSchema } from '../options/schemas.js';
import { checkpointPath } from '../options/sources.js';
import { onAbort, throwIfAborted } from '../system/abort.js';
import { invalidData, invalidOption } from '../system/failures.js';
import { fileError } from '../system/files.js';
import { isLimitError } from '../system/limits.js';
import { addFlags, type Flags, flagOptions } from './flags.js';
import { interruptible } from './interrupt.js';
import { formats, type Outcome } from './predict-formats.js';
import { Progress } from './progress.js';

const images =
  'image files (PNG, JPEG, WebP, GIF or AVIF); folders, for all images in them and in their folders, sorted; patterns in ' +
  "quotes, such as 'new/**/*.jpg'; - for one image on the standard input";

export function register(command: Command): void {
  command.argument('<checkpoint>', `${checkpointForms}; left out with --checkpoint`).argument('[images...]', images);
  addFlags(command, predictSchema)
    .option('--json', 'print the predictions as one JSON document')
    .addOption(
      new Option(
        '--csv',
        'print CSV: file, label, index, probability, label_2, probability_2, … up to --top, and error, for an image that cannot be read',
      ).conflicts('json'),
    )
    .addHelpText('after', '\nImages that cannot be read are listed at the end, and the exit code is then 1.')
    .action(async (first: string, images: string[], flags: Flags) => {
      const progress = new Progress();
      await predict([first, ...images], flags, progress).finally(() => progress.stop());
    });
}

async function predict(words: readonly string[], flags: Flags, progress: Progress): Promise<void> {
  const options = flagOptions(predictSchema, flags);
  const [path = '', ...paths] = options.checkpoint === undefined ? words : [options.checkpoint, ...words];
  if (options.checkpoint === undefined) await requireWeights(path);
  if (paths.length === 0) throw invalidOption('The images are missing: name them after the checkpoint.');
  const network = await load(path, options, progress);
  await interruptible(async (signal) => {
    const inputs = await gatherInputs(paths, signal);
    const top = Math.min(options.top ?? defaultOf(predictSchema, 'top'), network.classNames.length);
    const known = { files: inputs.map(({ file }) => file), labels: network.classNames, top };
    const format = formats[flags.json ? 'json' : flags.csv ? 'csv' : 'table'](known);
    const failures: L2TError[] = [];
    let [done, rows, printed] = [0, 0, true];
    try {
      for await (const outcome of outcomesOf(network, inputs, { batch: options.batch, top, signal })) {
        const row = format.row((inputs[done] as Input).file, outcome);
        const before = rows === 0 ? format.first : format.between;
        if (row !== '') rows++;
        printed = await print(row && `${before ?? ''}${row}`, progress, signal);
        throwIfAborted('The prediction', signal);
        if (!printed) return;
        if (outcome instanceof L2TError) failures.push(outcome);
        if (options.stopOnError && failures[0]) throw failures[0];
        progress.data(++done, inputs.length);
      }
    } finally {
      if (printed && rows > 0) await print(format.last ?? '', progress, signal);
    }
    throwFailures(failures, inputs.length);
  });
}

/** @throws L2TError INVALID_OPTION if the first argument is no checkpoint, such as an image. */
async function requireWeights(path: string): Promise<void> {
  if (await holdsWeights(await weightsFile(checkpointPath(path)))) return;
  throw invalidOption(
    `${path} is no checkpoint: name ${checkpointForms} before the images, or give it by --checkpoint.`,
  );
}

async function load(
  path: string,
  { classNames, device, threads, network: name, width, size, strict }: Given<typeof predictSchema>,
  progress: Progress,
): Promise<Network> {
  const expected = { network: name, width, size, strict, onWarning: progress.warn, onNote: progress.note };
  const named = await withClassNames(await loadCheckpoint(path, expected), classNames);
  const network = Network.from(named, { device, threads });
  threadsWarning(threads, network.device).forEach(progress.warn);
  return network;
}

/** Yields the outcome of each input in order, as soon as its batch is done. */
async function* outcomesOf(
  network: Network,
  inputs: readonly Input[],
  options: Parameters<Network['predictEach']>[1],
): AsyncGenerator<Outcome, void> {
  const readable = inputs.flatMap(({ image }) => (image instanceof L2TError ? [] : [image]));
  const predictions = network.predictEach(readable, options);
  try {
    for (const { image } of inputs) {
      if (image instanceof L2TError) yield image;
      else yield (await predictions.next()).value as Outcome;
    }
  } finally {
    await predictions.return();
  }
}

/**
 * Prints results. Resolves once the reader has them, so that they do not fill the memory, or the signal fires. False if
 * the output fails: `watchOutputs` then says why.
 */
function print(text: string, progress: Progress, signal: AbortSignal): Promise<boolean> {
  if (text === '') return Promise.resolve(true);
  // On a terminal, results would overwrite the bar.
  if (process.stdout.isTTY) progress.stop();
  return new Promise((resolve) => {
    const stop = () => resolve(false);
    const forget = onAbort(signal, stop);
    process.stdout.write(text, (error) => {
      forget();
      resolve(!error);
    });
    if (signal.aborted) stop();
  });
}

/** Throws the error of a command that could not read some of its `total` images. */
function throwFailures(failures: readonly L2TError[], total: number): void {
  const [first] = failures;
  if (first === undefined) return;
  if (total === 1) throw first;
  const summary = `${failures.length} of ${total} images could not be read:`;
  throw new L2TError(first.code, [summary, ...failures.map(({ message }) => message)]);
}

/** An image to predict: its name in the output, and its path, its pixels or an error. */
interface Input {
  readonly file: string;
  readonly image: string | DecodedImage | L2TError;
}

/** The argument that stands for the standard input. */
const standard = '-';

/**
 * Returns the images for which the arguments stand, in their order.
 * @throws L2TError INVALID_OPTION, ABORTED.
 */
async function gatherInputs(paths: readonly string[], signal: AbortSignal): Promise<Input[]> {
  if (paths.filter((path) => path === standard).length > 1) {
    throw invalidOption('- is given twice: the standard input has one image.');
  }
  const inputs: Input[] = [];
  for (const path of paths) {
    if (path === standard) inputs.push({ file: path, image: await fromStandardInput(signal) });
    else {
      for await (const { path: file, problem } of findImages(path, { signal }))
        inputs.push({ file, image: problem ?? file });
    }
  }
  return inputs;
}

async function fromStandardInput(signal: AbortSignal): Promise<DecodedImage | L2TError> {
  if (process.stdin.isTTY) {
    const advice = 'give it one, as in: l2t-native predict - < photo.jpg';
    throw invalidOption(`- is an image on the standard input, which is a terminal here: ${advice}`);
  }
  try {
    return await decodeBytes(await readStandardInput(signal), 'The standard input');
  } catch (error) {
    if (!(error instanceof L2TError) || error.code === 'ABORTED' || isLimitError(error)) throw error;
    return error;
  }
}

async function readStandardInput(signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of addAbortSignal(signal, process.stdin)) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxFileBytes) {
        throw invalidData(`The standard input has more than ${maxFileBytes} bytes, the most that are read.`);
      }
    }
  } catch (error) {
    throwIfAborted('Reading the standard input', signal);
    throw fileError('read', 'the standard input', error);
  }
  return Buffer.concat(chunks);
}
