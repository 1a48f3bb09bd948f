import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  loadCheckpoint,
  type Run,
  type RunEvent,
  report,
  resume,
  resumeOrStart,
  saveCheckpoint,
  transfer,
} from '../../src/index.js';
import { parseRecord, type RunRecord } from '../../src/store/record.js';
import { abortAt, eventsOf, failureOf } from '../outcomes.js';
import { cli, cliUntil, flagsOf, newPath, temporaryFolder, tinyData, tinyOptions, tinySource } from '../tiny.js';

let data: string;
let sources: readonly [string, string];
/** Never interrupted. */
let whole: string;
let events: RunEvent[];
const { pairs: _, ...common } = tinyOptions;
const options = () => ({ ...common, method: 'fm', data, source: sources, sourceFinetune: 2, report: false }) as const;

const record = (run: string): RunRecord => parseRecord(readFileSync(join(run, 'options.yaml'), 'utf8'), run);

/** All that is reproducible in the folder of a run, and in those of its sources. */
function contents(run: string): Record<string, string> {
  const names = readdirSync(run, { recursive: true }) as string[];
  const kept = names.filter((name) => !/^(.*\/)?(lock.*|timing\.jsonl|sources\.json|source-\d)$/.test(name));
  return Object.fromEntries(kept.toSorted().map((name) => [name, readFileSync(join(run, name), 'base64')]));
}

const failure = (run: Run) => failureOf(run.result);

beforeAll(async () => {
  data = tinyData();
  sources = [await tinySource({ width: 0.25 }), await tinySource({ width: 0.125 })];
  whole = newPath();
  events = await eventsOf(transfer({ ...options(), out: whole }));
}, 120_000);

