import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../../src/data/random.js';

/** One part of the campaign: what it does to the program, and how often in an hour. */
export interface Part {
  readonly name: string;
  /** For the table: what one try is. */
  readonly description: string;
  /** Tries in a campaign of 60 minutes; other campaigns make as many in proportion, but at least one. */
  readonly perHour: number;
  /** What this machine lacks for the part; undefined if it can run. */
  missing?(): string | undefined;
  run(context: Context): Promise<void>;
}

/** A failure: something that must not happen. */
export interface Find {
  readonly part: string;
  /** The number of the try, if a try found it. */
  readonly try?: number | undefined;
  readonly what: string;
  /** The command that repeats it. */
  readonly again: string;
}

export interface PartReport {
  readonly part: string;
  readonly description: string;
  readonly tried: number;
  /** Tries by kind. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Measurements that are worth a line, such as the largest resident set. */
  readonly figures: Readonly<Record<string, number>>;
  readonly finds: readonly Find[];
  readonly seconds: number;
  readonly leftOut?: string;
}

/** The tries of a part, and what it records of them. */
export class Context {
  readonly kinds: Record<string, number> = {};
  readonly figures: Record<string, number> = {};
  readonly finds: Find[] = [];
  /** The folder for all files of this part; removed after it. */
  readonly folder: string;

  constructor(
    private readonly part: Part,
    private readonly seed: number,
    /** How many tries are to be made. */
    readonly tries: number,
    /** The number of the only try to make; undefined for all. */
    private readonly only: number | undefined,
  ) {
    this.folder = mkdtempSync(join(tmpdir(), `l2t-chaos-${part.name}-`));
  }

  /**
   * The random numbers of try `k`. They depend only on the seed, the part and `k`, so one try can be repeated alone.
   */
  randomOf(k: number): Random {
    let hash = this.seed;
    for (const letter of `${this.part.name} ${k}`) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0;
    return new Random(hash);
  }

  /** Calls `body` for each try, `lanes` at a time. An error that it throws is a find. */
  async each(body: (k: number, random: Random, folder: string) => Promise<void>, lanes = 1): Promise<void> {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < this.tries) {
        const k = next++;
        if (this.only !== undefined && k !== this.only) continue;
        const folder = join(this.folder, `try-${k}`);
        mkdirSync(folder);
        await body(k, this.randomOf(k), folder).catch((error: unknown) => this.find(String(error), k));
        rmSync(folder, { recursive: true, force: true });
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }

  tried(kind: string, count = 1): void {
    this.kinds[kind] = (this.kinds[kind] ?? 0) + count;
  }

  /** Keeps the largest value. */
  figure(name: string, value: number): void {
    this.figures[name] = Math.max(this.figures[name] ?? Number.NEGATIVE_INFINITY, value);
  }

  find(what: string, k?: number): void {
    const again = `npm run test:chaos -- --seed ${this.seed} --part ${this.part.name}${k === undefined ? '' : ` --try ${k}`} --tries ${this.tries}`;
    const found = { part: this.part.name, try: k, what: what.slice(0, 4000), again };
    this.finds.push(found);
    process.stderr.write(`FIND in ${found.part}${k === undefined ? '' : `, try ${k}`}: ${found.what}\n  ${again}\n`);
  }
}

/** Runs one part to its end. An error in it is a find. */
export async function runPart(part: Part, seed: number, tries: number, only?: number): Promise<PartReport> {
  const { name, description } = part;
  const leftOut = part.missing?.();
  const nothing = { part: name, description, tried: 0, kinds: {}, figures: {}, finds: [], seconds: 0 };
  if (leftOut !== undefined) {
    const again = `npm run test:chaos -- --part ${name}`;
    // In CI nothing may be missing: nobody would notice that a part was left out.
    const finds = process.env.CI ? [{ part: name, what: `left out: ${leftOut}`, again }] : [];
    return { ...nothing, finds, leftOut };
  }
  const start = performance.now();
  const context = new Context(part, seed, tries, only);
  try {
    await part.run(context);
  } catch (error) {
    context.find(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    rmSync(context.folder, { recursive: true, force: true });
  }
  const tried = Object.values(context.kinds).reduce((sum, count) => sum + count, 0);
  const { kinds, figures, finds } = context;
  if (tried === 0) finds.push({ part: name, what: 'it tried nothing', again: `npm run test:chaos -- --part ${name}` });
  return { ...nothing, tried, kinds, figures, finds, seconds: (performance.now() - start) / 1000 };
}
