import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { sum } from '../../src/system/statistics.js';
import { Draw } from './draw.js';
import { how, inOwnProcess } from './processes.js';

/** One part of the campaign: what it does to the program, and how often. */
export interface Part<Shared = unknown> {
  readonly name: string;
  /** The address of the module that exports it, for children. */
  readonly module: string;
  /** Tries in a campaign of 60 minutes; others make as many in proportion, but at least one. */
  readonly perHour: number;
  /** Seconds of processor time after which a try counts as hung. */
  readonly patience?: number;
  readonly once?: boolean;
  /** The parent of its folder, if that is not a temporary one. */
  readonly below?: string;
  /** Returns what this machine lacks for the part; undefined if nothing. */
  missing?(): string | undefined;
  /** Prepares what its tries share: plain data. */
  prepare?(folder: string): Promise<Shared>;
  /** Gets ready, in a child, and returns what makes a try. An error that it throws is a find. */
  open(shared: Shared, folder: string, tries: number): Attempt | Promise<Attempt>;
}
export type Attempt = (attempt: Try) => Promise<unknown>;

export class Try {
  readonly kinds: Record<string, number> = {};
  readonly figures: Record<string, number> = {};
  readonly finds: string[] = [];
  what = '';

  constructor(
    readonly k: number,
    readonly draw: Draw,
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
}

/** Which tries a child makes: `from`, `from` + `step`, … below `tries`. */
export type Range = Readonly<Record<'seed' | 'from' | 'step' | 'tries', number>> & { readonly name: string };

export const kindOf = (what: string): string => what.replace(/:.*/s, '');
export const stackOf = (error: unknown): string => (error instanceof Error && error.stack) || String(error);

/** Runs one part to its end; `only`: one of its tries. What is found comes with the command that repeats it. */
export async function runPart(part: Part, seed: number, tries: number, only?: number) {
  const { name, module, below = tmpdir() } = part;
  const start = performance.now();
  const folder = mkdtempSync(join(below, `l2t-chaos-${name}-`));
  const all = new Try(-1, new Draw(0), folder);
  const finds: object[] = [];
  const find = (what: string, k?: number): void => {
    const which = k === undefined ? '' : ` --try ${k}`;
    const again = `npm run test:chaos -- --seed ${seed} --part ${name}${which} --tries ${tries}`;
    finds.push({ part: name, try: k, what, again });
    process.stderr.write(`FIND in ${name}${which}: ${what}\n  ${again}\n`);
  };
  /** Lets a child make tries. If it dies of one, another makes the rest. */
  const inChild = async (range: Range, shared: unknown): Promise<void> => {
    const childFolder = join(folder, `child-${range.from}`);
    const output = (file: string) => readFileSync(join(childFolder, file), 'utf8');
    mkdirSync(childFolder);
    for (const file of ['made', 'output']) writeFileSync(join(childFolder, file), '');
    writeFileSync(join(childFolder, 'doing'), `${range.from} getting ready`);
    let timer: NodeJS.Timeout | undefined;
    const ended = await inOwnProcess(module, childFolder, shared, range, {
      timeout: 0,
      by: ['sh', '-c', 'exec "$@" >>"$0" 2>&1', join(childFolder, 'output')],
      meanwhile: (child) => {
        // Five minutes: other processes may slow a try down.
        const isHung = () => !part.once && Date.now() - statSync(join(childFolder, 'doing')).mtimeMs > 300_000;
        timer = setInterval(() => isHung() && child.kill('SIGKILL'), 1000);
      },
    });
    clearInterval(timer);
    for (const line of output('made').split('\n').filter(Boolean)) {
      const made: Try = JSON.parse(line);
      for (const [kind, count] of Object.entries(made.kinds)) all.tried(kind, count);
      for (const [figure, value] of Object.entries(made.figures)) all.figure(figure, value);
      for (const what of made.finds) find(what, made.k);
    }
    const [, k, what = ''] = /^(\d+) (.*)/s.exec(output('doing')) ?? [];
    if (ended.code !== 0 || output('output') !== '') find(`${what}: ${how(ended)}${output('output')}`, Number(k));
    if (ended.code === 0 || what === 'getting ready') return;
    all.tried(kindOf(what));
    await inChild({ ...range, from: Number(k) + range.step }, shared);
  };
  const leftOut = part.missing?.();
  // In CI nothing may be missing: nobody would notice that a part was left out.
  if (leftOut !== undefined && process.env.CI) find(`left out: ${leftOut}`);
  try {
    if (leftOut === undefined) {
      const shared = await part.prepare?.(folder);
      const lanes = part.once ? tries : availableParallelism();
      const first = only === undefined ? [...Array(part.once ? 1 : lanes).keys()] : [only];
      const step = only === undefined ? lanes : tries;
      await Promise.all(first.map((from) => inChild({ name, seed, from, step, tries }, shared)));
      if (Object.keys(all.kinds).length === 0) find('it tried nothing');
    }
  } catch (error) {
    find(stackOf(error));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const { kinds, figures } = all;
  return {
    part: name,
    tried: sum(Object.values(kinds)),
    kinds,
    figures,
    finds,
    seconds: (performance.now() - start) / 1000,
    leftOut,
  };
}
