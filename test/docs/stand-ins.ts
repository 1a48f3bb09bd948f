import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { packageRoot } from '../../setup/files.mjs';
import { cifar10, cifar100 } from '../../src/data/layouts/arrays.js';
import { encode, pattern, write, writeCifar, writeClasses } from '../data/generate.js';
import { writeSvhn } from '../fixtures/layouts.js';
import { writeParquet } from '../fixtures/parquet.js';
import { convNet, modelBytes, tokenNet } from '../networks/onnx/models.js';
import { cli, flagsOf, main, tinySource } from '../tiny.js';

/**
 * A replacement in the documents' commands and snippets. Every row must fit something, and every step that is not a
 * command of l2t-native, or a snippet of TypeScript or YAML, needs a row with `not`.
 */
export interface Row {
  /** Fits a step that this matches. */
  readonly fits: RegExp;
  /** Replaces what `fits` matches. */
  readonly becomes?: string;
  /** Added after the command, or before the snippet. A flag that comes twice has the later value. */
  readonly adds?: string;
  /** Why it is not run. A command is then parsed, with its options. */
  readonly not?: string;
}

const smallOptions = { epochs: 1, batch: 8, lr: 0.01, width: 0.0625 };
const small = flagsOf(smallOptions).join(' ');

export const rows: readonly Row[] = [
  { fits: /^npm (run demo|test)\b/, not: 'sets the machine up; then it trains, or tests, for minutes' },
  { fits: /^npm install \.\/l2t-native-/, not: 'the file is not made here: npm run test:pack makes and installs one' },
  { fits: /^ONNXRUNTIME_NODE_INSTALL=skip npm install /, not: 'is installed here' },
  { fits: /\/encoder\/layers\/\S+,\/encoder\/ln\/\S+/, becomes: 'block1,block3' },
  { fits: /^npx l2t-native (build|setup)\b/, not: 'downloads or compiles for minutes' },
  { fits: /^(npm run (lint|option-help)|npx (tsx \.ci\/lint\.ts|typedoc))\b/, not: 'works on the repository itself' },
  {
    fits: /^(npm run (test:\w+|check:cuda|hashes|parity|bench:ci)|npx tsx (\.ci|tools)\/\S+|L2T_RECORD=1 \S+)/,
    not: 'takes minutes',
  },
  {
    fits: /^l2t-native source get /,
    not: 'fetches a file: test/networks/source-files.test.ts does, from this machine',
  },
  { fits: /^\.ci\/run$/, not: 'runs these tests' },
  { fits: /^node examples\/|^npm install fastify |^curl .*\/classify$/, not: 'test/examples runs these programs' },
  { fits: /^(srun|torchrun|mpirun) /, not: 'npx tsx .ci/test-cluster.ts runs these' },
  { fits: /^export (RANK|WORLD_SIZE|MASTER_ADDR)=/, not: 'is for a process that waits for the other host' },
  { fits: / --open/, becomes: '' },
  { fits: /^tensorboard /, not: "TensorBoard is Python's; a job of CI reads the files with it" },
  { fits: /^import json\b/, not: "is Python's; test/foreign does the same" },
  { fits: /^npx (?=l2t-native)/, becomes: '' },
  { fits: /(?<=^l2t-native transfer) …/, becomes: ' --method scratch --target vgg9_bn --data photos' },
  { fits: /(?<=--data) …/, becomes: ' photos' },
  { fits: /(?<=^l2t-native completion \w+) \| .*install .*/, becomes: '' },
  { fits: /(?<=--unlabelled )more-photos/, becomes: 'photos' },
  { fits: /(?<=--source-finetune)$/, becomes: ' 1' },
  { fits: /^l2t-native train (?!--resume)/, not: 'trains several networks: test/train does' },
  { fits: /maxMs: 3, time: 1800/, becomes: 'maxMs: 1000, time: 1' },
  { fits: /runs\/photos\/student/, becomes: 'runs/photos/source' },
  { fits: /^l2t-native init$/, adds: '--yes --data photos --source resnet32.pth' },
  { fits: /^l2t-native transfer (?!--resume)/, adds: small },
  { fits: /^l2t-native transfer .*--per-class/, adds: '--per-class 1' },
  { fits: /^examples\/ranks\.sh .* transfer (?!--resume)/, adds: small },
  { fits: /^l2t-native pretrain (?!--resume)/, adds: small },
  { fits: /^cd exp && (sbatch|parallel) /, not: 'needs a scheduler; the commands of a plan are run by a test' },
  { fits: /^l2t-native compare (?!--resume|--collect)/, adds: `${small} --seeds 1 --per-class 1` },
  // Results are of methods that other documents train, too: their commands are planned, which checks all that a run needs.
  { fits: /^l2t-native compare .*--data cifar10/, adds: '--plan "$(mktemp -d)"' },
  { fits: /^l2t-native curve (?!--resume)/, adds: `${small} --seeds 1 --per-class 1,2` },
  {
    fits: /^l2t-native reproduce cifar100 /,
    adds: `${small} --seeds 1 --per-class 1 --methods lwf,l2t-ww:all-to-all`,
  },
  { fits: /(?<=data: 'photos',\n\s*)epochs: 200/, becomes: 'epochs: 1, batch: 8, lr: 0.01, width: 0.0625' },
  {
    fits: /{ pixels, height, width }/,
    adds: "import { readFileSync } from 'node:fs';\nconst buffer = readFileSync('new/1.jpg');\nconst [height, width] = [40, 30];\nconst pixels = new Uint8Array(height * width * 3);\n",
  },
];

