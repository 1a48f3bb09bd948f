import { randomInt } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { tinyData, tinySource } from '../tiny.js';
import type { Part } from './campaign.js';
import { cli, end, how, isOrderly } from './processes.js';

/** A user with no process of its own, also none of another container on this machine. */
const user = 20_000 + randomInt(40_000);
const asUser = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
const asRoot = process.getuid?.() === 0;

/** The least and the most of each limit, and the command that starts a program under it. */
const limits: Readonly<Record<string, readonly [least: number, most: number, through: (n: number) => string[]]>> = {
  memory: [900, 4000, (mb) => ['prlimit', `--as=${mb * 1_000_000}`]],
  descriptors: [16, 80, (n) => ['prlimit', `--nofile=${n}:${n}`]],
  // Only root can become the other user whose processes are counted.
  ...(asRoot && { threads: [5, 24, (n) => ['prlimit', `--nproc=${n}:${n}`, ...asUser]] }),
  'file size': [1, 400, (kb) => ['prlimit', `--fsize=${kb * 1000}`]],
  time: [100, 6000, (ms) => ['timeout', '--preserve-status', '-s', 'TERM', String(ms / 1000)]],
  'processor time': [1, 5, (seconds) => ['prlimit', `--cpu=${seconds}:60`]],
};

async function photographs(folder: string): Promise<string> {
  for (const name of ['train/dark', 'train/bright', 'test/dark', 'test/bright']) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let k = 0; k < 6; k++) {
      const background = { r: name.endsWith('dark') ? 20 : 200, g: 40 * k, b: 90 };
      const image = sharp({ create: { width: 300, height: 200, channels: 3, background } });
      await image.jpeg().toFile(join(folder, name, `${k}.jpg`));
    }
  }
  return folder;
}

/** With too little of anything, the program must end with a message. */
export const part: Part = {
  name: 'limits',
  description: 'a run with too little memory, descriptors, threads, file size or time',
  perHour: 240,
  async open(_shared, folder) {
    const probe = join(folder, 'probe.cjs');
    writeFileSync(probe, "require('fs').readFile(process.execPath, () => {})");
    const sets = [tinyData(), await photographs(join(folder, 'photographs'))];
    const source = await tinySource();
    for (const path of [folder, sets[0] as string, dirname(source)]) chmodSync(path, 0o755);
    const small = '--target vgg9_bn --width 0.0625 --epochs 2 --batch 6 --lr 0.01'.split(' ');
    const verbs = [
      ['transfer', '--source', source, ...small],
      ['pretrain', '--network', 'resnet20', '--epochs', '1'],
      ['eval', source],
    ];
    return async (attempt) => {
      const { k, draw } = attempt;
      const [name, [least, most, start]] = Object.entries(limits)[k % Object.keys(limits).length] as [
        string,
        (typeof limits)[string],
      ];
      const value = draw.between(least, most);
      const through = start(value);
      const out = join(attempt.folder, 'out');
      chmodSync(attempt.folder, 0o777);
      const verb = draw.pick(verbs);
      attempt.doing(`${name}: ${value}, ${verb[0]}`);
      // Nothing is promised where Node cannot start with one thread of its pool; with too few it waits for ever.
      const node = await end([process.execPath, probe], { through, patience: 10 });
      if (name !== 'time' && node.code !== 0) return attempt.tried(`${name}: too little for Node`);
      const ended = await cli([...verb, '--data', draw.pick(sets), ...(verb[0] === 'eval' ? [] : ['--out', out])], {
        through,
      });
      // Before the program handles signals, and after it has printed its result, a signal ends it as any process.
      const isOut = ended.stdout !== '' || !/^epoch /m.test(ended.stderr);
      const bySignal = name === 'time' ? ended.code === 143 : ended.signal === 'SIGXCPU';
      if (!(bySignal && isOut) && !isOrderly(ended)) attempt.find(how(ended));
      if (existsSync(join(out, 'lock.holder'))) attempt.find('it left its lock');
    };
  },
};
