import { type ChildProcess, spawnSync } from 'node:child_process';
import { linkSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { toTensorMap } from '../../src/native/tensor.js';
import { loadCheckpoint } from '../../src/networks/checkpoint.js';
import { writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { encode, pattern } from '../data/generate.js';
import { cli, main, temporaryFolder, tinySource, write } from '../tiny.js';

const folder = temporaryFolder();
let source: string;
let images: string[];
beforeAll(async () => {
  source = await tinySource();
  const bytes = await Promise.all([1, 2, 3].map((seed) => encode(pattern(seed, 40, 50), 40, 50, 'png')));
  images = bytes.map((png, i) => write(folder, `${i}.png`, png));
});

describe('predict', { timeout: 60_000 }, () => {
  it('prints a line an image, or one JSON document', async () => {
    const json = await cli(['predict', ...images, '--checkpoint', source, '--top', '3', '--json']);
    expect(json).toMatchObject({ code: 0, stderr: '' });
    const predictions = JSON.parse(json.stdout);
    expect(predictions.map(({ file }: { file: string }) => file)).toEqual(images);
    expect(predictions[0]).toMatchObject({ label: predictions[0].best[0].label, index: expect.any(Number) });
    expect(predictions[0].best.length).toBe(3);
    const { code, stdout } = await cli(['predict', ...images, '--checkpoint', source, '--top', '3']);
    const lines = stdout.trimEnd().split('\n');
    expect([code, lines.length]).toEqual([0, 4]);
    const [first, second] = predictions[0].best.map(({ probability }: { probability: number }) => 100 * probability);
    const { label, best } = predictions[0];
    expect(lines[1]?.replaceAll(/ +/g, ' ')).toContain(
      `${images[0]} ${label} ${first.toFixed(1)} % ${best[1].label} ${second.toFixed(1)} %, `,
    );
  });

  it('predicts what it can, lists the rest at the end, and exits with 1', async () => {
    const [first, second] = images as [string, string];
    const junk = write(folder, 'junk.png', 'junk');
    const none = join(folder, 'none.png');
    const empty = temporaryFolder();
    const pattern = `${folder}/*.jpg`;
    const files = [first, none, empty, second, junk, pattern];
    const problems = [
      `Cannot read ${none}: it, or its folder, does not exist: check the path.`,
      `${empty} is a folder without images (PNG, JPEG, WebP, GIF or AVIF): check the path.`,
      `${junk} is not a PNG, JPEG, WebP, GIF or AVIF image. Replace or remove it.`,
      `No file matches ${pattern}: check the folder and the file extension.`,
    ];
    const list = ['error[FILE_ACCESS]: 4 of 6 images could not be read:', ...problems].join('\n');
    const json = await cli(['predict', ...files, '--checkpoint', source, '--json', '--batch', '1']);
    expect(json).toMatchObject({ code: 1, stderr: `${list}\n` });
    const outcomes: { file: string; label?: string; error?: { code: string } }[] = JSON.parse(json.stdout);
    expect(outcomes.map(({ file }) => file)).toEqual(files);
    const code = ({ label, error }: (typeof outcomes)[number]) => error?.code ?? typeof label;
    const [found, lost] = ['string', 'FILE_ACCESS'];
    expect(outcomes.map(code)).toEqual([found, lost, lost, found, 'INVALID_DATA', lost]);
    const table = await cli(['predict', ...files, '--checkpoint', source]);
    expect(table).toMatchObject({ code: 1, stderr: `${list}\n` });
    expect(table.stdout.split('\n').map((line) => line.split(' ')[0])).toEqual(['file', first, second, '']);
    const stopped = await cli(['predict', ...files, '--checkpoint', source, '--csv', '--stop-on-error']);
    expect(stopped).toMatchObject({ code: 1, stderr: `error[FILE_ACCESS]: ${problems[0]}\n` });
    expect(stopped.stdout.trimEnd().split('\n').length).toBe(3);
    const alone = await cli(['predict', junk, '--checkpoint', source]);
    expect(alone).toMatchObject({ code: 1, signal: null, stdout: '', stderr: `error[INVALID_DATA]: ${problems[2]}\n` });
  });

  it('takes folders and patterns, as a person types them', async () => {
    const folder = temporaryFolder();
    const [one, two] = [0, 1].map((i) => readFileSync(images[i] as string)) as [Buffer, Buffer];
    write(join(folder, 'new', 'b', 'deep'), '1.png', one);
    write(join(folder, 'new', 'a'), '2.PNG', two);
    // Images are known by their extension or their content.
    write(join(folder, 'new', 'a'), 'photo', one);
    write(join(folder, 'new', 'a'), 'notes.txt', 'no image');
    write(join(folder, 'new', '.hidden'), '3.png', one);
    symlinkSync('..', join(folder, 'new', 'b', 'circle'));
    // Its name is taken before the pattern, which would match 1.png.
    write(join(folder, 'new'), '[1].png', two);
    write(join(folder, 'new'), '1.png', one);
    const predicted = async (...args: string[]) => {
      const { stdout } = await cli(['predict', ...args, '--checkpoint', source, '--json'], { cwd: folder });
      return JSON.parse(stdout).map(({ file }: { file: string }) => file);
    };
    const all = ['new/1.png', 'new/[1].png', 'new/a/2.PNG', 'new/a/photo', 'new/b/deep/1.png'];
    expect(await predicted('new')).toEqual(all);
    expect(await predicted(join(folder, 'new'))).toEqual(all.map((file) => join(folder, file)));
    expect(await predicted('new/**/*.{png,PNG}')).toEqual(all.filter((file) => file !== 'new/a/photo'));
    expect(await predicted('new/b/*/?.png')).toEqual(['new/b/circle/1.png', 'new/b/deep/1.png']);
    expect(await predicted('new/[1].png')).toEqual(['new/[1].png']);
    expect(await predicted(`${folder}/new/?.png`)).toEqual([join(folder, 'new/1.png')]);
  });

  it('reads an image from the standard input', () => {
    const run = (args: string[], input: Buffer | string) =>
      spawnSync(process.execPath, [main, 'predict', ...args, '--checkpoint', source, '--json'], {
        input,
        encoding: 'utf8',
      });
    const [first] = images as [string];
    const [piped, named] = JSON.parse(run(['-', first], readFileSync(first)).stdout);
    expect(piped).toEqual({ ...named, file: '-' });
    const junk = run(['-'], 'junk');
    expect(junk.status).toBe(1);
    expect(junk.stderr).toMatch(/^error\[INVALID_DATA\]: The standard input is not a PNG/);
    expect(run(['-', '-'], 'junk')).toMatchObject({ status: 2, stderr: expect.stringMatching(/- is given twice/) });
  });

  it('prints CSV, also of names and labels that need quotes', async () => {
    const strange = write(temporaryFolder(), 'a "b",\nc.png', readFileSync(images[0] as string));
    const junk = write(folder, 'junk.png', 'junk');
    const args = ['predict', strange, junk, '--checkpoint', source, '--top', '2'];
    const { code, stdout } = await cli([...args, '--csv']);
    const [{ best }] = JSON.parse((await cli([...args, '--json'])).stdout);
    const [one, two] = best.map(({ label, probability }: { label: string; probability: number }) => [
      label,
      probability,
    ]);
    expect([code, stdout]).toEqual([
      1,
      'file,label,index,probability,label_2,probability_2,error\n' +
        `"${strange.replaceAll('"', '""')}",${one[0]},${best[0].index},${one[1]},${two[0]},${two[1]},\n` +
        `${junk},,,,,,"${junk} is not a PNG, JPEG, WebP, GIF or AVIF image. Replace or remove it."\n`,
    ]);
    expect(await cli([...args, '--csv', '--json'])).toMatchObject({ code: 2, stdout: '' });
  });

  it('prints as it goes: what is interrupted has printed what was done', async () => {
    const many = temporaryFolder();
    for (let i = 0; i < 3000; i++) linkSync(images[0] as string, join(many, `${i}.png`));
    for (const format of ['--csv', '--json']) {
      const args = ['predict', many, '--checkpoint', source, '--batch', '1', '--top', '1', format];
      const meanwhile = (child: ChildProcess) => child.stdout?.once('data', () => child.kill('SIGINT'));
      const { code, stdout } = await cli(args, { meanwhile });
      expect(code).toBe(130);
      const rows = format === '--json' ? JSON.parse(stdout).length : stdout.trimEnd().split('\n').length - 1;
      expect(rows).toBeGreaterThan(0);
      expect(rows).toBeLessThan(3000);
      expect(stdout.endsWith('\n')).toBe(true);
    }
  });

  it('takes the network whose entries the file has, and says so; another one is refused', async () => {
    const foreign = join(folder, 'foreign.safetensors');
    await writeSafetensors(foreign, toTensorMap((await loadCheckpoint(source)).weights), new Map());
    const args = ['predict', foreign, images[0] as string, '--json'];
    const { code, stdout, stderr } = await cli(args);
    expect([code, JSON.parse(stdout)[0].label]).toEqual([0, expect.stringMatching(/^[0-3]$/)]);
    expect(stderr).toContain('foreign.safetensors has the entries of a resnet20\n');
    expect((await cli([...args, '--network', 'vgg9_bn'])).stderr).toMatch(
      /holds a resnet20, where a vgg9_bn is expected/,
    );
  });

  it('needs a checkpoint, and images after it', async () => {
    expect(await cli(['predict', images[0] as string])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /\.png is no checkpoint: name a weights file .* or a name of source list before the images/,
      ),
    });
    expect(await cli(['predict', source])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('The images are missing'),
    });
  });
});
