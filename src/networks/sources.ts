import { addon, type NativeSource, type NetworkSpec } from '../native/addon.js';
import { normalisationOf } from '../options/networks.js';
import { isOnnx } from '../options/sources.js';
import type { Facts, RunSpec, SourceDraft, SourceSpec, SpecDraft } from '../options/spec.js';
import { invalidOption, invalidRun } from '../system/failures.js';
import { type Checkpoint, type CheckpointOptions, checkpointNames, loadCheckpoint } from './checkpoint.js';
import type { OnnxModel } from './onnx/model.js';
import type { OnnxResult, OnnxSession } from './onnx/session.js';
import { hashTensors } from './weights/content-hash.js';

/** A source that is read: a checkpoint, or an ONNX file, whose weights stay in the file. */
export interface Source extends Omit<Checkpoint, 'network'> {
  readonly network: NetworkSpec & { readonly name: SourceSpec['network'] };
  readonly onnx?: OnnxModel;
}

/** The options that say how to read a source's checkpoint, for messages. */
export const sourceNames = { ...checkpointNames, network: '{sourceNetwork}', width: '{sourceWidth}' };

interface SourceOptions extends Pick<CheckpointOptions, 'onWarning' | 'onNote'> {
  readonly strict?: boolean | undefined;
  /** Side of the target's images: what an ONNX file that takes images of any side may read. */
  readonly size?: number | undefined;
}

/** Reads the sources one after the other, so that the first of several errors is always the same. */
export async function loadSources(sources: readonly SourceDraft[], options: SourceOptions): Promise<Source[]> {
  requireOnnxOptions(sources);
  const loaded: Source[] = [];
  for (const source of sources) {
    loaded.push(isOnnx(source.path) ? await loadOnnx(source, options) : await loadWeights(source, options));
  }
  return loaded;
}

/** Refuses options of ONNX files where there is none. */
function requireOnnxOptions(sources: readonly SourceDraft[]): void {
  if (sources.some(({ path }) => isOnnx(path))) return;
  const options = { maps: '{sourceMaps}', tokens: '{sourceTokens}', normalisation: '{sourceNormalisation}' } as const;
  for (const [field, name] of Object.entries(options)) {
    if (!sources.some((source) => source[field as keyof typeof options] !== undefined)) continue;
    throw invalidOption(`${name} is about sources that are ONNX files (a name that ends in .onnx): leave it out.`);
  }
}

async function loadWeights(source: SourceDraft, { strict, onWarning, onNote }: SourceOptions): Promise<Source> {
  const { path, network, width, size } = source;
  if (network === 'onnx')
    throw invalidOption(`{sourceNetwork=onnx} is for ONNX files, and ${path} is not named .onnx.`);
  return loadCheckpoint(path, { network, width, size, strict, names: sourceNames, onWarning, onNote });
}

/** Loads the code of ONNX files where there is one: its libraries take a while. */
async function loadOnnx(source: SourceDraft, { size: otherSize, onNote }: SourceOptions): Promise<Source> {
  const { path, network = 'onnx', width = 1, size, maps, tokens, normalisation } = source;
  if (network !== 'onnx' || width !== 1) {
    const option = network !== 'onnx' ? '{sourceNetwork}' : '{sourceWidth}';
    throw invalidOption(
      `${option} says how to read weights, and ${path} is an ONNX file, which says it itself: leave it out.`,
    );
  }
  const named = maps?.split(',').map((name) => name.trim());
  const { readOnnx } = await import('./onnx/model.js');
  const onnx = await readOnnx(path, {
    size,
    otherSize,
    maps: named,
    tokens,
    normalisation: normalisation === undefined ? undefined : normalisationOf(normalisation),
  });
  onNote?.(`${path}: images of ${onnx.size} pixels, normalised by ${onnx.normalisationFrom}`);
  return {
    network: { name: 'onnx', classes: onnx.classes, width: 1, maps: onnx.maps },
    size: onnx.size,
    classNames: onnx.classNames,
    normalisation: onnx.normalisation,
    weights: [],
    onnx,
  };
}

/** Refuses ONNX files where `what` trains the sources: their weights cannot be changed. @throws L2TError INVALID_OPTION. */
export function requireTrainable(sources: readonly Pick<SourceDraft, 'path'>[], what: string): void {
  const file = sources.find(({ path }) => isOnnx(path));
  if (file === undefined) return;
  throw invalidOption(
    `${what} trains the source, and ${file.path} is an ONNX file, which stays as it is: leave it out, or give weights (safetensors, .pth).`,
  );
}

/**
 * Requires a resume to run ONNX files as before: another version of ONNX Runtime, or other threads, round otherwise.
 * @throws L2TError INVALID_RUN.
 */
export function requireSameRuntime(
  sources: readonly Source[],
  spec: Pick<RunSpec, 'sources' | 'threads'>,
  threads: number,
): void {
  for (const [k, { onnx }] of sources.entries()) {
    if (onnx === undefined) continue;
    const before = spec.sources[k]?.onnx?.runtime;
    if (before !== onnx.runtime) {
      throw invalidRun(
        `This run began with onnxruntime-node ${before}, and ${onnx.runtime} is installed: npm install onnxruntime-node@${before}, or start a new run.`,
      );
    }
    if (spec.threads !== threads) {
      throw invalidRun(
        `This run has an ONNX file as its source, and began with {threads=${threads}}: go on with as many, or start a new run.`,
      );
    }
  }
}

/** A hash of what the source computes. */
export const contentHash = ({ onnx, weights }: Source): string => onnx?.sha256 ?? hashTensors(weights);

/** Returns the facts about the sources that a spec records. */
export const factsOf = (sources: readonly Source[]): Facts['sources'] =>
  sources.map(({ network: { name, width }, size, onnx }) => ({
    network: name,
    width,
    size,
    ...(onnx && { onnx: onnxFacts(onnx) }),
  }));

export const onnxFacts = ({ runtime, maps }: OnnxModel): NonNullable<SourceSpec['onnx']> => ({
  runtime,
  maps: maps.map(({ name, channels, side }) => ({ name, channels, side })),
});

/**
 * The sources as the native part takes them, with their pairs: none if the method has none.
 * @throws L2TError INVALID_OPTION if the networks do not have the pairs.
 */
export function nativeSources(
  { sources, size }: Pick<SpecDraft, 'sources' | 'size'>,
  loaded: readonly Source[],
  target: NetworkSpec,
): NativeSource[] {
  return loaded.map((source, k) => {
    const configuration = sources[k]?.pairs;
    if (configuration === undefined) return { ...source, pairs: [] };
    return { ...source, pairs: addon().pairs(source.network, source.size, target, size, configuration) };
  });
}

/** Opens an ONNX file to run it. @throws L2TError as `OnnxSession.open`. */
export const openOnnx = async (model: OnnxModel, threads: number): Promise<OnnxSession> =>
  (await import('./onnx/session.js')).OnnxSession.open(model, threads);

/** Returns an ONNX file's result as the native part takes it: the feature maps, then the logits, concatenated. */
export function valuesOf({ maps, logits }: OnnxResult): Uint8Array {
  const parts = logits ? [...maps, logits] : maps;
  return Buffer.concat(
    parts.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)),
  );
}
