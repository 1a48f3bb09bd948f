/**
 * `npm run hashes`: trains every method for a few steps on tiny data, by both engines, on one and two threads, with
 * several sources, from large images, by two processes, from Parquet and the image cache, and with a resume. Prints a
 * line for each run, with the first 16 digits of two SHA-256 hashes: of the target's weights, and of all that trains
 * (with φ and the optimisers' moments).
 *
 * A change of the code that should change no number prints the same lines before and after, on the same machine:
 * compare with `diff`. Another machine may round differently.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { Random } from '../src/data/random.js';
import { pretrain, type Run, resume, type TransferOptions, transfer } from '../src/index.js';
import { addon, type NetworkSpec } from '../src/native/addon.js';
import { type Checkpoint, saveCheckpoint } from '../src/networks/checkpoint.js';
import { hashTensors } from '../src/networks/weights/content-hash.js';
import { loadWeights } from '../src/networks/weights/load.js';
import { methodNames, methodOf, needsOf } from '../src/options/methods.js';
import { imagenetNormalisation } from '../src/options/networks.js';
import { loopback } from '../src/ranks/environment.js';
import { writeParquet } from '../test/fixtures/parquet.js';
import { freePort } from './free-port.js';

const folder = mkdtempSync(join(tmpdir(), 'l2t-hashes-'));
const classes = 3;

/** CIFAR-10's binary format would need ten classes, so the images are PNG files in a folder a class. */
async function writeImages(name: string, size: number, perClass: number): Promise<string> {
  const random = new Random(7);
  for (const split of ['train', 'test']) {
    for (let label = 0; label < classes; label++) {
      const classFolder = join(folder, name, split, `class-${label}`);
      mkdirSync(classFolder, { recursive: true });
      for (let image = 0; image < perClass; image++) {
        // Noise, and a bright stripe at a place of its own for each class.
        const pixels = Uint8Array.from({ length: size * size * 3 }, (_, at) => {
          const column = Math.floor(at / 3) % size;
          return random.below(100) + (Math.floor((column * classes) / size) === label ? 120 : 0);
        });
        const png = sharp(pixels, { raw: { width: size, height: size, channels: 3 } }).png();
        writeFileSync(join(classFolder, `${image}.png`), await png.toBuffer());
      }
    }
  }
  return join(folder, name);
}

/** Copies class folders; of each class but the first, fewer training images. */
function unbalanced(images: string): string {
  const out = `${images}-unbalanced`;
  cpSync(images, out, { recursive: true });
  for (let label = 1; label < classes; label++) {
    const classFolder = join(out, 'train', `class-${label}`);
    for (const name of readdirSync(classFolder).slice(0, 3 * label)) rmSync(join(classFolder, name));
  }
  return out;
}

/** The images of class folders as Parquet files, one a split. */
async function asParquet(images: string): Promise<string> {
  const out = `${images}-parquet`;
  const names = Array.from({ length: classes }, (_, label) => `class-${label}`);
  for (const split of ['train', 'test']) {
    const rows = names.flatMap((name, label) => {
      const place = join(images, split, name);
      return readdirSync(place).map((path) => ({ bytes: readFileSync(join(place, path)), path, label }));
    });
    await writeParquet(join(out, `${split}.parquet`), rows, { names });
  }
  return out;
}

/** Its classes are named as the data's, the last first. */
async function writeSource(network: NetworkSpec, size: number, seed: number): Promise<string> {
  const path = join(folder, `${network.name}-${seed}.safetensors`);
  const classNames = Array.from({ length: network.classes }, (_, k) => `class-${network.classes - 1 - k}`);
  const weights = addon().initialise(network, seed);
  const checkpoint = { network, size, classNames, normalisation: imagenetNormalisation, weights };
  await saveCheckpoint(path, checkpoint as Checkpoint);
  return path;
}

async function report(title: string, run: Run): Promise<void> {
  const { network, run: path } = await run.result;
  const { tensors } = await loadWeights(join(path, 'state.safetensors'));
  const trained = [...tensors].flatMap(([name, tensor]) =>
    /^(theta|momentum|buffer|phi|adam_mean|adam_square)\//.test(name) ? [{ name, ...tensor }] : [],
  );
  const state = hashTensors(trained);
  process.stdout.write(`${title.padEnd(44)} ${hashTensors(network.weights).slice(0, 16)} ${state.slice(0, 16)}\n`);
  rmSync(path, { recursive: true });
}

/** Runs by two ranks, which share this process: each has a thread of its own. The hashes are rank 0's. */
async function reportOfTwo(title: string, start: (rank: Pick<TransferOptions, 'group'>) => Run): Promise<void> {
  const master = `${loopback}:${await freePort()}`;
  const [first, second] = [0, 1].map((rank) => start({ group: { rank, size: 2, master } })) as [Run, Run];
  await Promise.all([report(title, first), second.result]);
}

