import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { collect, compare, dryRun, type Follow, planComparison, planCurve, resumeComparison } from '../../src/index.js';
import { refusal } from '../outcomes.js';
import { cli, newPath, temporaryFolder, tinyData, tinyOptions, tinySource } from '../tiny.js';
import { linesOf, runLine } from './lines.js';

const { pairs: _, batch: __, ...common } = tinyOptions;
const data = tinyData();
let source: string;
beforeAll(async () => {
  source = await tinySource({ width: 0.25 });
});
const experiment = () => ({ ...common, data, source, epochs: 1, sourceFinetune: 2, seeds: 1 });

const foldersOf = (folder: string) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((each) => (each.isDirectory() ? [each.name] : []));

/** The table without what was measured. */
const tableOf = (folder: string) =>
  readFileSync(join(folder, 'comparison.json'), 'utf8')
    .replaceAll(`${folder}/`, '')
    .replaceAll(/("(?:msPerStep|seconds|finetuning|batch1|batch32)": )[\d.e-]+/g, '$1T');

describe('an experiment with sourceFinetune', { timeout: 120_000 }, () => {
  it('fine-tunes the source once for all rows that learn from it, in a process or by lines at once, also if it is interrupted', async () => {
    const [whole, planned, half] = [newPath(), newPath(), newPath()];
    const options = { ...experiment(), methods: 'scratch,fm,lwf,finetune-source' };
    const titles: string[] = [];
    const follow: Follow = (run, label, seed) => {
      titles.push(`${label} ${seed}`);
      return run.result;
    };
    const { rows } = await compare({ ...options, parallel: 2, follow, out: whole });
    expect(titles[0]).toBe('fine-tuning source 1 0');
    expect(titles.slice(1).sort()).toEqual(['finetune-source 0', 'fm 0', 'lwf 0', 'scratch 0']);
    expect(foldersOf(whole)).toEqual(['finetune-source-0', 'fm-0', 'lwf-0', 'scratch-0', 'source-0-0']);
    const seconds = readFileSync(join(whole, 'source-0-0/timing.jsonl'), 'utf8').trim().split('\n');
    const total = seconds.reduce((sum, line) => sum + JSON.parse(line).seconds, 0);
    expect(rows.map(({ label, finetuning }) => [label, finetuning])).toEqual([
      ['scratch', undefined],
      ['fm', total],
      ['lwf', total],
      ['finetune-source', undefined],
    ]);
    expect(readFileSync(join(whole, 'comparison.md'), 'utf8')).toMatch(
      /^\| method .*\| fine-tuning the source, shared \|/,
    );

    // Two lines that need it begin at once, before the line of the source itself.
    const { runs } = await planComparison(planned, { ...options, sourceFinetune: 2 });
    expect(runs).toHaveLength(5);
    expect(runs[0]).toMatch(/ --method finetune .* --batch 32 --seed 0 --out source-0-0 --no-report$/);
    const [ofSource, scratch, fm, lwf, finetune] = runs as [string, string, string, string, string];
    const both = await Promise.all([runLine(fm, planned), runLine(lwf, planned)]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(both.filter(({ stderr }) => stderr.includes('fine-tuning the source\n'))).toHaveLength(1);
    for (const line of [ofSource, scratch, finetune]) expect((await runLine(line, planned)).code).toBe(0);
    expect((await collect(planned)).unfinished).toEqual([]);
    expect(tableOf(planned)).toEqual(tableOf(whole));

    const controller = new AbortController();
    const stop: Follow = async (run) => {
      for await (const { type } of run) if (type === 'epoch') controller.abort();
      return run.result;
    };
    await expect(compare({ ...options, follow: stop, signal: controller.signal, out: half })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    expect([existsSync(join(half, 'source-0-0')), existsSync(join(half, 'fm-0'))]).toEqual([true, false]);
    expect((await resumeComparison(half)).unfinished).toEqual([]);
    expect(tableOf(half)).toEqual(tableOf(whole));
  });

  it('fine-tunes for each number of images a class and each seed', async () => {
    const folder = temporaryFolder();
    const { runs } = await planCurve(folder, { ...experiment(), methods: 'fm,scratch', perClass: '4,6', seeds: 2 });
    const outs = runs.map((line) => / --out (\S+)/.exec(line)?.[1]);
    expect(outs.slice(0, 4)).toEqual(['source-0-4-0', 'source-0-4-1', 'source-0-6-0', 'source-0-6-1']);
    expect(outs).toHaveLength(12);
    expect(linesOf(folder).filter((line) => line.includes(' --source-finetune 2 --share-source '))).toHaveLength(4);
  });

  it('is refused where no method learns from a source; its time is estimated', async () => {
    const useless = planComparison(newPath(), { data, source, sourceFinetune: 2, methods: 'finetune-source,scratch' });
    await expect(useless).rejects.toThrow(refusal('INVALID_OPTION', /sourceFinetune/));
    expect((await cli(['compare', '--share-source'])).stderr).toMatch(/unknown option '--share-source'/);
    const tiny = { width: 0.0625, epochs: 3, batch: 50, threads: 1, perClass: '50', validation: 0 } as const;
    const { estimate } = await dryRun('cifar10-few-images', { ...tiny, methods: 'fm', sourceFinetune: 2 });
    expect(estimate.entries.map(({ label, steps }) => [label, steps])).toEqual([
      ['fine-tuning source 1', 20],
      ['fm', 30],
    ]);
  });
});