/** Two classes of ten images. */
const photographs = (folder: string) => writeClasses(folder, { coat: 10, shoe: 10 });
/** The lines of a list that name a class's photographs. */
const tenOf = (name: string) => [...Array(10).keys()].map((k) => `photos/${name}/${k}.png,${name}`);

/** Two classes of ten images to train and to test, as Parquet files. */
async function pets(folder: string): Promise<void> {
  for (const split of ['train', 'test']) {
    const labels = [...Array(20).keys()].map((k) => k % 2);
    const rows = labels.map(async (label, k) => ({ bytes: await encode(pattern(k), 32, 32, 'png'), label }));
    await writeParquet(join(folder, `data/${split}-00000-of-00001.parquet`), await Promise.all(rows), {
      names: ['cat', 'dog'],
    });
  }
}

/** Runs a command in the folder of these files. */
async function made(out: string, verb: string, options: object): Promise<void> {
  const command = [verb, ...flagsOf({ ...options, threads: 1, out: relative(folderOf(out), out) })];
  const { code, stderr } = await cli(command, { cwd: folderOf(out) });
  if (code !== 0) throw new Error(stderr);
}
const folderOf = (run: string) => dirname(dirname(run));

const photograph = async (file: string) => write(file, await encode(pattern(1, 40, 30), 40, 30, 'jpeg'));
const resnet32 = async (file: string) =>
  copyFileSync(await tinySource({ name: 'resnet32', classes: 200, width: 0.0625 }), file);

/** The files that the documents speak of, by their names there. Each must be named in a document. */
export const files: Readonly<Record<string, (path: string) => unknown>> = {
  photos: photographs,
  clothing10: photographs,
  FOLDER: photographs,
  pets,
  'images.csv': (file) => write(file, `file,label\n${['coat', 'shoe'].flatMap(tenOf).join('\n')}\n`),
  cifar10: (folder) => writeCifar(folder, cifar10),
  'cifar-100-binary': (folder) => writeCifar(folder, cifar100),
  svhn: writeSvhn,
  'photo.jpg': photograph,
  'new/1.jpg': photograph,
  'resnet32.pth': resnet32,
  'tinyimagenet.pth': resnet32,
  'resnet32-tinyimagenet.pth.tar': resnet32,
  resnet34: async (file) => copyFileSync(await tinySource({ name: 'resnet34', width: 0.0625 }), file),
  'convnext-tiny.onnx': (file) => writeFileSync(file, modelBytes(convNet())),
  'vit.onnx': (file) => writeFileSync(file, modelBytes(tokenNet())),
  'svhn.pth': async (file) => copyFileSync(await tinySource({ name: 'resnet20', width: 0.0625 }), file),
  'runs/first': (out) =>
    made(out, 'transfer', { ...smallOptions, data: 'photos', method: 'scratch', target: 'vgg9_bn', validation: 2 }),
  'runs/photos': (out) => made(out, 'train', { data: 'photos', source: 'resnet32.pth', time: '1s' }),
  'runs/big': async (out) =>
    write(join(out, 'best.safetensors'), readFileSync(await tinySource({ name: 'resnet18' }, { size: 224 }))),
  'runs/compare': (out) => {
    const source = { source: 'resnet32.pth', sourceNetwork: 'resnet32', sourceWidth: 0.0625 };
    const experiment = { methods: 'scratch,fm', seeds: 1, target: 'vgg9_bn', perClass: 2, data: 'photos' };
    return made(out, 'compare', { ...smallOptions, ...source, ...experiment });
  },
};

/** A folder with all of these files, the command `l2t-native`, and the package for snippets to import. */
export async function preparedFolder(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'l2t-docs-'));
  for (const [name, make] of Object.entries(files)) await make(join(folder, name));
  mkdirSync(join(folder, 'bin'));
  const command = `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`;
  writeFileSync(join(folder, 'bin/l2t-native'), command, { mode: 0o755 });
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(packageRoot, join(folder, 'node_modules/l2t-native'));
  symlinkSync(join(packageRoot, 'examples'), join(folder, 'examples'));
  return folder;
}

export function copyOf(prepared: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'l2t-docs-'));
  cpSync(prepared, folder, { recursive: true, verbatimSymlinks: true });
  return folder;
}
