import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { toTensorMap } from '../../src/native/tensor.js';
import { loadCheckpoint } from '../../src/networks/checkpoint.js';
import { writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { encode, pattern } from '../data/generate.js';
import { cli, temporaryFolder, tinySource, write } from '../tiny.js';

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

  it('predicts what it can, names what it cannot, and exits with 1', async () => {
    const junk = write(folder, 'junk.png', 'junk');
    const none = join(folder, 'none.png');
    const files = [images[0] as string, none, images[1] as string, junk];
    const { code, stdout, stderr } = await cli(['predict', ...files, '--checkpoint', source, '--json', '--batch', '1']);
    expect(code).toBe(1);
    expect(stderr).toContain(`2 of 4 images could not be read: ${none}, ${junk}.`);
    const outcomes: { label?: string; error?: { code: string } }[] = JSON.parse(stdout);
    expect(outcomes.map(({ label, error }) => error?.code ?? typeof label)).toEqual([
      ...['string', 'FILE_ACCESS', 'string', 'INVALID_DATA'],
    ]);
    const message = `error[INVALID_DATA]: ${junk} is not a PNG, JPEG, WebP or GIF image. Replace or remove it.\n`;
    expect(await cli(['predict', junk, '--checkpoint', source])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(message),
    });
  });

  it('says what to type instead of a folder, and of a pattern that matches nothing', async () => {
    const empty = temporaryFolder();
    const { code, stderr } = await cli(['predict', folder, empty, `${folder}/*.jpg`, '--checkpoint', source]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${folder} is a folder: name its images, such as ${folder}/*.png.\n`);
    expect(stderr).toContain(`${empty} is a folder without images: name image files, such as ${empty}/*.jpg.\n`);
    expect(stderr).toContain(`No file matches ${folder}/*.jpg: check the folder and the file extension, and`);
    expect(stderr).toContain('error[FILE_ACCESS]: 3 of 3 images could not be read');
  });

  it('asks for the network where the checkpoint does not say it', async () => {
    const foreign = join(folder, 'foreign.safetensors');
    await writeSafetensors(foreign, toTensorMap((await loadCheckpoint(source)).weights), new Map());
    const args = ['predict', images[0] as string, '--checkpoint', foreign, '--json'];
    expect((await cli(args)).stderr).toMatch(/does not say which network it holds: give --network resnet20, which its/);
    const { code, stdout } = await cli([...args, '--network', 'resnet20']);
    expect([code, JSON.parse(stdout)[0].label]).toEqual([0, expect.stringMatching(/^[0-3]$/)]);
    expect(await cli(['predict', images[0] as string])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--checkpoint is missing (trained network'),
    });
  });
});
