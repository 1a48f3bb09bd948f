import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { compare, report, transfer } from '../../src/index.js';
import type { EpochMetrics } from '../../src/native/addon.js';
import { writeClasses } from '../data/generate.js';
import { cli, temporaryFolder, tinyOptions, tinySource } from '../tiny.js';

const hostile = '<script>alert(1)<!--';
const folder = temporaryFolder();
const data = join(folder, 'photos');
const run = join(folder, 'run');
let source = '';

/** The run, made once: l2t-ww with validation images, on classes one of which has a hostile name. */
beforeAll(async () => {
  source = join(folder, '"><b>source.safetensors');
  renameSync(await tinySource({ width: 0.25 }), source);
  await writeClasses(data, { [hostile]: 30, coat: 30, shoe: 30 });
  await transfer({ ...tinyOptions, data, source, validation: 3, out: run }).result;
}, 60_000);

const read = (path = join(run, 'report.html')) => readFileSync(path, 'utf8');

const linesOf = (path: string): EpochMetrics[] =>
  readFileSync(join(path, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

const embedded = (page: string) =>
  JSON.parse(/<script type="application\/json" id="metrics">(.*?)<\/script>/s.exec(page)?.[1] ?? 'null');

/** The values of the page's tables of curves, by column. */
function columnsOf(page: string): Map<string, number[]> {
  const columns = new Map<string, number[]>();
  for (const [table] of page.matchAll(/<table>.*?<\/table>/gs)) {
    const names = [...table.matchAll(/<th scope="col">(.*?)<\/th>/g)].map(([, name]) => name as string);
    const rows = [...table.matchAll(/<tr><th scope="row">\d+<\/th>(.*)/g)].map(([, cells]) =>
      [...(cells as string).matchAll(/<td>(?:<data value="(.*?)">)?([^<]*)/g)].map(([, exact, text]) =>
        Number(exact ?? text),
      ),
    );
    names.slice(1).forEach((name, k) => {
      columns.set(
        name,
        rows.map((row) => row[k] as number),
      );
    });
  }
  return columns;
}

describe('the report of a run', () => {
  it('has every loss and accuracy in a table, with all digits, and all of metrics.jsonl as JSON', () => {
    const [lines, page] = [linesOf(run), read()];
    expect(embedded(page)).toEqual(lines);
    const columns = columnsOf(page);
    expect(columns.get('org (training)')).toEqual(lines.map(({ losses }) => losses.org));
    expect(columns.get('matching')).toEqual(lines.map(({ losses }) => losses.matching));
    expect(columns.get('validation')).toBeDefined();
    expect(columns.get('meta-objective')).toEqual(lines.map(({ metaObjective }) => metaObjective));
    expect(columns.get('training')).toEqual(lines.map(({ trainAccuracy }) => trainAccuracy));
    expect(page).toContain(`<data value="${lines[0]?.validationLoss}">`);
    expect(page).toContain(`<data value="${lines[0]?.validationAccuracy}">`);
    expect(columns.get('lr')).toEqual(lines.map(({ lr }) => lr));
  });

  it('is one file below 1 MB whose only address outside is the paper’s', () => {
    const page = read();
    expect(statSync(join(run, 'report.html')).size).toBeLessThan(1_000_000);
    const withoutScripts = page.replaceAll(/<script\b.*?<\/script>/gs, '');
    const addresses = [...withoutScripts.matchAll(/(?:href|src|action)="(?!data:|#)([^"]*)"/g)].map(([, url]) => url);
    expect(addresses).toEqual(['https://arxiv.org/abs/1905.05901']);
    expect(withoutScripts).not.toMatch(/url\(|@import/);
  });

  it('shows names as text', () => {
    const page = read();
    expect(page).toContain('&lt;script&gt;alert(1)&lt;!--');
    expect(page).toContain('&quot;&gt;&lt;b&gt;source.safetensors');
    // uPlot's, the page's own, and the JSON.
    expect(page.match(/<script\b/g)).toHaveLength(3);
    expect(page).not.toMatch(/<b>/);
  });

  it('says where, what, and how the test images fare', () => {
    const page = read();
    for (const part of [
      'Where: λ of',
      'What: channel weights of',
      'that count most',
      'weighted by w',
      'Confusion',
      'precision',
      'Time and memory',
      'most memory',
    ]) {
      expect(page).toContain(part);
    }
    expect(page.match(/<g data-column=/g)).toHaveLength(2);
    expect(page).toMatch(/95 % interval is [\d.]+ % to [\d.]+ %/);
    expect(page).not.toContain('class="left-out"');
  });

  it('of a run in progress is what its files give', async () => {
    const begun = join(folder, 'begun');
    cpSync(run, begun, { recursive: true });
    for (const name of ['state.safetensors', 'best.safetensors', 'report.html']) rmSync(join(begun, name));
    writeFileSync(join(begun, 'metrics.jsonl'), `${JSON.stringify(linesOf(run)[0])}\n`);
    const page = read(await report(begun));
    expect(page).toContain('1 of 2 epochs are done');
    expect(embedded(page)).toEqual(linesOf(run).slice(0, 1));
  });

  it.each([
    ['the data is gone', () => [[data, join(folder, 'elsewhere')]], 'all that shows test images', 'photos'],
    ['the source is gone', () => [[source, join(folder, 'elsewhere')]], 'what the sources see', 'source.safetensors'],
  ] as const)('where %s, leaves out what needs it, and says so', async (_, moves, part, name) => {
    for (const [from, to] of moves()) renameSync(from as string, to as string);
    try {
      const out = join(folder, 'without.html');
      expect(await report(run, { out })).toBe(out);
      const [, sentence] = /<p class="left-out">(.*?)<\/p>/.exec(read(out)) ?? [];
      expect(sentence).toContain(part);
      expect(sentence).toContain(name);
      expect(read(out)).toContain('Where: λ of');
    } finally {
      for (const [from, to] of moves()) renameSync(to as string, from as string);
    }
  });

  it('where the data has changed, shows none of it', async () => {
    const changed = join(data, 'coat', 'extra.png');
    cpSync(join(data, 'coat', readdirSync(join(data, 'coat'))[0] as string), changed);
    const page = read(await report(run, { out: join(folder, 'changed.html') }));
    rmSync(changed);
    expect(page).toMatch(/Left out: all that shows test images\. The data in .* changed since/);
    expect(page).not.toContain('Confusion');
  });

  it('is not made with --no-report, whose resume makes none either; without, it is', async () => {
    const out = join(folder, 'silent');
    const flags = ['--method', 'scratch', '--target', 'vgg9_bn', '--width', '0.125', '--epochs', '1', '--lr', '0.01'];
    const ended = await cli(['transfer', ...flags, '--data', data, '--out', out, '--no-report', '--json']);
    expect(JSON.parse(ended.stdout)).toMatchObject({ report: null });
    expect(JSON.parse((await cli(['transfer', '--resume', out, '--json'])).stdout)).toMatchObject({ report: null });
    expect(existsSync(join(out, 'report.html'))).toBe(false);
    expect(JSON.parse((await cli(['report', out, '--json'])).stdout)).toEqual({ report: join(out, 'report.html') });
    expect(read(join(out, 'report.html'))).not.toContain('Where: λ');
  });

  it.each([
    ['a folder that does not exist', 'missing', /does not exist/],
    ['a folder without a run', 'photos', /holds no run and no experiment/],
  ])('refuses %s', async (_, name, message) => {
    await expect(report(join(folder, name))).rejects.toMatchObject({
      code: 'INVALID_RUN',
      message: expect.stringMatching(message),
    });
    expect(existsSync(join(folder, name, 'report.html'))).toBe(false);
  });

  it('into a place that cannot be written fails, and leaves nothing', async () => {
    const out = join(folder, 'no', 'such', 'folder.html');
    await expect(report(run, { out })).rejects.toMatchObject({ code: 'FILE_ACCESS' });
    expect(existsSync(join(folder, 'no'))).toBe(false);
  });
});

describe('the report of an experiment', () => {
  const out = join(folder, 'comparison');

  beforeAll(async () => {
    const options = { ...tinyOptions, pairs: undefined, epochs: 1, data, source, seeds: 2, out };
    const result = await compare({ ...options, methods: 'scratch,fm:8-3' });
    expect(result.report).toBe(join(out, 'report.html'));
  }, 60_000);

  it('has the table, a dot for each seed, differences to each baseline, and the runs’ curves', () => {
    const page = read(join(out, 'report.html'));
    const rows = JSON.parse(readFileSync(join(out, 'comparison.json'), 'utf8'));
    expect(page).toMatch(
      /<p>fm:8-3 (is [\d.]+ points (ahead of|behind) scratch|and scratch are .*) \(95 % interval of the 2 paired differences: .*\): (not )?settled\.<\/p>/,
    );
    expect(page.match(/data-choice="baseline"/g)).toHaveLength(rows.length);
    // Two seeds of each row, their differences to each of two baselines, and a point for each row's time.
    expect(page.match(/class="dot"/g)).toHaveLength(4 + 4 + 2);
    expect(Object.keys(embedded(page)).sort()).toEqual(['fm_8-3-0', 'fm_8-3-1', 'scratch-0', 'scratch-1']);
    expect(embedded(page)['fm_8-3-1']).toEqual(linesOf(join(out, 'fm_8-3-1')));
  });

  it('is made for the whole alone, and again from a folder that was moved', async () => {
    expect(existsSync(join(out, 'scratch-0', 'report.html'))).toBe(false);
    const moved = join(folder, 'moved');
    renameSync(out, moved);
    const page = read(await report(moved));
    renameSync(moved, out);
    expect(Object.keys(embedded(page))).toHaveLength(4);
  });

  it('is of each run, too, where that is wanted', async () => {
    const each = join(folder, 'each');
    mkdirSync(each);
    const flags = ['--target', 'vgg9_bn', '--width', '0.125', '--epochs', '1', '--lr', '0.01', '--seeds', '1'];
    const { code, stdout } = await cli([
      'compare',
      '--methods',
      'scratch',
      ...flags,
      '--data',
      data,
      '--out',
      each,
      '--report-runs',
    ]);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`The report is ${join(each, 'report.html')}`)]);
    expect(existsSync(join(each, 'scratch-0', 'report.html'))).toBe(true);
  });
});
