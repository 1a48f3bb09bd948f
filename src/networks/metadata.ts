import * as z from 'zod';
import type { L2TError } from '../errors.js';
import type { NetworkSpec, Normalisation } from '../native/addon.js';
import { networkNames } from '../options/networks.js';
import { networkSchema } from '../options/schemas.js';
import { invalidWeights } from '../system/failures.js';
import { parseJson } from '../system/json.js';
import { describeNetwork } from './describe.js';
import { lostHash } from './weights/content-hash.js';

/** Means and deviations of an image's three channels. */
const three = z.tuple([z.number(), z.number(), z.number()]);
export const normalisationSchema = z.object({ mean: three, std: three });
/** The ranges are those of the options. */
export const { width: widthSchema, size: sizeSchema } = networkSchema.shape;

const json = <S extends z.ZodType>(schema: S) =>
  z.string().transform((text, context): z.output<S> => {
    try {
      return schema.parse(parseJson(text)) as z.output<S>;
    } catch {
      context.addIssue('it is no JSON of the expected form');
      return z.NEVER;
    }
  });

/** The metadata of a safetensors file written by this package. */
const described = z.object({
  network: z.enum(networkNames),
  classes: json(z.int().min(0)),
  width: json(widthSchema),
  size: json(sizeSchema),
  class_names: json(z.array(z.string())),
  normalisation: json(normalisationSchema),
});
export type Described = z.output<typeof described>;

/** What `export --to torchvision` says beside PyTorch's names. */
const exported = described.pick({ size: true, class_names: true, normalisation: true }).partial({ class_names: true });

const formatName = 'l2t-native checkpoint 1';

/** Did this package write the file? */
export const isOwn = (metadata: ReadonlyMap<string, string>): boolean => metadata.get('format') === formatName;

/** The network's description in a file's metadata; undefined if another program wrote the file. */
export function describedBy(metadata: ReadonlyMap<string, string>, file: string): Described | undefined {
  if (!isOwn(metadata)) return undefined;
  if (lostHash(metadata)) throw damaged(file, 'sha256');
  const found = parsed(described, metadata, file);
  // No names: a network from a file without any was written.
  if ([0, found.classes].includes(found.class_names.length)) return found;
  throw damaged(file, 'class_names');
}

/** The same of a file of `export --to torchvision`. */
export function exportedBy(metadata: ReadonlyMap<string, string>, file: string): z.output<typeof exported> | undefined {
  return metadata.has('size') && metadata.has('normalisation') ? parsed(exported, metadata, file) : undefined;
}

function parsed<S extends z.ZodType>(schema: S, metadata: ReadonlyMap<string, string>, file: string): z.output<S> {
  const result = schema.safeParse(Object.fromEntries(metadata));
  if (result.success) return result.data;
  throw damaged(file, String(result.error.issues[0]?.path[0]));
}

/** The error for a file with a wrong entry in its metadata. */
export function damaged(file: string, entry: string): L2TError {
  return invalidWeights(`${file}: its metadata entry '${entry}' is damaged. Fetch or save it again.`);
}

/** The metadata for a checkpoint. It holds no time, path or host, so equal runs give equal bytes. */
export function metadataOf(
  network: NetworkSpec,
  size: number,
  classNames: readonly string[] | undefined,
  normalisation: Normalisation,
): Map<string, string> {
  const { features } = describeNetwork(network, size);
  return new Map([
    ['format', formatName],
    ['network', network.name],
    ['classes', String(network.classes)],
    ['width', String(network.width)],
    ['size', String(size)],
    ['class_names', JSON.stringify(classNames ?? [])],
    ['normalisation', JSON.stringify(normalisation)],
    ['features', JSON.stringify(features.map(({ index, channels, size }) => ({ index, channels, size })))],
  ]);
}
