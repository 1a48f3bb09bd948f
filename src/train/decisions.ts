import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { decisionsName } from '../networks/checkpoint.js';
import type { Given } from '../options/check.js';
import { trainSchema } from '../options/schemas.js';
import { invalidRun } from '../system/failures.js';
import { readText, writeFileAtomic } from '../system/files.js';
import { parseJson } from '../system/json.js';
import { candidateSchema } from './candidates.js';
import { imagesSchema, scheduleSchema, workSchema } from './schedule.js';

/** The kinds of decisions, in the order of the stages. */
const kinds = {
  /**
   * The images, and how long one takes to be read. `fewest`: training images of the smallest class; `side`: the median of
   * their short sides, pixels.
   */
  data: z.object({
    classes: z.int(),
    fewest: z.int(),
    side: z.number(),
    images: imagesSchema,
  }),
  /** The source's network (without one, the usual target), and a step of its training. `fits`: it is within the budget. */
  source: z.object({ candidate: candidateSchema, work: workSchema, fits: z.boolean() }),
  /** The networks within the budget, and a step of each. Empty if the source is within it. */
  candidates: z.array(z.object({ candidate: candidateSchema, work: workSchema })),
  /** The epochs of each stage. */
  schedule: scheduleSchema,
  /** A round of the race: the accuracy of each candidate (null: it diverged), and which go on. */
  round: z.object({
    epochs: z.int(),
    candidates: z.array(z.int()),
    accuracies: z.array(z.number().nullable()),
    next: z.array(z.int()).min(1),
  }),
  /** The candidate that is trained. */
  winner: z.object({ candidate: z.int() }),
  /** Milliseconds for one image of the result, timed again. */
  speed: z.object({ ms: z.number() }),
} as const;
type Kinds = typeof kinds;
type Kind = keyof Kinds;

const fileSchema = z.object({
  verb: z.literal('train'),
  options: z.record(z.string(), z.unknown()),
  decisions: z.array(z.looseObject({ kind: z.enum(Object.keys(kinds) as [Kind, ...Kind[]]), value: z.unknown() })),
});

export type CheckedTrainOptions = Given<typeof trainSchema>;

/** The signal, the start time and the listeners of a training. */
export interface TrainContext {
  readonly signal: AbortSignal | undefined;
  readonly began: number;
  warn(message: string): void;
  note(message: string): void;
}

/** The decisions of a training, in decisions.json of a folder, or in memory alone. */
export class Decisions {
  private constructor(
    private readonly folder: string | undefined,
    readonly options: CheckedTrainOptions,
    private readonly entries: { readonly kind: Kind; readonly value: unknown }[],
  ) {}

  /** Begins with these options; without a folder, nothing is written. */
  static async begin(folder: string | undefined, options: CheckedTrainOptions): Promise<Decisions> {
    const decisions = new Decisions(folder, options, []);
    await decisions.#write();
    return decisions;
  }

  /** @throws L2TError INVALID_RUN if the folder has none, or they are damaged. */
  static async read(folder: string): Promise<Decisions> {
    const file = join(folder, decisionsName);
    if (!existsSync(file)) throw invalidRun(`${folder} is no folder of train: there is no ${file}.`);
    const text = await readText(file);
    try {
      const { options, decisions } = fileSchema.parse(parseJson(text));
      const entries = decisions.map(({ kind, value }) => ({ kind, value: kinds[kind].parse(value) }));
      return new Decisions(folder, trainSchema.partial().parse(options) as CheckedTrainOptions, entries);
    } catch (cause) {
      throw invalidRun(`${file} is damaged: put it back, or start again in another folder.`, cause);
    }
  }

  has(kind: Kind): boolean {
    return this.entries.some((entry) => entry.kind === kind);
  }

  /** Returns the n-th decision of this kind, from 0. If there is none, `make` makes it, and it is written first. */
  async decide<K extends Kind>(kind: K, make: () => Promise<z.output<Kinds[K]>>, n = 0): Promise<z.output<Kinds[K]>> {
    const before = this.entries.filter((entry) => entry.kind === kind)[n];
    if (before !== undefined) return before.value as z.output<Kinds[K]>;
    const value = await make();
    this.entries.push({ kind, value });
    await this.#write();
    return value;
  }

  async #write(): Promise<void> {
    if (this.folder === undefined) return;
    const { options, entries: decisions } = this;
    const text = JSON.stringify({ verb: 'train', options, decisions }, null, 1);
    await writeFileAtomic(join(this.folder, decisionsName), `${text}\n`);
  }
}
