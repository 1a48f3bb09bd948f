import { createHash } from 'node:crypto';
import { stringify } from 'yaml';
import * as z from 'zod';
import { L2TError } from '../errors.js';
import { shown } from '../system/printable.js';
import { layouts } from './datasets.js';
import { logNames } from './logs.js';
import { methodNames, type SettingName, settings } from './methods.js';
import { networkNames } from './networks.js';
import { augmentNames, batchNormNames, convolutionNames, engineNames, metaBatches, precisionNames } from './schemas.js';
import { parseYaml } from './yaml.js';

/** The format of a run folder. A folder of another format is refused. */
export const runFormat = 3;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const resolvedSource = z.strictObject({
  checkpoint: z.string(),
  network: z.enum(networkNames),
  width: z.number(),
  size: z.int(),
  /** Absent if the method matches no features. */
  pairs: z.string().optional(),
  /** As the person stated it. */
  licence: z.string().optional(),
});

export type ResolvedSource = z.output<typeof resolvedSource>;

/** A run records the settings that its method reads. */
const optionalSettings = Object.fromEntries(
  Object.keys(settings).map((name) => [name, z.number().optional()]),
) as Record<SettingName, z.ZodOptional<z.ZodNumber>>;

/** Every option of a run, with defaults filled in. */
const resolved = z.strictObject({
  method: z.enum(methodNames),
  target: z.enum(networkNames),
  width: z.number(),
  size: z.int(),
  targetInit: z.string().optional(),
  /** Of a method that starts from `targetInit`: its licence, as the person stated it. */
  targetInitLicence: z.string().optional(),
  /** Empty if the method uses no source. */
  sources: z.array(resolvedSource),
  strict: z.boolean(),
  data: z.string(),
  layout: z.enum(layouts).optional(),
  imageColumn: z.string().optional(),
  labelColumn: z.string().optional(),
  classes: z.string().optional(),
  perClass: z.int().optional(),
  validation: z.number().optional(),
  fold: z.int().optional(),
  splitFile: z.string().optional(),
  cache: z.string().optional(),
  epochs: z.int().min(1),
  batch: z.int(),
  seed: z.int(),
  /** Absent: crop-flip. */
  augment: z.enum(augmentNames).optional(),
  /** Absent: 1. */
  evalEvery: z.int().min(1).optional(),
  patience: z.int().min(1).optional(),
  engine: z.enum(engineNames),
  convolution: z.enum(convolutionNames),
  /** Absent: float32. */
  precision: z.enum(precisionNames).optional(),
  /** Absent: true. */
  deterministic: z.literal(false).optional(),
  /** Absent: true. */
  graph: z.literal(false).optional(),
  /** Absent: global. */
  batchNorm: z.enum(batchNormNames).optional(),
  device: z.string(),
  threads: z.int().min(1),
  saveEvery: z.number(),
  lr: z.union([z.literal('auto'), z.number()]),
  /** Absent: false. */
  balance: z.literal(true).optional(),
  /** Absent: same, where the method trains meta-networks. */
  metaBatch: z.enum(metaBatches).optional(),
  /** Absent: true. */
  report: z.literal(false).optional(),
  log: z.array(z.enum(logNames)).min(1).optional(),
  ...optionalSettings,
});

export type ResolvedOptions = z.output<typeof resolved>;

const record = z.strictObject({
  format: z.literal(runFormat),
  verb: z.enum(['transfer', 'pretrain']),
  /** Number of processes with which the run began, of which rank 0 recorded its device and threads. Absent: 1. */
  ranks: z.int().min(2).optional(),
  options: resolved,
  /**
   * What a resume must find unchanged. `folder`, the hash of the whole data folder, is there only if split.json
   * names test images; `eval` must find it unchanged.
   */
  data: z.strictObject({
    classNames: z.array(z.string()),
    fingerprint: sha256,
    split: sha256,
    folder: sha256.optional(),
  }),
  sourceWeights: z.array(sha256),
});

/** The content of options.yaml in a run folder. */
export type RunRecord = z.output<typeof record>;

export function formatRecord(value: RunRecord): string {
  return stringify(value, { lineWidth: 0 });
}

/** Parses options.yaml. @throws L2TError INVALID_RUN if the run folder is of another format, or naming the entry. */
export function parseRecord(text: string, file: string): RunRecord {
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (cause) {
    const [problem = ''] = (cause as Error).message.split('\n');
    throw new L2TError('INVALID_RUN', `${file} is damaged: ${shown(problem, 200)}.`, { cause });
  }
  requireFormat(value, file);
  const parsed = record.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') || 'its top';
  throw new L2TError('INVALID_RUN', `${file} is damaged: ${shown(where)}: ${shown(issue?.message ?? '', 200)}.`);
}

/** Where there is no number, the file is damaged. */
function requireFormat(value: unknown, file: string): void {
  const { format } = (value ?? {}) as { readonly format?: unknown };
  if (typeof format !== 'number' || format === runFormat) return;
  throw new L2TError(
    'INVALID_RUN',
    `${file} is of a run folder of format ${format}, and this version of l2t-native reads format ${runFormat}: use the version that made the folder, or start the run again in another folder.`,
  );
}

export const hashText = (text: string): string => createHash('sha256').update(text).digest('hex');
