/** files-child.ts FOLDER BASES: reads damaged files. Each job is a seed, which determines the whole try. */
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { maxPixels } from '../../src/data/decode.js';
import { shortSide } from '../../src/options/networks.js';
import { answer } from './children.js';
import { wrongError } from './codes.js';
import { byteMutators } from './damage/bytes.js';
import { Draw } from './damage/draw.js';
import { damageEntry } from './damage/entry.js';
import { formats, hasChecksum, mutatorsOf } from './files-formats.js';

export interface FilesJob {
  readonly seed: number;
}

export interface FilesAnswer {
  readonly format: string;
  /** Format, file and what was done to it. */
  readonly what: string;
  /** 'read', or the error's code. */
  readonly outcome: string;
  readonly find?: string;
  /** Bytes by which the resident set grew, at its highest. */
  readonly grown: number;
  /** Bytes of the damaged file. */
  readonly size: number;
  readonly milliseconds: number;
}

const [, , folder, bases] = process.argv as [string, string, string, string];
const root = join(folder, 'files');
cpSync(bases, root, { recursive: true });

function filesBelow(path: string, below = ''): string[] {
  return readdirSync(join(path, below), { withFileTypes: true })
    .flatMap((entry) => {
      const name = join(below, entry.name);
      return entry.isDirectory() ? filesBelow(path, name) : [name];
    })
    .sort();
}

/** Valid files by path below the format's folder. */
const valid = new Map(
  [...new Set(Object.values(formats).map((format) => format.folder))].map((path) => {
    const whole = join(bases, path);
    return [path, new Map(filesBelow(whole).map((name) => [name, new Uint8Array(readFileSync(join(whole, name)))]))];
  }),
);
const weights = Object.fromEntries(Object.entries(formats).map(([name, { weight }]) => [name, weight]));

/** Resets the peak of the resident set. */
const resetPeak = (): void => writeFileSync('/proc/self/clear_refs', '5');
const peak = (): number => 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);

const mebibyte = 2 ** 20;
/**
 * Normal variation, in any try: V8 may take its next pages for young objects (16 MiB), libc and libvips their next
 * pools. Valid files took 8 MiB at most.
 */
const floor = 32 * mebibyte;
/** Memory for each byte of a valid file: in the densest YAML, two bytes become a node with its place in the text. */
const perByte = 300;
/** Memory for each decoded pixel: RGBA in the decoder, RGB as our image, and a line of each on the way. */
const perPixel = 8;

/**
 * The sides of an image as its decoder finds them in the header, pixels; undefined for other files. Only the decoder
 * knows where they stand in a damaged file: it skips junk, and the first frame of a GIF may be larger than its screen.
 */
async function sidesOf(bytes: Uint8Array): Promise<readonly [number, number] | undefined> {
  const found = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch(() => undefined);
  return found && [found.width, found.height];
}

/** The memory allowed: twice what a valid file of this size, or an image of these sides, takes, and `floor`. */
async function allowed(damaged: Uint8Array): Promise<number> {
  const [width = 0, height = 0] = (await sidesOf(damaged)) ?? [];
  const decoded = width * height <= maxPixels ? width * height : 0;
  // A narrow image becomes a large one when its short side is fitted to a network's input.
  const fitted = decoded > 0 ? (shortSide(224) ** 2 * Math.max(width, height)) / Math.min(width, height) : 0;
  return floor + 2 * (perByte * damaged.length + perPixel * (decoded + Math.min(maxPixels, fitted)));
}

interface Damage {
  readonly name: string;
  readonly bytes: Uint8Array | undefined;
  readonly done: string;
}

function damage(format: string, draw: Draw): Damage {
  const { folder: path, damaged = /./ } = formats[format] as (typeof formats)[string];
  const files = valid.get(path) as Map<string, Uint8Array>;
  const names = [...files.keys()].filter((name) => damaged.test(name));
  const name = draw.pick(names);
  if (draw.once(50)) return { name, bytes: undefined, done: damageEntry(join(root, path, name), draw) };
  const original = files.get(name) as Uint8Array;
  const mutators = mutatorsOf(format, name, original);
  const other = files.get(draw.pick(names)) as Uint8Array;
  let bytes = original;
  const done: string[] = [];
  const checked = hasChecksum(name, original) && draw.once(3);
  for (let rounds = checked ? 1 : draw.pick([1, 1, 1, 2, 3]); rounds > 0; rounds--) {
    const kind = checked ? 'bit flip' : draw.pick(Object.keys(mutators));
    try {
      bytes = (mutators[kind] ?? byteMutators[kind])?.(bytes, draw, other) ?? bytes;
      done.push(kind);
    } catch {
      // A second change may fail on what the first has left.
    }
  }
  return { name, bytes, done: done.join(', ') || 'nothing' };
}

