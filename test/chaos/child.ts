/** child.ts MODULE FOLDER SHARED WORK: makes a range of a part's tries, or plays a scene (and throws if it goes wrong). */
import { appendFileSync, ftruncateSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kindOf, type Part, type Range, stackOf, Try } from './campaign.js';
import { Draw } from './draw.js';

/** Functions by name, one of which a process runs from its beginning to its end. */
export type Scenes<Shared> = Readonly<Record<string, (draw: Draw, folder: string, shared: Shared) => Promise<unknown>>>;

const [module, folder, ...json] = process.argv.slice(2) as [string, string, string, string];
const [shared, work] = json.map((text) => JSON.parse(text)) as [unknown, Range | { scene: string; seed: number }];
const exported = await import(module);

if ('scene' in work) await (exported.scenes as Scenes<unknown>)[work.scene]?.(new Draw(work.seed), folder, shared);
else {
  const { name, seed, from, step, tries } = work;
  const part = Object.values<Part>(exported).find((each) => each.name === name) as Part;
  const attempt = await part.open(shared, folder, tries);
  for (let k = from; k < tries; k += step) {
    // The random numbers depend only on the seed, the part and `k`, so one try can be repeated alone.
    const hash = [...`${name} ${k}`].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0, seed);
    // For the parent, if this process dies.
    const note = (what: string) => writeFileSync(join(folder, 'doing'), `${k} ${what}`);
    const made = new Try(k, new Draw(hash), join(folder, `try-${k}`), note);
    mkdirSync(made.folder);
    const before = process.cpuUsage();
    await attempt(made).catch((error: unknown) => made.find(stackOf(error)));
    const { user, system } = process.cpuUsage(before);
    if (user + system > 1e6 * (part.patience ?? 120)) made.find(`it computed for ${(user + system) / 1e6} s`);
    // Warnings are printed a turn later, into a file.
    await new Promise(setImmediate);
    const printed = readFileSync('/proc/self/fd/1', 'utf8');
    if (printed !== '') made.find(`it printed ${printed}`);
    ftruncateSync(1);
    if (Object.keys(made.kinds).length === 0) made.tried(kindOf(made.what));
    appendFileSync(join(folder, 'made'), `${JSON.stringify(made)}\n`);
    rmSync(made.folder, { recursive: true, force: true });
  }
  process.exit(0);
}
