import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { maxPixels } from '../../src/data/decode.js';
import { hasHash } from '../../src/networks/weights/content-hash.js';
import { parseSafetensors } from '../../src/networks/weights/safetensors.js';
import { shortSide } from '../../src/options/networks.js';
import { filesBelow } from '../tiny.js';
import type { Part } from './campaign.js';
import { byteKinds } from './damage/bytes.js';
import { Draw } from './draw.js';
import { type Format, formats, mutatorsOf } from './formats.js';
import { wrongError } from './processes.js';

/** Makers of entries that replace a valid file. */
const entries: Readonly<Record<string, (path: string) => unknown>> = {
  missing: () => {},
  empty: (path) => writeFileSync(path, ''),
  folder: (path) => mkdirSync(path),
  'link to itself': (path) => symlinkSync(path, path),
  'link to nothing': (path) => symlinkSync(join(dirname(path), 'nothing'), path),
  'endless device': (path) => symlinkSync('/dev/zero', path),
  pipe: (path) => spawnSync('mkfifo', [path]),
};

const peak = (): number => 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);

/** Normal variation: V8 may take its next pages (16 MiB), libc and libvips their next pools. Valid files took 8 MiB. */
const floor = 2 ** 25;
/** Memory for each byte of a valid file: in the densest YAML, two bytes become a node with its place in the text. */
const perByte = 300;
/** Memory for each decoded pixel: RGBA in the decoder, RGB as our image, and a line of each on the way. */
const perPixel = 8;

/** The memory allowed: twice what a valid file of this size, or an image of these sides, takes, and `floor`. */
async function allowed(damaged: Buffer): Promise<number> {
  // Only the decoder knows where the sides stand: it skips junk, and a GIF's first frame may exceed its screen.
  const found = sharp(damaged, { limitInputPixels: false }).metadata();
  const { width, height } = await found.catch(() => ({ width: 0, height: 0 }));
  const decoded = width * height <= maxPixels ? width * height : 0;
  // A narrow image becomes a large one when its short side is fitted to a network's input.
  const fitted = decoded > 0 ? (shortSide(224) ** 2 * Math.max(width, height)) / Math.min(width, height) : 0;
  return floor + 2 * (perByte * damaged.length + perPixel * (decoded + Math.min(maxPixels, fitted)));
}

function filesOf(base: string, { damaged }: Format): Map<string, Buffer> {
  const names = filesBelow(base).filter((name) => damaged.test(name));
  return new Map(names.map((name) => [name, readFileSync(join(base, name))]));
}

/** Whether the file has a checksum of its content, so that no single bit flip may pass. */
const hasChecksum = (name: string, bytes: Buffer): boolean =>
  name.endsWith('.safetensors') && hasHash(parseSafetensors(bytes, name).metadata);

function damage(format: string, name: string, files: ReadonlyMap<string, Buffer>, draw: Draw): [Buffer, string] {
  let bytes = files.get(name) as Buffer;
  const own = mutatorsOf(format, name, bytes);
  const [, other] = draw.pick([...files].filter(([path, content]) => mutatorsOf(format, path, content) === own));
  const checked = hasChecksum(name, bytes) && draw.once(3);
  const mutators = checked ? { 'bit flip': byteKinds['bit flip'] } : own;
  const done: string[] = [];
  for (let rounds = checked ? 1 : draw.pick([1, 1, 1, 2, 3]); rounds > 0; rounds--) {
    const [kind, mutate] = draw.pick(Object.entries(mutators));
    try {
      bytes = mutate(bytes, draw, other);
      done.push(kind);
    } catch {
      // It found no place, perhaps because of what the change before has left.
    }
  }
  return [bytes, done.join(', ') || 'nothing'];
}

/** Reads valid files. This loads libraries and fills pools, whose memory must not count for a damaged file. */
async function warmUp(bases: string, folder: string): Promise<void> {
  for (const [name, format] of Object.entries(formats)) {
    const copy = join(folder, name);
    cpSync(join(bases, name), copy, { recursive: true });
    const names = [...filesOf(copy, format).keys()];
    for (let k = 0; k < 12; k++) {
      const file = join(copy, names[k % names.length] as string);
      await format.read(file, new Draw(k), copy, bases).catch((cause) => {
        // The try asked for another network than the file's, or stopped the run as soon as it resumed.
        if (['WEIGHTS_MISMATCH', 'INVALID_OPTION', 'ABORTED'].includes(cause.code)) return;
        throw new Error(`the valid ${name}, ${file}, is refused: ${cause.stack}`);
      });
    }
    rmSync(copy, { recursive: true });
  }
}

/** A damaged file is read. */
export const files: Part<string> = {
  ...{ name: 'files', module: import.meta.url, perHour: 100_000, patience: 10 },
  // In memory, if possible: reading a run syncs its files.
  ...(existsSync('/dev/shm') && { below: '/dev/shm' }),
  missing: () => (existsSync('/proc/self/clear_refs') ? undefined : 'there is no /proc to measure memory with'),
  async prepare(folder) {
    const bases = join(folder, 'bases');
    mkdirSync(bases);
    for (const [name, { make }] of Object.entries(formats)) await make(join(bases, name));
    return bases;
  },
  async open(bases, own) {
    await warmUp(bases, own);
    return async (attempt) => {
      const { draw, folder } = attempt;
      const name = draw.weighted(formats);
      const { [name]: format = {} as Format } = formats;
      attempt.doing(`${name}: to be damaged`);
      cpSync(join(bases, name), folder, { recursive: true });
      const files = filesOf(folder, format);
      const path = draw.pick([...files.keys()]);
      const [file, original] = [join(folder, path), files.get(path) as Buffer];
      const entry = draw.once(50) ? draw.pick(Object.keys(entries)) : undefined;
      const [bytes, done] = entry ? [Buffer.alloc(0), entry] : damage(name, path, files, draw);
      rmSync(file);
      if (entry) entries[entry]?.(file);
      else writeFileSync(file, bytes);
      attempt.doing(`${name}: ${path}: ${done}`);
      writeFileSync('/proc/self/clear_refs', '5'); // resets the peak
      const [before, start] = [peak(), performance.now()];
      let outcome = 'read';
      await format.read(file, draw, folder, bases).catch((error) => {
        outcome = error.code ?? 'no code';
        const wrong = wrongError(error);
        if (wrong !== undefined) attempt.find(wrong);
      });
      attempt.figure('longest, ms', performance.now() - start);
      const grown = peak() - before;
      attempt.figure('most memory, MiB', grown / 2 ** 20);
      if (grown > floor && grown > (await allowed(bytes)))
        attempt.find(`it took ${Math.round(grown / 2 ** 20)} MiB for ${bytes.length} bytes (${outcome})`);
      // An aborted try has read the file before. `inspect` of a run folder does not read all of it.
      const isRead = (outcome === 'read' && name !== 'run folder') || outcome === 'ABORTED';
      const at = bytes.findIndex((byte, k) => byte !== original[k]);
      if (isRead && done === 'bit flip' && hasChecksum(path, original))
        attempt.find(`it is read, but byte ${at} differs`);
    };
  },
};
