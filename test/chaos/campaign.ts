import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Draw } from './draw.js';
import { how, inOwnProcess } from './processes.js';

/** One part of the campaign: what it does to the program, and how often in an hour. */
export interface Part<Shared = unknown> {
  readonly name: string;
  /** For the table: what one try is. */
  readonly description: string;
  /** Tries in a campaign of 60 minutes; other campaigns make as many in proportion, but at least one. */
  readonly perHour: number;
  /** What this machine lacks for the part; undefined if it can run. */
  missing?(): string | undefined;
  /** Where the part's folder is made, if not among temporary files. */
  readonly below?: string;
  /** Prepares what all tries share; plain data, if children make the tries. */
  prepare?(folder: string): Promise<Shared>;
  /** Gets ready for tries: in each child, or in the campaign's own process. */
  open(shared: Shared, folder: string, tries: number): Attempt | Promise<Attempt>;
  /** If set, children make the tries; the seconds for which one may compute. */
  readonly patience?: number;
  /** All tries are made as one. */
  readonly once?: boolean;
}

/** Makes one try. An error that it throws is a find. */
export type Attempt = (attempt: Try) => Promise<void>;

/** A try, and what it records. */
export class Try {
  readonly kinds: Record<string, number> = {};
  readonly figures: Record<string, number> = {};
  /** What must not happen, but did. */
  readonly finds: string[] = [];
  what = '';

  constructor(
    readonly k: number,
    readonly draw: Draw,
    /** For its files. */
    readonly folder: string,
    private readonly note: (what: string) => void = () => {},
  ) {}

  /** Says what is being tried: its kind and, after a colon, details. */
  doing(what: string): void {
    this.what = what;
    this.note(what);
  }

  /** Counts tries of a kind. Without a call, the try counts as one of the kind that it was doing. */
  tried(kind: string, count = 1): void {
    this.kinds[kind] = (this.kinds[kind] ?? 0) + count;
  }

  /** Keeps the largest value of a measurement. */
  figure(name: string, value: number): void {
    this.figures[name] = Math.max(this.figures[name] ?? value, value);
  }

  find(problem: string): void {
    this.finds.push(`${this.what}: ${problem}`.slice(0, 4000));
  }

  /** Adds what was recorded of another try. */
  add({ kinds, figures }: Made): void {
    for (const [kind, count] of Object.entries(kinds)) this.tried(kind, count);
    for (const [name, value] of Object.entries(figures)) this.figure(name, value);
  }
}

/** What is known of a try afterwards. */
export type Made = Pick<Try, 'k' | 'kinds' | 'figures' | 'finds'>;

const kindOf = (what: string): string => what.replace(/:.*/s, '');
const stackOf = (error: unknown): string => (error instanceof Error && error.stack) || String(error);

/** The tries `from`, `from` + `step`, … below `tries`, by the campaign's seed. */
export interface Range {
  readonly seed: number;
  readonly from: number;
  readonly step: number;
  readonly tries: number;
}

/** Makes some of a part's tries, one after another. */
export async function makeTries(
  { name }: Part,
  { seed, from, step, tries }: Range,
  attempt: Attempt,
  folder: string,
  record: (made: Made) => void,
  note: (what: string, k: number) => void = () => {},
): Promise<void> {
  for (let k = from; k < tries; k += step) {
    // The random numbers depend only on the seed, the part and `k`, so one try can be repeated alone.
    const hash = [...`${name} ${k}`].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0, seed);
    const made = new Try(k, new Draw(hash), join(folder, `try-${k}`), (what) => note(what, k));
    mkdirSync(made.folder);
    await attempt(made).catch((error: unknown) => made.find(stackOf(error)));
    if (Object.keys(made.kinds).length === 0) made.tried(kindOf(made.what));
    record(made);
    rmSync(made.folder, { recursive: true, force: true });
  }
}

/** Runs one part to its end; `only`: one of its tries. An error in it is a find, with the command that repeats it. */
export async function runPart(part: Part, seed: number, tries: number, only?: number) {
  const { name, description, patience } = part;
  const start = performance.now();
  const folder = mkdtempSync(join(part.below ?? tmpdir(), `l2t-chaos-${name}-`));
  const all = new Try(-1, new Draw(0), folder);
  const finds: { readonly part: string; readonly try?: number | undefined; readonly what: string; again: string }[] =
    [];
  const find = (what: string, k?: number): void => {
    const which = k === undefined ? '' : ` --try ${k}`;
    const again = `npm run test:chaos -- --seed ${seed} --part ${name}${which} --tries ${tries}`;
    finds.push({ part: name, try: k, what, again });
    process.stderr.write(`FIND in ${name}${which}: ${what}\n  ${again}\n`);
  };
  const record = (made: Made): void => {
    all.add(made);
    for (const what of made.finds) find(what, made.k);
  };
  /** Lets a child make the tries. If it dies of one, another makes the rest. */
  const inChild = async (range: Range, shared: unknown): Promise<void> => {
    const own = join(folder, `child-${range.from}`);
    mkdirSync(own);
    writeFileSync(join(own, 'made'), '');
    const ended = await inOwnProcess(name, own, shared, range, {
      patience: 300,
      progress: join(own, 'doing'),
      through: ['sh', '-c', 'exec "$@" >>"$0" 2>&1', join(own, 'output')],
    });
    const [made, output] = ['made', 'output'].map((file) => readFileSync(join(own, file), 'utf8')) as [string, string];
    for (const line of made.split('\n').filter(Boolean)) record(JSON.parse(line));
    if (ended.code === 0) return output === '' ? undefined : find(`at its end a child printed ${output}`);
    const { k, what } = JSON.parse(readFileSync(join(own, 'doing'), 'utf8'));
    if (what === '') throw new Error(`a child is not ready: ${how(ended)}${output}`);
    record({ k, kinds: { [kindOf(what)]: 1 }, figures: {}, finds: [`${what}: ${how(ended)}${output}`] });
    await inChild({ ...range, from: k + range.step }, shared);
  };
  // In CI nothing may be missing: nobody would notice that a part was left out.
  const leftOut = part.missing?.();
  if (leftOut !== undefined && process.env.CI) find(`left out: ${leftOut}`);
  try {
    if (leftOut === undefined) {
      const shared = await part.prepare?.(folder);
      const attempt = patience === undefined ? await part.open(shared, folder, tries) : undefined;
      const lanes = only === undefined ? availableParallelism() : tries;
      const ranges = Array.from({ length: only === undefined ? lanes : 1 }, (_, lane) => {
        return { seed, from: only ?? lane, step: lanes, tries: part.once ? 1 : tries };
      });
      await Promise.all(
        ranges.map((range) => (attempt ? makeTries(part, range, attempt, folder, record) : inChild(range, shared))),
      );
      if (Object.keys(all.kinds).length === 0) find('it tried nothing');
    }
  } catch (error) {
    find(stackOf(error));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const { kinds, figures } = all;
  const tried = Object.values(kinds).reduce((sum, count) => sum + count, 0);
  const seconds = (performance.now() - start) / 1000;
  return { part: name, description, tried, kinds, figures, finds, seconds, ...(leftOut !== undefined && { leftOut }) };
}
