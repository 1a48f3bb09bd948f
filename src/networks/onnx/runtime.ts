import type { InferenceSession, Tensor } from 'onnxruntime-common';
import { invalidOption } from '../../system/failures.js';
import { encodeModel } from './messages.js';

type Runtime = typeof import('onnxruntime-common');

/** The package that runs ONNX files. A text, so that tsc needs no package of 288 MB. */
const runtimePackage: string = 'onnxruntime-node';

/**
 * ONNX Runtime. It is loaded only where an ONNX file is run.
 * @throws L2TError INVALID_OPTION if it is not installed.
 */
export async function onnxRuntime(): Promise<Runtime> {
  try {
    return await import(runtimePackage);
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    const why = isMissing ? 'is not installed' : `does not load (${wordsOf(cause)})`;
    throw invalidOption(
      `ONNX files are run by ONNX Runtime, which ${why}: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@~1.30.0`,
      cause,
    );
  }
}

/** Opens a session on the CPU, whose threads sleep while they wait: the training needs the cores. */
export function openSession(runtime: Runtime, model: Uint8Array, threads: number): Promise<InferenceSession> {
  return runtime.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}

/** Nodes, constants and outputs that are added to a graph. */
interface Addition {
  readonly node?: readonly object[];
  readonly initializer?: readonly object[];
  readonly output: readonly { readonly name: string }[];
}

/** A model with more outputs. A message of protobuf that goes on after its end is read as one: its lists are joined. */
export const extended = (model: Uint8Array, graph: Addition): Uint8Array =>
  Buffer.concat([model, encodeModel({ graph })]);

/** The first line of what ONNX Runtime says of a failure, without its own source's names. */
export const wordsOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error))
    .split('\n')[0]
    ?.replace(/\/\S+:\d+ .*?\) /, '')
    .slice(0, 500) ?? '';

export type { InferenceSession, Tensor };