describe('a run with sourceFinetune', { timeout: 120_000 }, () => {
  it('trains its sources first, each as a run of its own, and learns from these networks', async () => {
    const sourceRun = join(whole, 'source-1');
    expect(record(sourceRun).spec).toMatchObject({
      ...{ method: 'finetune', target: 'resnet20', width: 0.125, targetInit: sources[1] },
      ...{ epochs: 2, lr: 'auto', batch: 6, seed: 0, augment: 'crop-flip' },
    });
    const plain = newPath();
    const source = [join(whole, 'source-0'), sourceRun];
    await transfer({ ...options(), source, sourceFinetune: undefined, out: plain }).result;
    expect(readFileSync(join(whole, 'best.safetensors'))).toEqual(readFileSync(join(plain, 'best.safetensors')));
    const { finetuned, accuracy } = await resume(whole).result;
    expect(accuracy).not.toBeNull();
    expect(finetuned).toEqual(JSON.parse(readFileSync(join(whole, 'sources.json'), 'utf8')));
    const tested = await Promise.all(source.map(async (run) => (await resume(run).result).accuracy));
    expect(finetuned.map((each) => each.accuracy)).toEqual(tested);
  });

  it('tells their events apart from its own, and says what came of them', async () => {
    const sourceEvents = events.flatMap((event) => (event.type === 'source' ? [event] : []));
    expect([...new Set(sourceEvents.map(({ source, sources: count }) => `${source} of ${count}`))]).toEqual([
      '0 of 2',
      '1 of 2',
    ]);
    const epochs = (all: readonly RunEvent[]) => all.filter(({ type }) => type === 'epoch').length;
    expect([epochs(events), epochs(sourceEvents.map(({ event }) => event))]).toEqual([2, 4]);
    expect(events.map(({ type }) => type).lastIndexOf('source')).toBeLessThan(
      events.findIndex(({ type }) => type === 'start'),
    );
    const page = readFileSync(await report(whole, { out: join(temporaryFolder(), 'page.html') }), 'utf8');
    expect(page).toMatch(
      /, fine-tuned for 2 epochs first, by the method fm\. The fine-tuned sources get [\d.]+ % and [\d.]+ % of the test images right\./,
    );
    expect(readFileSync(join(whole, 'README.md'), 'utf8')).toContain(
      '\n- Each source was fine-tuned on the training images for 2 epochs first\n',
    );
  });

  it('that is aborted in any part goes on to the same bytes', async () => {
    const stops: ((event: RunEvent) => boolean)[] = [
      (event) => event.type === 'source' && event.event.type === 'rate',
      (event) =>
        event.type === 'source' && event.source === 1 && event.event.type === 'step' && event.event.epoch === 1,
      (event) => event.type === 'start',
    ];
    for (const stop of stops) {
      const folder = newPath();
      const controller = new AbortController();
      const run = transfer({ ...options(), out: folder, signal: controller.signal });
      for await (const event of run) if (stop(event)) controller.abort();
      expect(await failure(run)).toBe(
        `ABORTED The run was interrupted; all is saved. Continue it with: l2t-native transfer --resume ${folder}`,
      );
      const again = stop === stops[0] ? resumeOrStart({ ...options(), out: folder }) : resume(folder);
      await again.result;
      expect(contents(folder)).toEqual(contents(whole));
    }
  });

  it('that is killed while a source is fine-tuned goes on to the same bytes', async () => {
    const folder = newPath();
    const command = ['transfer', ...flagsOf({ ...options(), out: folder })];
    const { child, ended } = await cliUntil(command, /fine-tuning the source \(2 of 2\)[\s\S]*epoch 1\/2/);
    child.kill('SIGKILL');
    const { stderr } = await ended;
    expect(stderr).toMatch(/^fine-tuning the source \(1 of 2\)\n[\s\S]*^finetune: resnet20, 3 classes; 36 training,/m);
    expect(existsSync(join(folder, 'metrics.jsonl'))).toBe(false);
    expect(await cli(['transfer', '--resume', folder])).toMatchObject({ code: 0 });
    expect(contents(folder)).toEqual(contents(whole));
    // The same command begins again in a folder in which nothing was saved but the sources.
    for (const name of readdirSync(folder))
      if (!/^(source-\d|options\.yaml|rate\.json)$/.test(name)) rmSync(join(folder, name));
    const again = await cli(command);
    expect(again).toMatchObject({ code: 0, stderr: expect.not.stringContaining('fine-tuning the source') });
    expect(contents(folder)).toEqual(contents(whole));
  });

  it('shows a source no image that validates or tests', async () => {
    const folder = newPath();
    const run = transfer({ ...options(), source: sources[0], perClass: 8, validation: 3, seed: 5, out: folder });
    const own = (await eventsOf(run)).flatMap((event) =>
      event.type === 'source' && event.event.type === 'start' ? [event.event.images] : [],
    );
    expect(own).toEqual([{ train: 15, validation: 9, test: 30 }]);
    const [target, source] = [folder, join(folder, 'source-0')];
    expect(readFileSync(join(source, 'split.json'))).toEqual(readFileSync(join(target, 'split.json')));
    expect(record(source).found).toMatchObject({ data: record(target).found.data, split: record(target).found.split });
  });

  it('refuses a source that is not what it began with', async () => {
    const half = newPath();
    await abortAt(
      (signal) => transfer({ ...options(), out: half, signal }),
      ({ type }) => type === 'epoch',
    );
    const file = join(half, 'source-0/best.safetensors');
    const [before, network] = [readFileSync(file), await loadCheckpoint(file)];
    for (const { data: bytes } of network.weights) bytes.fill(0);
    await saveCheckpoint(file, network);
    expect(await failure(resume(half))).toBe(
      `INVALID_RUN The fine-tuned source in ${half}/source-0 changed since ${half} began: put it back, or start a new run.`,
    );
    writeFileSync(file, before);
    // One that was removed is trained again.
    rmSync(join(half, 'source-0'), { recursive: true });
    await resume(half).result;
    expect(contents(half)).toEqual(contents(whole));
  });

  it('refuses what makes no sense, in one sentence', async () => {
    const { source: __, ...none } = options();
    const scratch = transfer({ ...none, method: 'scratch' });
    expect(await failure(scratch)).toBe(
      'INVALID_OPTION Method scratch has no use for sourceFinetune: leave out what it does not read.',
    );
    expect(await failure(transfer({ ...options(), sourceFinetune: undefined, shareSource: true }))).toBe(
      'INVALID_OPTION shareSource: true is about fine-tuned sources: give sourceFinetune, too.',
    );
    const { code, stderr } = await cli(['transfer', '--source-finetune', '0']);
    expect([code, stderr]).toEqual([
      2,
      'error[INVALID_OPTION]: --source-finetune is 0: it must be a whole number from 1 to 1000000, or true for 12.\n',
    ]);
  });

  it('takes 12 epochs where no number is given', async () => {
    const controller = new AbortController();
    const run = transfer({ ...options(), sourceFinetune: true, out: newPath(), signal: controller.signal });
    for await (const event of run) {
      if (event.type !== 'source' || event.event.type !== 'start') continue;
      expect(event.event.epochs).toBe(12);
      controller.abort();
    }
    await expect(run.result).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('runs that share their sources', { timeout: 120_000 }, () => {
  const shared = () => ({ ...options(), source: sources[0], shareSource: true });
  const runsIn = (folder: string) => readdirSync(folder).sort();

  it('train them once', async () => {
    const folder = temporaryFolder();
    const first = await eventsOf(transfer({ ...shared(), out: join(folder, 'a') }));
    // Its classes are others than the data's until it is fine-tuned.
    const second = await eventsOf(transfer({ ...shared(), method: 'kd', out: join(folder, 'b') }));
    const trained = (all: readonly RunEvent[]) => all.some(({ type }) => type === 'source');
    expect([trained(first), trained(second)]).toEqual([true, false]);
    await transfer({ ...shared(), seed: 1, perClass: 6, out: join(folder, 'c') }).result;
    expect(runsIn(folder)).toEqual(['a', 'b', 'c', 'source-0-0', 'source-0-6-1']);
    // Other runs want it otherwise, or from other weights.
    expect(await failure(transfer({ ...shared(), sourceFinetune: 3, out: join(folder, 'd') }))).toMatch(
      /^INVALID_RUN fine-tuning source\.safetensors: .*\/source-0-0 holds a run with other options \(epochs\)/,
    );
    const source = join(folder, 'source.safetensors');
    cpSync(sources[1], source);
    await transfer({ ...shared(), source, seed: 2, out: join(folder, 'e') }).result;
    await saveCheckpoint(source, { ...(await loadCheckpoint(join(folder, 'source-0-2'))) });
    expect(await failure(transfer({ ...shared(), source, seed: 2, out: join(folder, 'f') }))).toBe(
      `INVALID_RUN ${folder}/source-0-2 is of other images, or of another source, than ${folder}/f: remove it, so that it is trained again.`,
    );
  });

  it('wait for the one that trains them, and take over from one that was killed', async () => {
    const folder = temporaryFolder();
    const long = { ...shared(), sourceFinetune: 3000 };
    const { child, ended } = await cliUntil(
      ['transfer', ...flagsOf({ ...long, out: join(folder, 'a') })],
      /epoch +2\/3000/,
    );
    const controller = new AbortController();
    const waiting = transfer({ ...long, out: join(folder, 'b'), signal: controller.signal });
    let [waits, first] = ['', -1];
    for await (const event of waiting) {
      if (event.type === 'warning' && event.message.endsWith('this run waits for it')) {
        waits = event.message;
        child.kill('SIGKILL');
        await ended;
      }
      if (event.type !== 'source' || event.event.type !== 'epoch') continue;
      if (first === -1) first = event.event.epoch;
      controller.abort();
    }
    expect(waits).toMatch(/source-0-0 is in use by process \d+ on \S+: this run waits for it$/);
    expect(first).toBeGreaterThan(0);
    await expect(waiting.result).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