function restore(format: string, name: string): void {
  const { folder: path, written } = formats[format] as (typeof formats)[string];
  const whole = join(root, path);
  if (written) {
    rmSync(whole, { recursive: true, force: true });
    for (const [file, bytes] of valid.get(path) as Map<string, Uint8Array>) {
      mkdirSync(dirname(join(whole, file)), { recursive: true });
      writeFileSync(join(whole, file), bytes);
    }
    return;
  }
  const file = join(whole, name);
  if (existsSync(file) || !lstatSync(file, { throwIfNoEntry: false })?.isFile())
    rmSync(file, { recursive: true, force: true });
  writeFileSync(file, (valid.get(path) as Map<string, Uint8Array>).get(name) as Uint8Array);
}

async function attempt({ seed }: FilesJob): Promise<FilesAnswer> {
  const draw = new Draw(seed);
  const format = draw.weighted(weights);
  const { folder: path, read } = formats[format] as (typeof formats)[string];
  const doing = join(folder, 'doing');
  writeFileSync(doing, `${format}: to be damaged`);
  const { name, bytes, done } = damage(format, draw);
  const file = join(root, path, name);
  if (bytes) writeFileSync(file, bytes);
  const what = `${format}: ${name}: ${done}`;
  // For the parent, if this process dies before it answers.
  writeFileSync(doing, what);
  resetPeak();
  const before = peak();
  const start = performance.now();
  let outcome = 'read';
  let find: string | undefined;
  try {
    await read(join(root, path), file, draw);
  } catch (error) {
    find = wrongError(error);
    outcome = (error as { code?: string }).code ?? 'no code';
  }
  const milliseconds = performance.now() - start;
  // Warnings are printed a turn later.
  await new Promise(setImmediate);
  const grown = peak() - before;
  const damaged = bytes ?? new Uint8Array(0);
  if (grown > floor && grown > (await allowed(damaged))) {
    find ??= `it took ${Math.round(grown / mebibyte)} MiB for ${damaged.length} bytes (${outcome})`;
  }
  const original = valid.get(path)?.get(name) as Uint8Array;
  // An aborted try has read the file before. `inspect` of a run folder does not read all of it.
  const isRead = outcome === 'read' || outcome === 'ABORTED';
  if (isRead && done === 'bit flip' && format !== 'run folder' && hasChecksum(name, original)) {
    find ??= `a bit was turned over, and it was read without an error: byte ${bytes?.findIndex((byte, at) => byte !== original[at])}`;
  }
  restore(format, name);
  return { format, what, outcome, ...(find !== undefined && { find }), grown, size: damaged.length, milliseconds };
}

/**
 * Reads valid files first: this loads libraries and fills pools, whose memory must not count for a damaged file. If a
 * valid file is refused here, all tries of its format would be worthless.
 */
async function warmUp(): Promise<void> {
  for (const [format, { folder: path, read, written, damaged = /./ }] of Object.entries(formats)) {
    const names = [...(valid.get(path) as Map<string, Uint8Array>).keys()].filter((name) => damaged.test(name));
    for (let k = 0; k < 12; k++) {
      const name = names[k % names.length] as string;
      try {
        await read(join(root, path), join(root, path, name), new Draw(k));
      } catch (error) {
        // The try asked for another network than the file's, or stopped the run as soon as it resumed.
        if (['WEIGHTS_MISMATCH', 'INVALID_OPTION', 'ABORTED'].includes((error as { code: string }).code)) continue;
        throw new Error(`the valid ${format}, ${name}, is refused`, { cause: error });
      }
    }
    if (written) restore(format, '');
  }
}

await warmUp();
answer(attempt);
