import { existsSync } from 'node:fs';
import { resolve as absolute, join } from 'node:path';
import { L2TError } from '../errors.js';
import { defaultOf, flagOf, required } from '../options/check.js';
import { needsOf } from '../options/methods.js';
import { parseRecord, type RunRecord } from '../options/run-record.js';
import { transferSchema } from '../options/schemas.js';
import { recordName } from '../report/run-files.js';
import { readText } from '../system/files.js';
import { shellWord } from '../system/shell.js';
import { resolveOptions } from './resolve-options.js';
import { listSources } from './sources.js';
import type { CheckedTransferOptions } from './transfer.js';

/** Options that a run keeps as it began. They change how it is kept or shown, not what it is. */
const kept = ['saveEvery', 'report', 'log', 'strict'] as const;
/** All options that do not change what a run is. */
const free = ['device', 'threads', 'cache', 'sources', ...kept];
/** Options that are paths: another host may see the same files elsewhere. */
const paths = ['data', 'targetInit', 'splitFile'] as const;

/**
 * The flags by which `given` options of `transfer` differ from those of a recorded run; none if they describe the same
 * run. With `ignorePaths`, files count as the same wherever they are.
 * @throws L2TError INVALID_OPTION as `transfer`, of options that do not go together.
 */
export function differingOptions(
  { options: recorded }: RunRecord,
  given: CheckedTransferOptions,
  { ignorePaths = false } = {},
): string[] {
  const { target: name, method = defaultOf(transferSchema, 'method'), ...others } = given;
  const target = required(transferSchema, { target: name }, 'target');
  const expected = resolveOptions(method, target, others, recorded.sources, recorded);
  const wanted: Readonly<Record<string, unknown>> = { ...expected, batch: given.batch ?? recorded.batch };
  const found: Readonly<Record<string, unknown>> = recorded;
  const keys = new Set([...Object.keys(wanted), ...Object.keys(found)]);
  for (const key of [...free, ...(ignorePaths ? paths : [])]) keys.delete(key);
  const differing = [...keys].filter((key) => JSON.stringify(wanted[key]) !== JSON.stringify(found[key]));
  return [...differing, ...differingSources(recorded, method, given, ignorePaths)].map(flagOf);
}

function differingSources(
  { sources }: RunRecord['options'],
  method: RunRecord['options']['method'],
  given: CheckedTransferOptions,
  ignorePaths: boolean,
): string[] {
  const listed = needsOf(method).source ? listSources(given) : [];
  if (listed.length !== sources.length) return ['source'];
  const differs = (key: 'network' | 'width' | 'size' | 'pairs' | 'licence') =>
    listed.some((source, k) => source[key] !== undefined && source[key] !== sources[k]?.[key]);
  const moved = listed.some(({ checkpoint }, k) => checkpoint !== absolute(sources[k]?.checkpoint ?? ''));
  return [
    ...(moved && !ignorePaths ? ['source'] : []),
    ...(differs('network') ? ['sourceNetwork'] : []),
    ...(differs('width') ? ['sourceWidth'] : []),
    ...(differs('size') ? ['sourceSize'] : []),
    ...(differs('pairs') ? ['pairs'] : []),
    ...(differs('licence') ? ['sourceLicence'] : []),
  ];
}

/**
 * The record with the given files in place of those that are not there any more: a folder may be copied or mounted
 * elsewhere together with them. Whether they hold the same is for the caller to see. `onMoved` is told of each.
 */
export function withMovedFiles(
  record: RunRecord,
  given: CheckedTransferOptions,
  onMoved: (message: string) => void,
): RunRecord {
  let moved = false;
  const now = <T extends string | undefined>(began: T, file: string | undefined): T | string => {
    if (began === undefined || file === undefined || absolute(file) === began || existsSync(began)) return began;
    onMoved(`the run began with ${began}, which is not there any more: it goes on with ${absolute(file)}`);
    moved = true;
    return absolute(file);
  };
  const { options } = record;
  const listed = options.sources.length > 0 && given.source !== undefined ? listSources(given) : [];
  const found = {
    ...options,
    ...Object.fromEntries(paths.filter((key) => key in options).map((key) => [key, now(options[key], given[key])])),
    sources: options.sources.map((source, k) => ({
      ...source,
      checkpoint: now(source.checkpoint, listed[k]?.checkpoint),
    })),
  };
  return moved ? { ...record, options: found } : record;
}

/** @throws L2TError INVALID_RUN if the folder holds a run with other options. */
export function requireSameOptions(folder: string, record: RunRecord, given: CheckedTransferOptions): void {
  const flags = record.verb === 'transfer' ? differingOptions(record, given) : ['the verb, pretrain'];
  if (flags.length === 0) return;
  throw new L2TError(
    'INVALID_RUN',
    `${folder} holds a run with other options (${flags.join(', ')}): choose another --out, or continue that run with --resume ${shellWord(folder)}.`,
  );
}

/** Warns of given options with which the run does not go on: it keeps its own. */
export function warnOfKeptOptions(
  folder: string,
  { options: recorded }: RunRecord,
  given: CheckedTransferOptions,
  warn: (message: string) => void,
): void {
  const differs = (key: (typeof kept)[number]) =>
    given[key] !== undefined &&
    JSON.stringify(given[key]) !== JSON.stringify(recorded[key] ?? defaultOf(transferSchema, key));
  const flags = kept.filter(differs).map(flagOf);
  if (flags.length > 0) warn(`${folder} goes on with its own ${flags.join(', ')}`);
}

/** @throws L2TError INVALID_RUN if the folder holds a run with other options than its experiment's. */
export async function requirePlanned(folder: string, planned: CheckedTransferOptions): Promise<void> {
  const file = join(folder, recordName);
  if (!existsSync(file)) return;
  const flags = differingOptions(parseRecord(await readText(file), file), planned, { ignorePaths: true });
  if (flags.length === 0) return;
  throw new L2TError(
    'INVALID_RUN',
    `${folder} was begun with other options than the experiment has now (${flags.join(', ')}): put them back, or remove the folder.`,
  );
}
