/** child.ts PART FOLDER SHARED WORK: makes a range of a part's tries, or plays a scene (and throws if one is wrong). */
import { appendFileSync, ftruncateSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Attempt, makeTries, type Part, type Range } from './campaign.js';
import { Draw } from './draw.js';

/** What a process plays from its beginning to its end. */
export type Scenes<Shared> = Readonly<Record<string, (draw: Draw, folder: string, shared: Shared) => Promise<unknown>>>;

const [name, folder, ...json] = process.argv.slice(2) as [string, string, string, string];
const [shared, work] = json.map((text) => JSON.parse(text)) as [unknown, Range | { scene: string; seed: number }];
const { part, scenes }: { part: Part; scenes?: Scenes<unknown> } = await import(`./${name}.js`);

if ('scene' in work) {
  await scenes?.[work.scene]?.(new Draw(work.seed), folder, shared);
} else {
  // For the parent, if this process dies.
  const doing = (what: string, k: number) => writeFileSync(join(folder, 'doing'), JSON.stringify({ k, what }));
  doing('', work.from);
  const attempt = await part.open(shared, folder, work.tries);
  const watched: Attempt = async (made) => {
    const before = process.cpuUsage();
    await attempt(made);
    const { user, system } = process.cpuUsage(before);
    const seconds = (user + system) / 1e6;
    if (seconds > (part.patience ?? 0)) made.find(`it computed for ${seconds} s`);
    // Warnings are printed a turn later, to a file (runPart).
    await new Promise(setImmediate);
    const printed = readFileSync('/proc/self/fd/1', 'utf8');
    ftruncateSync(1);
    if (printed !== '') made.find(`it printed ${printed}`);
  };
  const record = (made: object) => appendFileSync(join(folder, 'made'), `${JSON.stringify(made)}\n`);
  await makeTries(part, work, watched, folder, record, doing);
  process.exit(0);
}
