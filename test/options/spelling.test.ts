import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { L2TError, transfer } from '../../src/index.js';
import type { About } from '../../src/options/check.js';
import { helpOf } from '../../src/options/check.js';
import { resumeCommand } from '../../src/options/command.js';
import { settings } from '../../src/options/methods.js';
import { flagOf, named, optionsIn, spelled } from '../../src/options/spelling.js';
import { helps } from '../../tools/option-help.js';
import { cli, newPath, tinyData, tinyOptions } from '../tiny.js';

describe('a message', () => {
  it.each([
    [
      'use a smaller {batch}, {size} or {width}.',
      'use a smaller --batch, --size or --width.',
      'use a smaller batch, size or width.',
    ],
    [
      'use {engine=native} ({weightDecay}).',
      'use --engine native (--weight-decay).',
      "use engine: 'native' (weightDecay).",
    ],
    ['{lr=0.025}: {lr=1e-4}', '--lr 0.025: --lr 1e-4', 'lr: 0.025: lr: 1e-4'],
    ['{lr=auto}, {device=cuda:0}', '--lr auto, --device cuda:0', "lr: 'auto', device: 'cuda:0'"],
    ['give {report=false} or {balance=true}', 'give --no-report or --balance', 'give report: false or balance: true'],
  ])('%s', (text, flags, typescript) => {
    expect([spelled(text, 'flags'), spelled(text, 'TypeScript')]).toEqual([flags, typescript]);
  });

  it.each(['{widht}: unknown', '{nproc=2}', 'x/{width}/y', '{width}.png', "'{width}'", '{"width": 1}', '{width=a b}'])(
    'keeps the braces of %s, which are not ours',
    (text) => {
      expect([spelled(text, 'flags'), optionsIn(text)]).toEqual([text, []]);
    },
  );

  it('lists its options in its order, each once, and those of the error that it quotes', () => {
    const inner = new L2TError('INVALID_OPTION', '{size} is wrong.');
    const outer = new L2TError('INVALID_OPTION', `{width} and {engine=native}, or {width}: ${inner.message}`, {
      cause: inner,
    });
    expect(outer.options).toEqual(['width', 'engine', 'size']);
    expect(outer.message).toBe("width and engine: 'native', or width: size is wrong.");
    expect(new L2TError('INTERNAL', 'x').options).toEqual([]);
  });

  it('keeps a folder in braces within a command or quotes; a path that is nothing else is taken for the option', () => {
    const { message } = new L2TError('ABORTED', `Continue it with: ${resumeCommand('transfer', '{width}')}`);
    expect(message).toBe("Continue it with: l2t-native transfer --resume '{width}'");
    expect(new L2TError('INVALID_RUN', '{width} holds no run.').message).toBe('width holds no run.');
    expect(new L2TError('INVALID_RUN', '/runs/{width} holds no run.').message).toBe('/runs/{width} holds no run.');
  });

  it('names an option whose value is wrong, whatever it is', () => {
    expect([named('width'), named('nproc'), named('nproc', '--nproc')]).toEqual(['{width}', 'nproc', '--nproc']);
  });
});

it('the command that continues a run may name any folder', () => {
  expect(resumeCommand('transfer', "it's")).toBe("l2t-native transfer --resume 'it'\\''s'");
  expect(resumeCommand('compare', '-x')).toBe('l2t-native compare --resume=-x');
});

it('help names other options as the command line or TypeScript does', () => {
  const about = settings.l2SpAlpha.meta() as About;
  expect(helpOf(about, 'flags')).toMatch(/^weight of the distance to --target-init in l2-sp \(0\.1\)/);
  expect(helpOf(about, 'TypeScript')).toMatch(/^weight of the distance to targetInit in l2-sp \(0\.1\)/);
});

describe('what a caller is told', () => {
  const transferOptions = { ...tinyOptions, method: 'scratch', pairs: undefined, out: newPath() } as const;

  it('names options as TypeScript does, from both sides', async () => {
    const data = tinyData();
    await expect(transfer({ ...transferOptions, data, width: 9 }).result).rejects.toMatchObject({
      message: 'Option width is 9: it must be a number above 0 and at most 8.',
      options: ['width'],
    });
    await expect(transfer({ ...transferOptions, data, size: 16 }).result).rejects.toMatchObject({
      message: expect.stringMatching(/^Images of 16 pixels .* Use size: \d+ or more\.$/),
      options: ['size'],
    });
  });

  it('names them as flags on the command line, from both sides', async () => {
    const verb = ['transfer', '--method', 'scratch', '--data', tinyData(), '--out', transferOptions.out, '--target'];
    expect((await cli([...verb, 'vgg9_bn', '--width', '9'])).stderr).toMatch(
      /^error\[INVALID_OPTION\]: --width is 9: /,
    );
    expect((await cli([...verb, 'vgg9_bn', '--size', '16'])).stderr).toMatch(/ Use --size \d+ or more\.\n$/);
  });
});

describe('the sentences of the program', () => {
  const root = (path: string) => join(packageRoot, path);
  const files = ['src', 'native', 'binding'].flatMap((room) =>
    readdirSync(root(room), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|cc|h|cu|cuh)$/.test(name) && !/^(cli|build)\//.test(name))
      .map((name) => join(room, name)),
  );
  const flags = new RegExp(`(?<![\\w-])(?:${[...helps().help.keys()].map(flagOf).join('|')})(?![\\w-])`);

  it('name no option as a flag', () => {
    const offences = files.flatMap((file) =>
      readFileSync(root(file), 'utf8')
        .split('\n')
        .filter((line) => flags.test(line) && !/^\s*(\*|\/[/*])|\bcommand\(/.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    );
    expect(offences).toEqual([]);
  });
});