let runs = 0;
const nextFolder = () => join(folder, `run-${runs++}`);

/** Interrupts a run after `steps` steps, then resumes it. */
async function interrupted(options: TransferOptions, steps: number): Promise<Run> {
  const out = nextFolder();
  const stop = new AbortController();
  let done = 0;
  for await (const { type } of transfer({ ...options, out, signal: stop.signal })) {
    if (type === 'step' && ++done === steps) stop.abort();
  }
  return resume(out);
}

try {
  const small = await writeImages('small', 32, 12);
  const large = await writeImages('large', 80, 6);
  const source = await writeSource({ name: 'resnet20', classes: 4, width: 1 }, 32, 1);
  const second = await writeSource({ name: 'resnet32', classes: 5, width: 0.5 }, 32, 2);
  const third = await writeSource({ name: 'resnet34', classes: 4, width: 0.25 }, 64, 3);
  const ofClasses = await writeSource({ name: 'resnet20', classes, width: 1 }, 32, 5);
  const base = { target: 'vgg9_bn', data: small, width: 0.25, epochs: 2, batch: 12, lr: 0.02 } as const;
  const started = (options: TransferOptions) => transfer({ ...options, out: nextFolder() });

  for (const method of methodNames) {
    const from = needsOf(method).source
      ? { source: methodOf(method).terms.includes('kd') ? ofClasses : source }
      : needsOf(method).start
        ? { targetInit: await writeSource({ name: 'vgg9_bn', classes: 4, width: 0.25 }, 32, 4) }
        : {};
    for (const engine of ['native', 'autograd'] as const) {
      for (const threads of [1, 2]) {
        await report(`${method} ${engine} ${threads}`, started({ ...base, ...from, method, engine, threads }));
      }
    }
  }
  const rest: [title: string, options: Partial<TransferOptions>][] = [
    ['l2t-ww, two sources', { method: 'l2t-ww', source: [source, second] }],
    ['at, two sources', { method: 'at', source: [source, second] }],
    ['l2t-ww, three virtual steps, --lr auto', { method: 'l2t-ww', source, innerSteps: 3, lr: 'auto' }],
    ['l2t-ww, direct convolutions', { method: 'l2t-ww', source, convolution: 'direct' }],
    ['l2t-ww, validation', { method: 'l2t-ww', source, validation: 3 }],
    ['l2t-ww, --augment none', { method: 'l2t-ww', source, augment: 'none' }],
    ['l2t-ww, --balance', { method: 'l2t-ww', source, balance: true, data: unbalanced(small) }],
    ['l2t-ww, --meta-batch other', { method: 'l2t-ww', source, metaBatch: 'other' }],
    ['l2t-w autograd, --meta-batch other', { method: 'l2t-w', source, metaBatch: 'other', engine: 'autograd' }],
    ['l2t-ww, Parquet', { method: 'l2t-ww', source, data: await asParquet(small) }],
  ];
  for (const [title, options] of rest) await report(title, started({ ...base, threads: 2, ...options }));
  const big = { target: 'resnet18', data: large, width: 0.25, size: 64, epochs: 1, batch: 6, lr: 0.02 } as const;
  const cached = { ...big, method: 'l2t-ww', source: third, threads: 2, cache: join(folder, 'cache') } as const;
  await report('l2t-ww, 64 pixels', started({ ...cached, cache: undefined }));
  for (const how of ['filled', 'read']) await report(`l2t-ww, 64 pixels, cache ${how}`, started(cached));
  const parquet = { ...cached, cache: undefined, data: await asParquet(large) };
  await report('l2t-ww, 64 pixels, Parquet', started(parquet));
  await report('l2t-ww, 64 pixels, --augment none', started({ ...cached, cache: undefined, augment: 'none' }));
  const whole = { ...base, method: 'l2t-ww', source, threads: 2 } as const;
  for (const steps of [1, 4]) await report(`l2t-ww, resumed after step ${steps}`, await interrupted(whole, steps));
  const shared = { ...base, method: 'l2t-ww', source, threads: 1 } as const;
  for (const batchNorm of ['global', 'local'] as const) {
    const out = nextFolder();
    await reportOfTwo(`l2t-ww, two ranks, --batch-norm ${batchNorm}`, (rank) =>
      transfer({ ...shared, batchNorm, out, ...rank }),
    );
  }
  const withoutSource = { network: 'resnet20', data: small, epochs: 2, batch: 12, lr: 0.02, threads: 2 } as const;
  await report('pretrain', pretrain({ ...withoutSource, out: nextFolder() }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
