import { sampleShortSides } from '../data/image-sets.js';
import { loadData } from '../data/load.js';
import { L2TError } from '../errors.js';
import { networkIn } from '../networks/checkpoint.js';
import { aboutField, type Given, type Schema } from '../options/check.js';
import { command, flagWords } from '../options/command.js';
import type { Needs } from '../options/marks.js';
import { defaultSize, type NetworkName, paperTarget } from '../options/networks.js';
import type { transferSchema } from '../options/schemas.js';
import { isCommandLine } from '../options/spelling.js';
import { median } from '../system/statistics.js';

type GivenOptions = Given<typeof transferSchema>;

/** Values for unknown options in a proposed command. */
const examples = {
  data: 'photos',
  source: 'resnet34.pth',
  target: 'resnet18',
  network: 'resnet18',
  targetInit: 'resnet18.pth',
};

/**
 * Requires all options that a verb, or a method with these needs, cannot do without. The error names the missing ones,
 * proposes a target if that is missing, and on the command line shows a command to copy.
 * @throws L2TError INVALID_OPTION; also as `loadData` and `loadCheckpoint`.
 */
export async function requireComplete(
  verb: string,
  schema: Schema,
  options: Readonly<Record<string, unknown>>,
  needs: Pick<Needs, 'source' | 'start'>,
  signal?: AbortSignal,
): Promise<void> {
  const reads: Readonly<Record<string, boolean>> = { source: needs.source, targetInit: needs.start };
  const missing = Object.keys(schema.shape).filter(
    (key) => options[key] === undefined && (aboutField(schema, key).needed || reads[key]),
  );
  if (missing.length === 0) return;
  const fitting = missing.includes('target') ? await fittingTarget(options, signal) : undefined;
  const names = new Intl.ListFormat('en-GB').format(missing.map((key) => `{${key}}`));
  const lines = [
    `${names} ${missing.length === 1 ? 'is' : 'are'} missing.`,
    ...missing.map((key) => {
      const { help, allowed } = aboutField(schema, key);
      const fits = key === 'target' && fitting !== undefined ? `${fitting.target} fits ${fitting.why}` : undefined;
      const range = fits ?? (allowed.startsWith('one of') ? allowed : undefined);
      return `{${key}}: ${help}${range === undefined ? '' : `; ${range}`}`;
    }),
  ];
  if (isCommandLine()) {
    const proposed: Readonly<Record<string, string>> = { ...examples, ...(fitting && { target: fitting.target }) };
    const added = Object.fromEntries(missing.map((key) => [key, proposed[key]]));
    lines.push(`As in: ${command(verb, ...flagWords(schema, { ...options, ...added }))}`);
  }
  throw new L2TError('INVALID_OPTION', lines);
}

/**
 * Proposes a target: the network of `targetInit`, or else the paper's target for the images of the given source and
 * data; undefined if none of them is given.
 */
async function fittingTarget(
  options: GivenOptions,
  signal: AbortSignal | undefined,
): Promise<{ readonly target: NetworkName; readonly why: string } | undefined> {
  const { data, targetInit, layout, imageColumn, labelColumn } = options;
  if (targetInit !== undefined) {
    const { network } = await networkIn(targetInit, options.width);
    return network && { target: network, why: targetInit };
  }
  const [source] = [options.source].flat();
  const checkpoint = source === undefined ? undefined : await networkIn(source, [options.sourceWidth].flat()[0]);
  const [named] = [options.sourceNetwork].flat();
  const network = named === 'onnx' ? undefined : (named ?? checkpoint?.network);
  const side = [options.sourceSize].flat()[0] ?? checkpoint?.size ?? (network && defaultSize(network));
  const kind = { layout, imageColumn, labelColumn, drawTest: true };
  const dataset = data === undefined ? undefined : await loadData({ data, ...kind, signal });
  const images = dataset?.train && median(await sampleShortSides(dataset.train));
  const facts = [
    ...(network === undefined ? [] : [`the source, a ${network},`]),
    ...(images === undefined ? [] : [`images of ${images} pixels`]),
  ];
  if (facts.length === 0) return undefined;
  const target = paperTarget(Math.min(side ?? Number.POSITIVE_INFINITY, images ?? Number.POSITIVE_INFINITY));
  return { target, why: facts.join(' and ').replace(/,$/, '') };
}
