import { stringify } from 'yaml';
import * as z from 'zod';
import { setNames } from '../options/datasets.js';
import { isRead, needsOf } from '../options/methods.js';
import { networkNames } from '../options/networks.js';
import { transferSchema } from '../options/schemas.js';
import { type RunSpec, recordedRows } from '../options/spec.js';
import { parseYaml } from '../options/yaml.js';
import { invalidRun } from '../system/failures.js';
import { shown } from '../system/printable.js';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const source = z.strictObject({
  path: z.string(),
  network: z.enum([...networkNames, 'onnx']),
  width: z.number(),
  size: z.int(),
  onnx: z
    .strictObject({
      runtime: z.string(),
      maps: z.array(z.strictObject({ name: z.string(), channels: z.int().min(1), side: z.int().min(1) })).readonly(),
    })
    .optional(),
  maps: z.string().optional(),
  tokens: z.int().optional(),
  normalisation: z.string().optional(),
  pairs: z.string().optional(),
  licence: z.string().optional(),
});

/** A recorded spec: its rows are those of the table, and none that has a default may be missing. */
const spec = z
  .strictObject({
    ...Object.fromEntries(recordedRows.map(({ name }) => [name, transferSchema.shape[name].optional()])),
    sources: z.array(source),
    sourceLicence: z.string().optional(),
  })
  .transform((value, context) => {
    const written = value as unknown as RunSpec;
    const needs = needsOf(written.method ?? 'scratch');
    const lacking = recordedRows.find(
      ({ name, about }) =>
        (about.needed || about.default !== undefined || about.found !== undefined) &&
        isRead(name, about, needs) &&
        written[name as keyof RunSpec] === undefined,
    );
    if (lacking) context.addIssue({ code: 'custom', path: [lacking.name], message: 'it is missing' });
    return written;
  });

/** The format of a run folder. A folder of another format is refused. */
export const runFormat = 5;

const record = z.strictObject({
  format: z.literal(runFormat),
  verb: z.enum(['transfer', 'pretrain']),
  /** Number of processes with which the run began, of which rank 0 recorded its device and threads. */
  ranks: z.int().min(1),
  spec,
  /**
   * Facts that a resume must find unchanged. `folder`, the hash of the whole data folder, is there only if split.json
   * names test images; `eval` must find it unchanged.
   */
  found: z.strictObject({
    classNames: z.array(z.string()),
    data: sha256,
    split: sha256,
    /** The damaged images that are left out of their sets: their positions in the data set's own lists. */
    skipped: z
      .array(z.strictObject({ set: z.enum(setNames), image: z.int().min(0), name: z.string() }))
      .readonly()
      .optional(),
    folder: sha256.optional(),
    unlabelled: sha256.optional(),
    sources: z.array(sha256),
    targetInit: sha256.optional(),
    metaInit: sha256.optional(),
  }),
});

/** The content of options.yaml in a run folder. */
export type RunRecord = z.output<typeof record>;

/** Number of test images that were left out. */
export const skippedTests = ({ found: { skipped = [] } }: RunRecord): number =>
  skipped.filter(({ set }) => set === 'test').length;

export const newRecord = (content: Omit<RunRecord, 'format'>): RunRecord => ({ format: runFormat, ...content });

export function formatRecord(value: RunRecord): string {
  return stringify(value, { lineWidth: 0 });
}

/** Parses options.yaml. @throws L2TError INVALID_RUN, naming the entry. */
export function parseRecord(text: string, file: string): RunRecord {
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (cause) {
    const [problem = ''] = (cause as Error).message.split('\n');
    throw invalidRun(`${file} is damaged: ${shown(problem, 200)}.`, cause);
  }
  requireFormat(value, file);
  const parsed = record.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') || 'its top';
  throw invalidRun(`${file} is damaged: ${shown(where)}: ${shown(issue?.message ?? '', 200)}.`);
}

/** Refuses another format. A file without a number is damaged: parsing refuses it. */
function requireFormat(value: unknown, file: string): void {
  const { format } = (value ?? {}) as { readonly format?: unknown };
  if (typeof format !== 'number' || format === runFormat) return;
  throw invalidRun(
    `${file} is of a run folder of format ${format}, and this version of l2t-native reads format ${runFormat}: use the version that made the folder, or start the run again in another folder.`,
  );
}
