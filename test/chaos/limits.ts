import { randomInt } from 'node:crypto';
import { chmodSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run, tinyData, tinySource, write } from '../tiny.js';
import type { Part } from './campaign.js';
import { images } from './damage/bases.js';
import { cli, how, isOrderly } from './processes.js';

/** A user with no process of its own, also none of another container on this machine. */
const user = 20_000 + randomInt(40_000);
const asUser = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'];

/** Each limit's range, and the command that starts a program under it. */
const kinds: readonly (readonly [name: string, least: number, most: number, by: (n: number) => string[]])[] = [
  ['memory', 900, 4000, (mb) => ['prlimit', `--as=${mb * 1_000_000}`]],
  ['descriptors', 16, 80, (n) => ['prlimit', `--nofile=${n}:${n}`]],
  ['file size', 1, 400, (kb) => ['prlimit', `--fsize=${kb * 1000}`]],
  ['time', 100, 6000, (ms) => ['timeout', '--preserve-status', '-s', 'TERM', String(ms / 1000)]],
  ['processor time', 1, 5, (seconds) => ['prlimit', `--cpu=${seconds}:60`]],
  // Only root can become the other user whose processes are counted.
  ['threads', 5, 24, (n) => ['prlimit', `--nproc=${n}:${n}`, ...asUser]],
];
const usable = kinds.slice(0, process.getuid?.() === 0 ? 6 : 5);

/** With too little of anything, the program must end with a message. */
export const limits: Part = {
  ...{ name: 'limits', module: import.meta.url, perHour: 240 },
  async open(_, folder) {
    const probe = write(folder, 'probe.cjs', "require('fs').readFile(process.execPath, () => {})");
    const [data, photographs, source] = [tinyData(), join(folder, 'images'), await tinySource()];
    await images(photographs, 'jpeg');
    for (const path of [dirname(folder), folder, data, dirname(source)]) chmodSync(path, 0o755);
    const small = '--target vgg9_bn --width 0.0625 --epochs 2 --batch 6 --lr 0.01'.split(' ');
    return async (attempt) => {
      const { k, draw } = attempt;
      const out = join(attempt.folder, 'out');
      const [name, least, most, start] = usable[k % usable.length] as (typeof usable)[number];
      const value = draw.between(least, most);
      const verb = draw.pick([
        ['transfer', '--source', source, ...small, '--out', out],
        ['pretrain', '--network', 'resnet20', '--epochs', '1', '--out', out],
        ['eval', source],
      ]);
      chmodSync(attempt.folder, 0o777);
      attempt.doing(`${name}: ${value}, ${verb[0]}`);
      const by = start(value);
      // Nothing is promised where Node cannot start with one thread of its pool; with too few it waits for ever.
      const node = await run([process.execPath, probe], { by, timeout: 10_000, killSignal: 'SIGKILL' });
      if (name !== 'time' && node.code !== 0) return attempt.tried(`${name}: too little for Node`);
      const ended = await cli([...verb, '--data', draw.pick([data, photographs])], { by });
      // Before the program handles signals, and after it has printed its result, a signal ends it as any process.
      const isOut = ended.stdout !== '' || !/^epoch /m.test(ended.stderr);
      const bySignal = name === 'time' ? ended.code === 143 : ended.signal === 'SIGXCPU';
      if (!(bySignal && isOut) && !isOrderly(ended)) attempt.find(how(ended));
      if (existsSync(join(out, 'lock.holder'))) attempt.find('it left its lock');
    };
  },
};
