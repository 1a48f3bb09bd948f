import { cpSync, existsSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeClasses } from '../data/generate.js';
import { cli, flagsOf, newPath, temporaryFolder, tinyData, tinyOptions, write } from '../tiny.js';

const shared = fileURLToPath(new URL('../../../shared', import.meta.url));

let data: string;
beforeAll(async () => {
  data = tinyData();
});

describe('the command line', { timeout: 120_000 }, () => {
  it('pretrains, transfers, evaluates and inspects; --json prints one document and nothing else', async () => {
    const [pretrained, run] = [newPath(), newPath()];
    const small = { data, width: 0.125, epochs: 1, batch: 6, threads: 1 };
    const pretraining = flagsOf({ ...small, network: 'vgg9_bn', out: pretrained });
    const first = await cli(['pretrain', ...pretraining, '--json']);
    expect(first.code).toBe(0);
    const checkpoint = join(pretrained, 'best.safetensors');
    const transferring = { ...small, source: checkpoint, target: 'vgg9_bn', method: 'l2t-ww', pairs: 'one-to-one' };
    const more = { perClass: 10, seed: 3, engine: 'autograd', out: run };
    const second = await cli(['transfer', ...flagsOf({ ...transferring, ...more }), '--json']);
    const keys = [
      ...['run', 'checkpoint', 'report', 'method', 'lr', 'correct', 'total', 'skipped', 'accuracy', 'topK', 'best'],
      ...['epochs', 'endedEarly', 'finetuned', 'learned', 'seconds'],
    ];
    expect(Object.keys(JSON.parse(second.stdout)).toSorted()).toEqual(keys.toSorted());
    const evaluated = await cli(['eval', join(run, 'best.safetensors'), '--data', data, '--json']);
    const { correct, total, learned } = JSON.parse(second.stdout);
    expect(second.stderr).toContain(`\n${learned.sentence}\n`);
    expect(JSON.parse(first.stdout).learned).toBeNull();
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ correct, total, accuracy: correct / total });
    const file = JSON.parse((await cli(['inspect', checkpoint, '--json'])).stdout);
    expect(file.network).toMatchObject({ name: 'vgg9_bn', classes: 3, width: 0.125, size: 32 });
    expect(file.network.features[0]).toEqual({ index: 0, channels: 8, size: 32, candidate: true });
    const folderReport = JSON.parse((await cli(['inspect', run, '--json'])).stdout);
    expect(folderReport).toMatchObject({ verb: 'transfer', epochs: 1, options: { perClass: 10, seed: 3 } });
    expect(folderReport.pairs.map(({ pair }: { pair: unknown }) => pair)[0]).toEqual([0, 0]);
    expect((await cli(['inspect', run])).stdout).toMatch(/λ at the start of the run/);
  });

  it('says how long a run takes and how much is left, and how a finished one is trained further', async () => {
    const run = newPath();
    const { pairs: _, ...options } = { ...tinyOptions, method: 'scratch', data, epochs: 3, out: run };
    const started = Date.now();
    const first = await cli(['transfer', ...flagsOf(options)]);
    const seconds = (Date.now() - started) / 1000;
    expect(first.stderr).toMatch(/\n[23] epochs of about .* s: .*\n/);
    expect(first.stderr).toMatch(/\nepoch 2\/3 .* s, .* left\nepoch 3\/3 .* s\nreport: /);
    // The last line has the time of the command, of which training is a part.
    const [, told = ''] = /learning rate 0\.01; (\d+) s; /.exec(first.stdout) ?? [];
    expect(Number(told)).toBeGreaterThan(0.5 * seconds - 1);
    const again = await cli(['transfer', '--resume', run, '--epochs', '4']);
    expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/run is complete, after 3 epochs\. /)]);
    const [, words = ''] = /l2t-native (transfer .*)\n$/.exec(again.stderr) ?? [];
    expect(words).toContain(`--target-init ${run}`);
    const further = await cli([...words.split(' '), '--out', join(run, '..', 'further'), '--json']);
    expect(JSON.parse(further.stdout)).toMatchObject({ epochs: 4, method: 'scratch', lr: 0.01 });
  });

  it('says in words which images test, which epoch is the result, and what eval takes from its run', async () => {
    const flat = temporaryFolder();
    await writeClasses(flat, { a: 20, b: 20 });
    const run = newPath();
    const small = { method: 'scratch', target: 'vgg9_bn', width: 0.125, epochs: 1, threads: 1 };
    const trained = await cli(['transfer', ...flagsOf({ ...small, data: flat, validation: 2, out: run })]);
    expect(trained.stderr).toMatch(
      /; 32 training, 4 validation, 4 test images \(a tenth of each class: the data has none\); the result is the last epoch/,
    );
    expect(trained.stdout).toMatch(
      /\((\d) of 4\); weights of epoch 1, the last \(validation .*; .*\/best\.safetensors\n$/,
    );
    const correct = Number(/\((\d) of 4\)/.exec(trained.stdout)?.[1]);
    const evaluated = await cli(['eval', join(run, 'best.safetensors'), '--data', flat, '--json']);
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ correct, total: 4 });
    const noted = `evaluating on the 4 test images that ${join(run, 'split.json')} names\n`;
    expect(evaluated.stderr).toBe(noted);
    // By a link, too.
    const link = join(temporaryFolder(), 'model.safetensors');
    symlinkSync(join(run, 'best.safetensors'), link);
    expect((await cli(['eval', link, '--data', flat, '--json'])).stdout).toBe(evaluated.stdout);
    // The same images elsewhere, and with another one.
    const copy = join(temporaryFolder(), 'copy');
    cpSync(flat, copy, { recursive: true });
    const there = ['eval', join(run, 'best.safetensors'), '--data', copy, '--json'];
    expect(await cli(there)).toMatchObject({ stdout: evaluated.stdout, stderr: noted });
    const [name = ''] = readdirSync(copy);
    const [image = ''] = readdirSync(join(copy, name));
    cpSync(join(copy, name, image), join(copy, name, 'one-more.png'));
    const whole = await cli(there);
    expect(JSON.parse(whole.stdout)).toMatchObject({ total: 41 });
    expect(whole.stderr).toMatch(/^warning: .*copy does not hold what .* all 41 images are evaluated/);
  });

  it('takes options from YAML, and flags over them', async () => {
    const folder = temporaryFolder();
    const config = write(folder, 'options.yaml', `data: ${data}\nepochs: 1\nlr: 0.5\nseed: 9\nmethod: scratch\n`);
    const run = join(folder, 'run');
    const flags = ['--target', 'vgg9_bn', '--width', '0.125', '--lr', '0.01', '--threads', '1'];
    const outcome = await cli(['transfer', '--config', config, ...flags, '--out', run, '--json']);
    expect(outcome.code).toBe(0);
    const { options } = JSON.parse((await cli(['inspect', run, '--json'])).stdout);
    expect(options).toMatchObject({ epochs: 1, seed: 9, lr: 0.01, method: 'scratch', momentum: 0.9 });
  });

  it.skipIf(!existsSync(shared))(
    'gives 985 of 2,000 for the published source (skipped without ../shared)',
    async () => {
      const args = [join(shared, 'checkpoints/resnet32-tinyimagenet.pth.tar'), '--network', 'resnet32'];
      const images = ['--data', join(shared, 'data/tinyimagenet64/val'), '--size', '32', '--json'];
      expect(JSON.parse((await cli(['eval', ...args, ...images])).stdout)).toMatchObject({ correct: 985, total: 2000 });
    },
  );
});
