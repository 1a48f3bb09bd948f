import { addAbortSignal } from 'node:stream';
import { type DecodedImage, decodeBytes, maxFileBytes } from '../data/decode.js';
import { findImages } from '../data/find-images.js';
import { L2TError } from '../errors.js';
import { throwIfAborted } from '../system/abort.js';
import { invalidData, invalidOption } from '../system/failures.js';
import { fileError } from '../system/files.js';
import { isLimitError } from '../system/limits.js';

/** An image to predict: its name in the output, and its path, its pixels or an error. */
export interface Input {
  readonly file: string;
  readonly image: string | DecodedImage | L2TError;
}

/** The argument that stands for the standard input. */
const standard = '-';

/**
 * Returns the images for which the arguments stand, in their order.
 * @throws L2TError INVALID_OPTION, ABORTED.
 */
export async function gatherInputs(paths: readonly string[], signal: AbortSignal): Promise<Input[]> {
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
