import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { compare, resume, resumeComparison, type TransferOptions, transfer } from '../../src/index.js';
import { inspectRun } from '../../src/report/inspect.js';
import { failureOf } from '../outcomes.js';
import { cli, holdElsewhere, newPath, temporaryFolder, tinyData, tinyOptions } from '../tiny.js';

const { pairs: _, ...common } = tinyOptions;
let data: string;
/** Options of a run that needs no source. */
let options: Omit<TransferOptions, 'out'>;
/** A finished run. */
let finished: string;
beforeAll(async () => {
  data = tinyData();
  options = { ...common, method: 'scratch', data, epochs: 1 };
  finished = newPath();
  await transfer({ ...options, out: finished }).result;
});

const copyOf = (folder: string): string => {
  const copy = newPath();
  cpSync(folder, copy, { recursive: true });
  return copy;
};

describe('the model card', () => {
  it("does not replace a person's own README.md", async () => {
    expect(readFileSync(join(finished, 'README.md'), 'utf8')).toContain('# vgg9_bn, 3 classes');
    const folder = newPath();
    const run = transfer({ ...options, out: folder });
    for await (const { type } of run) if (type === 'start') writeFileSync(join(folder, 'README.md'), 'mine');
    await run.result;
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe('mine');
  });
});

describe('what is no regular file in the place of one', () => {
  const names = ['options.yaml', 'state.safetensors', 'metrics.jsonl', 'timing.jsonl', 'best.safetensors', 'lock'];
  const kinds = { pipe: (path: string) => execFileSync('mkfifo', [path]), folder: (path: string) => mkdirSync(path) };

  it.each(Object.keys(kinds) as (keyof typeof kinds)[])('is refused by a resume: %s', async (kind) => {
    for (const name of names) {
      const run = copyOf(finished);
      rmSync(join(run, name), { force: true });
      kinds[kind](join(run, name));
      expect(await failureOf(resume(run).result)).toMatch(
        new RegExp(`^FILE_ACCESS Cannot read ${join(run, name)}: it is (not a regular file|a folder)`),
      );
    }
  });

  it('is refused by inspect, eval, --config and the resume of an experiment', async () => {
    for (const name of ['options.yaml', 'metrics.jsonl', 'best.safetensors']) {
      const run = copyOf(finished);
      rmSync(join(run, name));
      kinds.pipe(join(run, name));
      expect(await failureOf(inspectRun(run))).toMatch(/^FILE_ACCESS .*not a regular file/);
    }
    const config = newPath();
    kinds.pipe(config);
    expect((await cli(['eval', 'x', '--config', config])).stderr).toMatch(
      /^error\[FILE_ACCESS\]: .*not a regular file/,
    );
    const folder = newPath();
    mkdirSync(folder);
    kinds.pipe(join(folder, 'plan.yaml'));
    expect(await failureOf(resumeComparison(folder))).toMatch(/^FILE_ACCESS .*not a regular file/);
  });
});

/** A run that diverges at its first step, and so before anything is saved. */
const diverging = (folder: string) =>
  transfer({ ...options, lr: 100, momentum: 0.99, epochs: 20, batch: 2, out: folder });

describe('a run that ended before its first save', () => {
  it('that diverged says so, and the folder may be used again', async () => {
    const folder = newPath();
    const failure = await failureOf(diverging(folder).result);
    expect(failure).toMatch(/^DIVERGED .*Nothing was saved/);
    expect(failure).not.toMatch(/is kept/);
    expect(await failureOf(resume(folder).result)).toBe(failure);
    expect(await failureOf(diverging(folder).result)).toBe(failure);
    await transfer({ ...options, out: folder }).result;
    const files = (run: string) => readdirSync(run).sort();
    expect(files(folder)).toEqual(files(finished));
    expect(readFileSync(join(folder, 'best.safetensors'))).toEqual(readFileSync(join(finished, 'best.safetensors')));
  });

  it('is not taken for one where anything was saved, the file is no record, or a process works in it', async () => {
    const refused = /^INVALID_RUN .*holds a run already/;
    expect(await failureOf(transfer({ ...options, out: finished }).result)).toMatch(refused);
    const folder = newPath();
    await failureOf(diverging(folder).result);
    const record = readFileSync(join(folder, 'options.yaml'), 'utf8');
    writeFileSync(join(folder, 'best.safetensors'), 'somebody’s');
    expect(await failureOf(transfer({ ...options, out: folder }).result)).toMatch(refused);
    rmSync(join(folder, 'best.safetensors'));
    expect(await failureOf(compare({ ...common, data, methods: 'scratch', out: folder }))).toMatch(refused);
    writeFileSync(join(folder, 'options.yaml'), 'epochs: 3\n');
    expect(await failureOf(transfer({ ...options, out: folder }).result)).toMatch(refused);
    expect(readFileSync(join(folder, 'options.yaml'), 'utf8')).toBe('epochs: 3\n');
    writeFileSync(join(folder, 'options.yaml'), record);
    holdElsewhere(folder);
    expect(await failureOf(transfer({ ...options, out: folder }).result)).toMatch(/^INVALID_RUN .*in use by process/);
  });
});

