import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  collect,
  compare,
  type Follow,
  planComparison,
  planCurve,
  type RunEvent,
  report,
  resumeComparison,
  resumeOrStart,
} from '../../src/index.js';
import { encode, pattern } from '../data/generate.js';
import { abortAt, warningsOf } from '../outcomes.js';
import {
  cli,
  cliUntil,
  flagsOf,
  holdElsewhere,
  newPath,
  run,
  temporaryFolder,
  tinyData,
  tinyOptions,
  tinySource,
} from '../tiny.js';
import { linesOf, runLine, schedulerEnv } from './lines.js';

const images = tinyData();
const { pairs: _, ...common } = tinyOptions;
let source: string;
beforeAll(async () => {
  source = await tinySource({ width: 0.25 });
});
const options = () => ({ ...common, data: images, epochs: 1, perClass: 6 });

/** The table's three files, without what was measured. */
function tableOf(folder: string): string[] {
  const read = (ending: string) =>
    readFileSync(join(folder, `comparison.${ending}`), 'utf8').replaceAll(`${folder}/`, 'FOLDER/');
  return [
    read('json').replaceAll(/("(?:msPerStep|seconds|batch1|batch32)": )[\d.e-]+/g, '$1T'),
    read('csv').replaceAll(/(,[^,\n]*){5}$/gm, ''),
    read('md').replaceAll(/(?<=\| )[\d.]+ (ms|s)(?= \|)/g, 'T'),
  ];
}

