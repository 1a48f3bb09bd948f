import { randomInt } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { tinyData, tinySource } from '../tiny.js';
import type { Part } from './campaign.js';
import { cli, end, how, isOrderly } from './process.js';

interface Limit {
  readonly name: string;
  /** The command that starts a program under the limit `value`. */
  through(value: number): readonly string[];
  readonly least: number;
  readonly most: number;
  /** Only root can become the other user whose processes are counted. */
  readonly root?: boolean;
}

/** A user with no process of its own, also none of another container on this machine. */
const stranger = 20_000 + randomInt(40_000);

const kinds: readonly Limit[] = [
  { name: 'memory', through: (mb) => ['prlimit', `--as=${mb * 1_000_000}`], least: 900, most: 4000 },
  { name: 'descriptors', through: (n) => ['prlimit', `--nofile=${n}:${n}`], least: 16, most: 80 },
  {
    name: 'threads',
    through: (n) => [
      'prlimit',
      `--nproc=${n}:${n}`,
      'setpriv',
      `--reuid=${stranger}`,
      `--regid=${stranger}`,
      '--clear-groups',
    ],
    least: 5,
    most: 24,
    root: true,
  },
  { name: 'file size', through: (kb) => ['prlimit', `--fsize=${kb * 1000}`], least: 1, most: 400 },
  {
    name: 'time',
    through: (ms) => ['timeout', '--preserve-status', '-s', 'TERM', String(ms / 1000)],
    least: 100,
    most: 6000,
  },
  { name: 'processor time', through: (seconds) => ['prlimit', `--cpu=${seconds}:60`], least: 1, most: 5 },
];

async function photographs(folder: string): Promise<string> {
  for (const split of ['train', 'test']) {
    for (const name of ['dark', 'bright']) {
      mkdirSync(join(folder, split, name), { recursive: true });
      for (let k = 0; k < 6; k++) {
        const background = { r: name === 'dark' ? 20 : 200, g: 40 * k, b: 90 };
        const image = sharp({ create: { width: 300, height: 200, channels: 3, background } });
        await image.jpeg().toFile(join(folder, split, name, `${k}.jpg`));
      }
    }
  }
  return folder;
}

/** With too little of anything, the program must end with a message. */
export const limits: Part = {
  name: 'limits',
  description: 'a run with too little memory, descriptors, threads, file size or time',
  perHour: 240,
  run: async (context) => {
    const probe = join(context.folder, 'probe.cjs');
    writeFileSync(probe, "require('fs').readFile(process.execPath, () => {})");
    const usable = kinds.filter(({ root }) => !root || process.getuid?.() === 0);
    const images = await photographs(join(context.folder, 'photographs'));
    const sets = [tinyData(), images];
    const source = await tinySource();
    for (const folder of [context.folder, sets[0] as string, dirname(source)]) chmodSync(folder, 0o755);
    const small = ['--target', 'vgg9_bn', '--width', '0.0625', '--epochs', '2', '--batch', '6', '--lr', '0.01'];
    await context.each(async (k, random, folder) => {
      const limit = usable[k % usable.length] as Limit;
      const value = limit.least + random.below(limit.most - limit.least + 1);
      const through = limit.through(value);
      chmodSync(folder, 0o777);
      // The program promises nothing where Node cannot start with one thread of its pool.
      // With too few threads Node waits for its pool for ever.
      const node = await end([process.execPath, probe], { through, patience: 10 });
      if (limit.name !== 'time' && node.code !== 0) return context.tried(`${limit.name}: too little for Node`);
      const data = sets[random.below(sets.length)] as string;
      const verb = random.below(3);
      const args =
        verb === 0
          ? ['transfer', '--source', source, '--data', data, ...small, '--out', join(folder, 'out')]
          : verb === 1
            ? ['pretrain', '--network', 'resnet20', '--data', data, '--epochs', '1', '--out', join(folder, 'out')]
            : ['eval', source, '--data', data];
      const ended = await cli(args, { through });
      context.tried(limit.name);
      // Before the program handles signals, and after it has printed its result, a signal ends it as it ends any process.
      const isOut = ended.stdout !== '' || !/^epoch /m.test(ended.stderr);
      const bySignal = limit.name === 'time' ? ended.code === 143 : ended.signal === 'SIGXCPU';
      if (!(bySignal && isOut) && !isOrderly(ended))
        context.find(`${limit.name} ${value}, ${args[0]}: ${how(ended)}`, k);
      if (existsSync(join(folder, 'out', 'lock.holder')))
        context.find(`${limit.name} ${value}, ${args[0]}: it left its lock`, k);
    }, 2);
  },
};