describe('a folder that somebody changes during its run', () => {
  it('and that lacks a file is not said to be complete', async () => {
    for (const name of ['options.yaml', 'best.safetensors']) {
      const folder = newPath();
      const stopping = new AbortController();
      const run = transfer({ ...options, epochs: 4, out: folder, signal: stopping.signal });
      let bytes = Buffer.alloc(0);
      for await (const { type } of run) {
        if (type !== 'epoch' || stopping.signal.aborted) continue;
        stopping.abort();
        bytes = readFileSync(join(folder, name));
        rmSync(join(folder, name));
      }
      expect(await failureOf(run.result)).toBe(
        `ABORTED The run was interrupted, and ${name} in ${folder} was removed while it ran. Put it back, then continue it with: l2t-native transfer --resume ${folder}`,
      );
      writeFileSync(join(folder, name), bytes);
      expect(await resume(folder).result).toMatchObject({ epochs: 4 });
    }
  });

  it('and that is moved is said to be moved, and goes on from there', async () => {
    const [folder, moved] = [newPath(), newPath()];
    const run = transfer({ ...options, epochs: 4, out: folder });
    const following = async () => {
      for await (const { type } of run) if (type === 'epoch') renameSync(folder, moved);
    };
    expect(await failureOf(following())).toBe(
      `INVALID_RUN ${folder} is no longer this process's: it was moved or removed while this process worked in it. If it was moved, go on where it is now, with --resume. Nothing more is written.`,
    );
    expect(await resume(moved).result).toMatchObject({ epochs: 4 });
  });
});

describe('what killed processes leave', () => {
  const leftOvers = {
    lock: '',
    'lock.holder': 'half',
    '.lock.0123456789ab.tmp': '',
    '.state.safetensors.0123456789ab.tmp': 'half',
  };
  const leave = (folder: string) => {
    for (const [name, text] of Object.entries(leftOvers)) writeFileSync(join(folder, name), text);
  };

  it('is gone after the next resume of a run', async () => {
    const run = copyOf(finished);
    leave(run);
    await resume(run).result;
    expect(readdirSync(run).sort()).toEqual(readdirSync(finished).sort());
  });

  it('of an experiment as well, also where it had not begun', async () => {
    const folder = newPath();
    mkdirSync(folder);
    leave(folder);
    writeFileSync(join(folder, 'runs.txt'), 'half');
    const given = { ...common, data, methods: 'scratch', seeds: 1, epochs: 1, out: folder };
    await compare(given);
    const files = readdirSync(folder).sort();
    const table = ['comparison.csv', 'comparison.json', 'comparison.md', 'report.html'];
    expect(files).toEqual(['array.sbatch', ...table, 'lock', 'plan.yaml', 'runs.txt', 'scratch-0'].sort());
    leave(folder);
    await resumeComparison(folder);
    expect(readdirSync(folder).sort()).toEqual(files);
  });
});

/** A file system of its own, which can be made read-only; undefined where this system lets nobody mount. */
function mountOwn(): string | undefined {
  const folder = temporaryFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    return undefined;
  }
}

describe('a read-only file system', () => {
  const mounted: string[] = [];
  afterEach(() => {
    for (const folder of mounted.splice(0)) execFileSync('umount', ['-l', folder]);
  });

  it('is named, at the start and at a resume; where it becomes one during a run is tried by the campaign', async (context) => {
    const folder = mountOwn();
    if (folder === undefined) return context.skip('mounting is not permitted here: it takes root');
    mounted.push(folder);
    const run = join(folder, 'run');
    const stopping = new AbortController();
    const going = transfer({ ...options, epochs: 1000, saveEvery: 0.01, out: run, signal: stopping.signal });
    for await (const event of going) if (event.type === 'epoch') stopping.abort();
    expect(await failureOf(going.result)).toMatch(/^ABORTED .*all is saved/);
    // The run's lock is a file open for writing, so this waits for its end.
    execFileSync('mount', ['-o', 'remount,ro', folder], { stdio: 'ignore' });
    const other = transfer({ ...options, out: join(folder, 'a', 'b') });
    expect(await failureOf(other.result)).toMatch(/^FILE_ACCESS Cannot create .*a\/b: the file system is read-only/);
    expect(await failureOf(resume(run).result)).toMatch(
      /^FILE_ACCESS Cannot write .*lock: the file system is read-only/,
    );
    expect((await inspectRun(run)).epochs).toBeGreaterThan(0);
  });
});
