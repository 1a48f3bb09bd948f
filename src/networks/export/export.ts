import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Tensor, type TensorMap, toFloat32, toTensorMap } from '../../native/tensor.js';
import { aMessageListener, takeOptions } from '../../options/arguments.js';
import { defaultOf, required, type Written } from '../../options/check.js';
import { torchvisionNetworks } from '../../options/networks.js';
import type { OwnHelp } from '../../options/option-help.js';
import { type ExportFormat, exportSchema } from '../../options/schemas.js';
import { fileAccess, invalidOption } from '../../system/failures.js';
import { writeFileAtomic } from '../../system/files.js';
import { type Checkpoint, checkpointChunks, readCheckpoint } from '../checkpoint.js';
import { withClassNames } from '../class-names.js';
import { requireLastLayer } from '../weights/match.js';
import { safetensorsChunks } from '../weights/safetensors.js';
import type { Normaliser } from './onnx.js';

/** `l2t-native export --help` says what each option is. */
export type ExportOptions = Written<typeof exportSchema, 'to' | 'out', OwnHelp['export']> & {
  /** Called with a message for each problem that does not stop the export. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called with a message if the file does not name its network, and its tensors show it. */
  readonly onNote?: ((message: string) => void) | undefined;
};

/** The written file and its network. */
export interface ExportResult {
  /** Absolute path of the file. */
  readonly file: string;
  /** The format of the file. */
  readonly format: ExportFormat;
  /** Size of the file. */
  readonly bytes: number;
  /** The network's name, one of `networkNames`. */
  readonly network: string;
  /** Number of classes. */
  readonly classes: number;
  /** The factor of its channel counts. */
  readonly width: number;
  /** Side of its images, pixels. */
  readonly size: number;
}

type Writer = (checkpoint: Checkpoint, normaliser: Normaliser) => Promise<Uint8Array[]>;

/** For each format, the file's content in parts. */
const writers: Readonly<Record<ExportFormat, Writer>> = {
  onnx: async (checkpoint, normaliser) => {
    // Loaded when it is needed: protobuf would be a tenth of the time in which the command line starts.
    const { toOnnx } = await import('./onnx.js');
    return [toOnnx(checkpoint, normaliser)];
  },
  safetensors: async (checkpoint) => checkpointChunks({ ...checkpoint, weights: checkpoint.weights.map(toFloat32) }),
  torchvision: async (checkpoint) => safetensorsChunks(toTorchvision(checkpoint), torchvisionMetadata(checkpoint)),
};

/** PyTorch's batch norm counts its updates in a scalar. Nothing reads it where the momentum is a number. */
const noUpdates: Tensor = { dtype: 'int64', shape: [], data: new Uint8Array(8) };
const variance = /running_var$/;

/**
 * The tensors that `load_state_dict(strict=True)` of torchvision's network of that name takes. Our names are
 * torchvision's; what is missing is the count of each batch norm.
 * @throws L2TError INVALID_OPTION if torchvision has no such network.
 */
function toTorchvision({ network: { name, width }, weights }: Checkpoint): TensorMap {
  const known = torchvisionNetworks.join(', ');
  const instead = 'use {to=safetensors}, whose tensors PyTorch loads by name, or {to=onnx}';
  if (!torchvisionNetworks.includes(name)) {
    throw invalidOption(`torchvision has no ${name} (it has ${known}): ${instead}.`);
  }
  if (width !== 1) {
    throw invalidOption(
      `torchvision's ${name} has the width 1, this one has ${width} (it has ${known}, of width 1): ${instead}.`,
    );
  }
  const tensors: TensorMap = new Map();
  for (const [name, tensor] of toTensorMap(weights)) {
    tensors.set(name, toFloat32(tensor));
    if (variance.test(name)) tensors.set(name.replace(variance, 'num_batches_tracked'), noUpdates);
  }
  return tensors;
}

/** `format: pt` is how readers of safetensors know weights of PyTorch. */
function torchvisionMetadata({ size, classNames, normalisation }: Checkpoint): Map<string, string> {
  return new Map([
    ['format', 'pt'],
    ['size', String(size)],
    ...(classNames ? [['class_names', JSON.stringify(classNames)] as const] : []),
    ['normalisation', JSON.stringify(normalisation)],
  ]);
}

/**
 * Writes a network in another program's format, in float32 (docs/predict.md): `onnx`, a graph from images to logits;
 * `safetensors`, a checkpoint of this package; `torchvision`, the state dict of torchvision's network. `checkpoint`:
 * a path, or one in memory such as a run's `result.network`.
 * @throws L2TError INVALID_OPTION, also if torchvision has no such network, or `normalise` is given for another format
 *   than ONNX; FILE_ACCESS, also if `out` exists; INVALID_WEIGHTS, WEIGHTS_MISMATCH.
 */
export async function exportNetwork(checkpoint: string | Checkpoint, given: ExportOptions): Promise<ExportResult> {
  const { options, control } = takeOptions(exportSchema, given, {
    onWarning: aMessageListener,
    onNote: aMessageListener,
  });
  const format = required(exportSchema, options, 'to');
  const out = required(exportSchema, options, 'out');
  const { normalise, classNames, network, width, size, strict } = options;
  if (normalise !== undefined && format !== 'onnx') {
    throw invalidOption('{normalise} is for {to=onnx}, whose file holds a graph: leave it out.');
  }
  // An existing file may be somebody's work, even the checkpoint itself.
  if (existsSync(out)) throw fileAccess(`Cannot write ${out}: it exists already: remove it, or choose another {out}.`);
  const loaded = await readCheckpoint(checkpoint, { network, width, size, strict, ...control });
  if (format !== 'safetensors') requireLastLayer(loaded.network);
  const named = format === 'onnx' || classNames !== undefined ? await withClassNames(loaded, classNames) : loaded;
  const content = await writers[format](named, normalise ?? defaultOf(exportSchema, 'normalise'));
  await writeFileAtomic(out, content);
  const bytes = content.reduce((sum, { length }) => sum + length, 0);
  const { name, ...shape } = loaded.network;
  return { file: resolve(out), format, bytes, network: name, ...shape, size: loaded.size };
}
