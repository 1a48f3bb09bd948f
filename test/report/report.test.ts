import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { compare, type Follow, type RunResult, report, resume, resumeComparison, transfer } from '../../src/index.js';
import type { EpochMetrics } from '../../src/native/addon.js';
import { GrowingPage } from '../../src/report/page/document.js';
import { html } from '../../src/report/page/html.js';
import { writeClasses } from '../data/generate.js';
import { rows } from '../data/parquet-rows.js';
import { writeParquet } from '../fixtures/parquet.js';
import { cli, cliUntil, temporaryFolder, tinyData, tinyFlags, tinyOptions, tinySource } from '../tiny.js';

const hostile = '<script>alert(1)<!--';
const folder = temporaryFolder();
const data = join(folder, 'photos');
const run = join(folder, 'run');
let source = '';
let result: RunResult;

/** The run, made once: l2t-ww with validation images, on classes one of which has a hostile name. */
beforeAll(async () => {
  source = join(folder, '"><b>source.safetensors');
  renameSync(await tinySource({ width: 0.25 }), source);
  await writeClasses(data, { [hostile]: 30, coat: 30, shoe: 30 });
  result = await transfer({ ...tinyOptions, data, source, validation: 3, out: run }).result;
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
    const names = [...table.matchAll(/<th scope="col">(.*?)<\/th>/g)].map(
      ([, name]) => name?.replaceAll(/<.*?>/g, '') ?? '',
    );
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

const stateOf = (page: string) => /<meta name="state" content="(\w+)">/.exec(page)?.[1];

describe('the report of a run', () => {
  it('has every loss and accuracy in a table, with all digits, and all of metrics.jsonl as JSON', () => {
    const [lines, page] = [linesOf(run), read()];
    expect(embedded(page)).toEqual(lines);
    const columns = columnsOf(page);
    expect(columns.get('meta-objective')).toEqual(lines.map(({ metaObjective }) => metaObjective));
    expect(page).toContain(`<data value="${lines[0]?.losses.org}">`);
    expect(page).toContain(`<data value="${lines[0]?.losses.matching}">`);
    expect(page).toContain(`<data value="${lines[0]?.trainAccuracy}">`);
    expect(page).toContain(`<data value="${lines[0]?.validationLoss}">`);
    expect(page).toContain(`<data value="${lines[0]?.validationAccuracy}">`);
    expect(columns.get('learning rate')).toEqual(lines.map(({ lr }) => lr));
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
    const cells = [...page.matchAll(/<td data-pair="(\d)" .*?><small>(.*?) →<\/small>(.*?)<\/td>/g)];
    const pairs = linesOf(run).at(-1)?.pairs ?? [];
    const texts = pairs.map(({ lambdaStart, lambdaMean }) => [lambdaStart?.toFixed(2), lambdaMean?.toFixed(2)]);
    expect(cells.map(([, place, ...each]) => [Number(place), each]).sort()).toEqual([...texts.entries()]);
    expect(page).toMatch(/95 % interval is [\d.]+ % to [\d.]+ %/);
    expect(page).not.toContain('class="left-out"');
  });

  it('says in a sentence what was learned, before λ; the result has it, too', async () => {
    const page = read();
    const sentence = result.learned?.sentence ?? '';
    expect(sentence).toMatch(/^(The meta-networks hardly moved \(λ|λ) .*\.$/);
    expect(page.indexOf(`learned in 2 epochs</h2>\n<p>${sentence}<`)).toBeGreaterThan(0);
    expect(page.indexOf(sentence)).toBeLessThan(page.indexOf('Where: λ of'));
    // So has the result of a run that was finished before.
    expect((await resume(run).result).learned).toEqual(result.learned);
  });

  it('has the result first, and names the files of the images that are wrong', () => {
    const page = read();
    const parts = ['of the test images are right', 'Confusion', 'most confident errors', '<h2>Training', 'Where: λ of'];
    const places = parts.map((part) => page.indexOf(part));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places[0]).toBeGreaterThan(0);
    const names = [...page.matchAll(/<small>((?:coat|shoe)\/.*?)<\/small>/g)].map(([, name]) => name as string);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !existsSync(join(data, name)))).toEqual([]);
    expect(page).not.toMatch(/data-style="\d+">(org|lr|gradPhi)\b/);
  });

  it('names the row of an image in a Parquet file', async () => {
    const out = join(folder, 'rows');
    const parquet = join(folder, 'parquet');
    for (const split of ['train', 'test']) {
      await writeParquet(join(parquet, `${split}.parquet`), rows(6), { names: ['cat', 'ant', 'bee'] });
    }
    await transfer({ ...tinyOptions, pairs: undefined, method: 'scratch', epochs: 1, batch: 2, data: parquet, out })
      .result;
    const page = read(join(out, 'report.html'));
    expect(page).toMatch(/<small>test\.parquet, row [0-5]<\/small>/);
    expect(page).toContain('rows of a file count from 0');
  });

  it('says what a fine-tuned network starts from', async () => {
    const out = join(folder, 'tuned');
    const targetInit = join(run, 'best.safetensors');
    const { pairs: _, ...options } = tinyOptions;
    await transfer({ ...options, method: 'l2-sp', targetInit, epochs: 1, data, out }).result;
    const page = read(join(out, 'report.html'));
    expect(page).toContain('starting from the weights in best.safetensors, by the method l2-sp');
    expect(page).not.toContain('without a source');
  });

  it('of a run in progress is what its files give', async () => {
    const begun = join(folder, 'begun');
    cpSync(run, begun, { recursive: true });
    for (const name of ['state.safetensors', 'best.safetensors', 'report.html']) rmSync(join(begun, name));
    writeFileSync(join(begun, 'metrics.jsonl'), `${JSON.stringify(linesOf(run)[0])}\n`);
    const page = read(await report(begun));
    expect(page).toContain(
      'The run was interrupted:</strong> 1 of 2 epochs done. To go on: <code>l2t-native transfer --resume',
    );
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
    [
      'no xdg-open',
      undefined,
      /^No browser was opened: there is no xdg-open \(Debian: xdg-utils\)\. The report is \/.*\/run\/report\.html: /,
    ],
    [
      'an xdg-open without a browser',
      'exit 3',
      /^No browser was opened: xdg-open found no program for it\. The report is \//,
    ],
    ['a browser', 'exec sleep 30', /^$/],
  ])('--open, where there is %s, ends in good order', async (_, script, message) => {
    const path = temporaryFolder();
    if (script !== undefined) writeFileSync(join(path, 'xdg-open'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    symlinkSync('/usr/bin/sleep', join(path, 'sleep'));
    const ended = await cli(['report', run, '--open'], { by: ['/usr/bin/env', `PATH=${path}`] });
    expect(ended).toMatchObject({
      code: 0,
      stdout: `${join(run, 'report.html')}\n`,
      stderr: expect.stringMatching(message),
    });
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

describe('the report of a run that goes on', () => {
  const endless = { ...tinyOptions, pairs: undefined, method: 'scratch', epochs: 100_000 } as const;

  it('is written again after epochs, and says that the run was interrupted, goes on, and is finished', async () => {
    const out = join(folder, 'growing');
    const stop = new AbortController();
    const growing = transfer({ ...endless, data: tinyData(4), out, patience: undefined, signal: stop.signal });
    let page = '';
    for await (const { type } of growing) {
      if (type === 'start') expect(stateOf(read(join(out, 'report.html')))).toBe('running');
      if (type === 'epoch') page = read(join(out, 'report.html'));
      if (
        /<strong>The run goes on:<\/strong> [1-9]\d* of 100000 epochs done; [\d.]+ s an epoch .*; about .* left\./.test(
          page,
        )
      )
        stop.abort();
    }
    await expect(growing.result).rejects.toMatchObject({ code: 'ABORTED' });
    expect(stateOf(page)).toBe('running');
    expect(embedded(page).length).toBeGreaterThan(0);
    const interrupted = read(join(out, 'report.html'));
    expect(stateOf(interrupted)).toBe('interrupted');
    expect(embedded(interrupted)).toEqual(linesOf(out));
  });

  it('of a killed run says so once it is made again; a resume goes on with it to its end', async () => {
    const out = join(folder, 'killed');
    const args = ['transfer', ...tinyFlags, '--method', 'scratch', '--data', tinyData(4), '--out', out];
    const flags = [...args, '--epochs', '60'].filter((word, k, all) => word !== '--pairs' && all[k - 1] !== '--pairs');
    const { child, ended } = await cliUntil(flags, /epoch +1\/60/);
    child.kill('SIGKILL');
    await ended;
    expect(stateOf(read(join(out, 'report.html')))).toBe('running');
    expect(stateOf(read(await report(out)))).toBe('interrupted');
    const again = resume(out);
    for await (const { type } of again)
      if (type === 'start') expect(stateOf(read(join(out, 'report.html')))).toBe('running');
    expect((await again.result).report).toBe(join(out, 'report.html'));
    expect(read(join(out, 'report.html'))).toMatch(/<strong>The run is finished:<\/strong> 60 epochs in/);
  });

  it('of a run that was killed at its very end is made by the resume', async () => {
    const out = join(folder, 'nearly');
    cpSync(run, out, { recursive: true });
    const file = join(out, 'report.html');
    writeFileSync(file, read(file).replace('content="finished"', 'content="running"'));
    await resume(out).result;
    expect(stateOf(read(file))).toBe('finished');
  });

  it('that failed says why', async () => {
    const out = join(folder, 'diverged');
    const failing = transfer({ ...endless, lr: 100, data: tinyData(4), out });
    await expect(failing.result).rejects.toMatchObject({ code: 'DIVERGED' });
    expect(stateOf(read(join(out, 'report.html')))).toBe('failed');
    expect(read(join(out, 'report.html'))).toMatch(
      /<strong>The run failed:<\/strong> \d+ of 100000 epochs done\. The cross-entropy became NaN/,
    );
  });

  it('is written after a hundred times as long as the last writing took', async () => {
    const clock = vi.spyOn(performance, 'now');
    try {
      let [now, made] = [1000, 0];
      clock.mockImplementation(() => now);
      const page = new GrowingPage(join(folder, 'seldom.html'), undefined);
      const status = { state: 'running', text: '', done: 0, again: '' } as const;
      const write = () =>
        page.write(() => {
          made++;
          now += 5;
          return { title: 'x', status, main: html`` };
        });
      await write();
      now += 494;
      await write();
      expect(made).toBe(1);
      now += 1;
      await write();
      expect(made).toBe(2);
    } finally {
      clock.mockRestore();
    }
  });

  it('that cannot be written is a warning, and the run goes on', async () => {
    const out = join(folder, 'unwritable');
    const stuck = transfer({ ...tinyOptions, pairs: undefined, method: 'scratch', data: tinyData(4), out });
    const warnings: string[] = [];
    for await (const event of stuck) {
      if (event.type === 'start') {
        rmSync(join(out, 'report.html'));
        mkdirSync(join(out, 'report.html'));
      }
      if (event.type === 'warning') warnings.push(event.message);
    }
    expect(await stuck.result).toMatchObject({ epochs: 2 });
    expect(warnings.join()).toMatch(/report\.html/);
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
    // Two seeds of each row, and their differences to each of two baselines.
    expect(page.match(/class="dot"/g)).toHaveLength(4 + 4);
    for (const cost of ['ms an image', 'parameters', 'seconds of a run']) {
      expect(page).toContain(`<th scope="col">${cost}`);
    }
    expect(Object.keys(embedded(page)).sort()).toEqual(['fm_8-3-0', 'fm_8-3-1', 'scratch-0', 'scratch-1']);
    expect(embedded(page)['fm_8-3-1']).toEqual(linesOf(join(out, 'fm_8-3-1')));
  });

  it('goes on with the experiment, whose table it has while runs are missing', async () => {
    const going = join(folder, 'going');
    const options = { ...tinyOptions, pairs: undefined, epochs: 1, data, seeds: 2, parallel: 1, out: going };
    const pages: string[] = [];
    const stop = new AbortController();
    const follow: Follow = async (one) => {
      pages.push(read(join(going, 'report.html')));
      if (pages.length === 2) stop.abort();
      return one.result;
    };
    const begun = compare({ ...options, methods: 'scratch', follow, signal: stop.signal });
    await expect(begun).rejects.toMatchObject({ code: 'ABORTED' });
    expect(pages[0]).toContain('<strong>The experiment goes on:</strong> 0 of 2 runs are done');
    expect(read(join(going, 'report.html'))).toMatch(
      /<strong>The experiment is not finished:<\/strong> 1 of 2 runs are done\. To go on: <code>l2t-native compare --resume/,
    );
    await resumeComparison(going);
    expect(stateOf(read(join(going, 'report.html')))).toBe('finished');
  });

  it('gives a method one colour in all figures, and each of its runs its own line', () => {
    const page = read(join(out, 'report.html'));
    const styles = [...page.matchAll(/<span data-style="(\d+)">(.*?)<\/span>/g)].map(
      ([, style, name]) => `${name} ${style}`,
    );
    // Colour is the style modulo 8.
    expect([...new Set(styles)].sort()).toEqual([
      'fm:8-3 1',
      'fm_8-3-0 1',
      'fm_8-3-1 9',
      'scratch 0',
      'scratch-0 0',
      'scratch-1 8',
    ]);
    expect(page.match(/--colour:var\(--c0\)/g)?.length).toBe(2);
    expect(page.match(/--colour:var\(--c1\)/g)?.length).toBe(2);
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