describe('an experiment that was planned', { timeout: 240_000 }, () => {
  it('gives the table of the same comparison in one process, byte for byte but for times', async () => {
    const [planned, whole] = [temporaryFolder(), temporaryFolder()];
    const given = { ...options(), source, methods: 'l2t-ww,finetune-source', seeds: 2 };
    const experiment = ['compare', ...flagsOf(given)];
    const { code, stdout, stderr } = await cli([...experiment, '--plan', 'exp'], { cwd: planned });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^4 runs are planned in exp: runs\.txt, array\.sbatch, plan\.yaml\n/);
    const exp = join(planned, 'exp');
    const lines = linesOf(exp);
    expect(lines[3]).toMatch(
      new RegExp(
        `^l2t-native transfer --resume-or-start --target resnet20 --method finetune --target-init ${source} .*--seed 1 --out finetune-source-1 `,
      ),
    );
    // In another order than the table's, two at a time; one is run twice at once.
    const [first = '', ...others] = lines.toReversed();
    const twice = await Promise.all([runLine(first, exp), runLine(first, exp)]);
    for (const { code: ended, stderr: said } of twice) {
      if (ended !== 0) expect(said).toMatch(/^error\[INVALID_RUN\]: finetune-source-1 is in use by process \d+ on /m);
    }
    expect(twice.some(({ code: ended }) => ended === 0)).toBe(true);
    while (others.length > 0) {
      const ended = await Promise.all(others.splice(0, 2).map((line) => runLine(line, exp)));
      expect(ended.map(({ code: each }) => each)).toEqual(ended.map(() => 0));
    }
    const collected = await cli(['compare', '--collect', 'exp'], { cwd: planned });
    expect([collected.code, collected.stderr]).toEqual([0, '']);
    expect((await cli([...experiment, '--out', 'exp'], { cwd: whole })).code).toBe(0);
    expect(tableOf(exp)).toEqual(tableOf(join(whole, 'exp')));
    expect(existsSync(join(exp, 'report.html'))).toBe(true);
    // A finished run gives its result again, and nothing is trained.
    const before = readFileSync(join(exp, 'l2t-ww-0/state.safetensors'));
    expect((await runLine(lines[0] as string, exp)).stdout).toMatch(/^test accuracy /);
    expect(readFileSync(join(exp, 'l2t-ww-0/state.safetensors'))).toEqual(before);
  });

  it('is finished locally where a scheduler began it, and by a scheduler where it began locally', async () => {
    const [planned, local, whole] = [newPath(), newPath(), newPath()];
    const experiment = { ...options(), threads: 1, source, methods: 'scratch,fm:one-to-one', seeds: 2 };
    await compare({ ...experiment, out: whole });
    const { runs } = await planComparison(planned, experiment);
    // One run is finished, another one is held by somebody else.
    expect((await runLine(runs[1] as string, planned)).code).toBe(0);
    holdElsewhere(join(planned, 'fm_one-to-one-1'));
    const first = await resumeComparison(planned);
    expect(first.unfinished).toMatchObject([{ title: 'fm:one-to-one', seed: 1, state: 'running' }]);
    rmSync(join(planned, 'fm_one-to-one-1'), { recursive: true });
    expect((await resumeComparison(planned)).unfinished).toEqual([]);
    expect(tableOf(planned)).toEqual(tableOf(whole));

    const controller = new AbortController();
    const stop: Follow = async (run, _label, seed) => {
      if (seed === 1) controller.abort();
      return run.result;
    };
    const interrupted = compare({ ...experiment, parallel: 1, follow: stop, signal: controller.signal, out: local });
    await expect(interrupted).rejects.toMatchObject({ code: 'ABORTED' });
    renameSync(local, `${local}-moved`);
    for (const line of linesOf(`${local}-moved`)) expect((await runLine(line, `${local}-moved`)).code).toBe(0);
    expect((await collect(`${local}-moved`)).unfinished).toEqual([]);
    expect(tableOf(`${local}-moved`)).toEqual(tableOf(whole));
  });

  it('says what is missing or failed, and why', async () => {
    const out = temporaryFolder();
    cpSync(images, join(out, 'images'), { recursive: true });
    const data = join(out, 'images');
    const { runs } = await planComparison(out, { ...options(), data, source, methods: 'scratch,fm', seeds: 3 });
    // Paths below the folder are relative to it.
    expect(runs[0]).toContain(' --data images ');
    await runLine(runs[1] as string, out);
    // The source of one is gone; another was made with other options.
    await runLine((runs[3] as string).replace(source, '/no/such.pth'), out);
    await runLine((runs[4] as string).replace('--lr 0.01', '--lr 0.02'), out);
    // Another host works on one, and gave a sign of life just now.
    holdElsewhere(join(out, 'scratch-2'));
    const { rows, unfinished, conclusions } = await collect(out);
    expect(rows.map(({ accuracies, missing }) => [accuracies.map((each) => each !== null), missing])).toEqual([
      [
        [false, true, false],
        [0, 2],
      ],
      [
        [false, false, false],
        [0, 1, 2],
      ],
    ]);
    expect(conclusions).toEqual([]);
    const text = readFileSync(join(out, 'comparison.md'), 'utf8');
    expect(text.split('Missing or failed:\n\n')[1]?.trimEnd().split('\n')).toEqual([
      '- scratch, seed 0: not begun',
      expect.stringMatching(
        /^- scratch, seed 2: running, nothing saved yet, by process 12 on node01, whose last sign of life was \d s ago$/,
      ),
      expect.stringMatching(/^- fm, seed 0: failed, FILE_ACCESS: Cannot read \/no\/such\.pth: /),
      expect.stringMatching(/^- fm, seed 1: failed, INVALID_RUN: its options are not the plan's \((--)?lr\): remove /),
      '- fm, seed 2: not begun',
    ]);
    expect(unfinished.map(({ state }) => state)).toEqual(['not begun', 'running', 'failed', 'failed', 'not begun']);
    // Options that do not change the result may differ, and the run keeps its own.
    const other = (runs[1] as string).replace('--no-report', '--save-every 5');
    expect((await runLine(other, out)).stderr).toMatch(/warning: scratch-1 goes on with its own --save-every$/m);
    // The line of the plan does not go on with the run that has other options.
    expect((await runLine(runs[4] as string, out)).stderr).toMatch(/holds a run with other options \(--lr\)/);
  });

  it('does not count a run that started from another network than the plan had', async () => {
    const out = newPath();
    const file = join(temporaryFolder(), 'source.safetensors');
    cpSync(source, file);
    const given = { ...options(), source: file, methods: 'scratch,finetune-source', seeds: 1 };
    const { runs } = await planComparison(out, given);
    cpSync(await tinySource({ width: 0.25, classes: 3 }), file);
    expect((await runLine(runs[1] as string, out)).code).toBe(0);
    const changed = { state: 'failed', why: expect.stringContaining('has changed since') };
    expect((await collect(out)).unfinished).toMatchObject([{ state: 'not begun' }, changed]);
  });

  it('has runs whose sources read larger images, beside runs without one', async () => {
    const [out, data] = [temporaryFolder(), temporaryFolder()];
    const pixels = pattern(1, 48);
    for (const name of ['a', 'b']) {
      mkdirSync(join(data, name));
      for (const k of Array(4).keys()) writeFileSync(join(data, name, `${k}.png`), await encode(pixels, 48, 48, 'png'));
    }
    const given = { ...common, data, source, sourceSize: 48, epochs: 1, batch: 4, seeds: 1 };
    const { runs } = await planComparison(out, { ...given, methods: 'scratch,fm:all-to-all' });
    for (const line of runs) expect((await runLine(line, out)).code).toBe(0);
    const { unfinished, rows } = await collect(out);
    expect([unfinished, rows.length]).toEqual([[], 2]);
  });

  it('counts a run that diverged, and goes on with one that was killed', async () => {
    const out = newPath();
    const steep = { ...options(), lr: 100, momentum: 0.99, epochs: 20, batch: 2 };
    const { runs } = await planComparison(out, { ...steep, methods: 'scratch', seeds: 1 });
    expect((await runLine(runs[0] as string, out)).code).toBe(1);
    const warnings: string[] = [];
    const { rows, unfinished } = await collect(out, { onWarning: (message) => warnings.push(message) });
    expect([rows[0]?.accuracies, rows[0]?.missing, unfinished]).toEqual([[null], undefined, []]);
    expect(warnings).toEqual([expect.stringMatching(/^scratch, seed 0 \(.*\): The cross-entropy became NaN /)]);

    const folder = newPath();
    const long = { ...options(), epochs: 5000, target: 'vgg9_bn', method: 'scratch', out: folder } as const;
    const command = ['transfer', '--resume-or-start', ...flagsOf(long)];
    const { child, ended } = await cliUntil(command, /epoch +2\//);
    child.kill('SIGKILL');
    await ended;
    const seen: RunEvent[] = [];
    await abortAt(
      (signal) => resumeOrStart({ ...long, signal }),
      (event) => seen.push(event) > 0 && event.type === 'epoch',
    );
    expect(seen.find((event) => event.type === 'epoch')?.epoch).toBeGreaterThan(0);
    expect(warningsOf(seen)[0]).toMatch(
      new RegExp(`was in use by process ${child.pid} on ${hostname()}, which has ended: it is taken over$`),
    );
    expect(readdirSync(folder).filter((name) => /^lock|^failure/.test(name))).toEqual(['lock']);
  });

  it('goes on in a folder that was moved together with data and source, where they hold the same', async () => {
    const parent = temporaryFolder();
    const at = (name: string) => join(parent, name);
    cpSync(images, join(at('first'), 'images'), { recursive: true });
    cpSync(source, join(at('first'), 'source.safetensors'));
    const given = { ...options(), epochs: 20, methods: 'fm:one-to-one', seeds: 1 };
    const files = { data: join(at('first'), 'images'), source: join(at('first'), 'source.safetensors') };
    const { runs } = await planComparison(at('first'), { ...given, ...files });
    const line = (runs[0] as string).replace(' --no-report', '');
    expect(line).toMatch(/ --source source\.safetensors .* --data images /);
    cpSync(at('first'), at('whole'), { recursive: true });
    expect((await runLine(line, at('whole'))).code).toBe(0);

    const { child, ended } = await cliUntil(line.split(' ').slice(1), /epoch +2\//, { cwd: at('first') });
    child.kill('SIGTERM');
    await ended;
    renameSync(at('first'), at('second'));
    const { code, stderr } = await runLine(line, at('second'));
    expect([code, stderr]).toEqual([0, expect.stringMatching(/first\/images, which is not there any more: .*second/)]);
    const metrics = (name: string) => readFileSync(join(at(name), 'fm_one-to-one-0/metrics.jsonl'), 'utf8');
    expect(metrics('second')).toBe(metrics('whole'));
    expect(readFileSync(join(at('second'), 'fm_one-to-one-0/report.html'), 'utf8')).not.toContain('Left out');

    // Also a finished run gives its result for the same images alone.
    renameSync(at('second'), at('third'));
    expect((await runLine(line, at('third'))).stdout).toMatch(/^test accuracy /);
    const labels = join(at('third'), 'images/train-labels-idx1-ubyte');
    const bytes = readFileSync(labels);
    bytes[bytes.length - 1] = ((bytes.at(-1) as number) + 1) % 3;
    writeFileSync(labels, bytes);
    expect((await runLine(line, at('third'))).stderr).toMatch(/third\/images changed since fm_one-to-one-0 began/);
  });

  it('is refused where a source does not exist, with --out, and in a folder that holds one', async () => {
    const out = newPath();
    const experiment = { ...options(), methods: 'scratch', seeds: 1 };
    await expect(planComparison(out, { ...experiment, methods: 'fm', source: 'none.pth' })).rejects.toThrow(
      /Cannot read .*none\.pth/,
    );
    expect(existsSync(out)).toBe(false);
    await expect(planComparison(out, { ...experiment, out: 'x' })).rejects.toThrow(/^out cannot accompany a plan/);
    const nowhere = { ...experiment, engine: 'autograd', convolution: 'winograd' } as const;
    await expect(planComparison(out, nowhere)).rejects.toThrow(/convolution: 'winograd' is the native engine's/);
    await planCurve(out, { ...experiment, perClass: '5,6' });
    expect(linesOf(out).map((line) => /--out (\S+)/.exec(line)?.[1])).toEqual(['scratch-5-0', 'scratch-6-0']);
    await expect(planComparison(out, experiment)).rejects.toThrow(/holds an experiment already \(plan\.yaml\)/);
    const again = await cli(['compare', ...flagsOf(experiment), '--plan', './run/'], { cwd: join(out, '..') });
    expect(again.stderr).toMatch(/holds an experiment already \(plan\.yaml\)/);
    const { code, stderr } = await cli(['compare', '--resume', out]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/was begun by l2t-native curve: l2t-native curve --resume/),
    ]);
    await expect(report(out, { threads: 1 })).rejects.toThrow(/computes nothing/);
    await expect(collect(temporaryFolder())).rejects.toThrow(/holds no experiment/);
  });

  it('has a script for sbatch whose tasks are the lines', async () => {
    const parent = temporaryFolder();
    mkdirSync(join(parent, 'it’s here'));
    const out = join(parent, 'it’s here/an exp');
    const { runs } = await planComparison(out, { ...options(), methods: 'scratch', seeds: 2 });
    expect(runs).toHaveLength(2);
    const task = (id: string) =>
      run(['bash', 'array.sbatch'], { cwd: out, env: { ...schedulerEnv, SLURM_ARRAY_TASK_ID: id } });
    expect((await task('2')).stdout).toMatch(/scratch-1\/best\.safetensors\n$/);
    expect((await task('3')).stderr).toMatch(/runs\.txt has no line 3/);
  });
});
