import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { explain, findLibTorch, inspect, isNewEnough, probe, setupFolder } from '../../setup/libtorch.mjs';
import { temporaryFolder } from '../tiny.js';
import { libtorchFiles, makeLibTorch, versionHeader } from './places.js';

const loads = (): undefined => undefined;

/** A machine with a LibTorch in every place of the search order. */
function machine() {
  const root = temporaryFolder();
  const env = { XDG_DATA_HOME: join(root, 'data'), HOME: root } as Record<string, string>;
  const at = {
    flag: makeLibTorch(join(root, 'flag')),
    variable: makeLibTorch(join(root, 'variable')),
    venv: makeLibTorch(join(root, 'venv-torch')),
    setup: makeLibTorch(setupFolder(env)),
    system: makeLibTorch(join(root, 'usr')),
  };
  const findPackage = (python: string) => (python === join(root, 'venv/bin/python') ? at.venv : undefined);
  return { root, env, at, options: { env, system: at.system, findPackage, load: loads } };
}

describe('the order of places', () => {
  test('each place gives way to the one before it', () => {
    const { root, env, at, options } = machine();
    const chosen = (explicit?: string) => findLibTorch({ ...options, explicit }).found;
    env.VIRTUAL_ENV = join(root, 'venv');
    env.LIBTORCH = at.variable;
    expect(chosen(at.flag)).toMatchObject({ prefix: at.flag, how: '--libtorch', version: '2.6.0' });
    expect(chosen()).toMatchObject({ prefix: at.variable, how: 'LIBTORCH' });
    delete env.LIBTORCH;
    expect(chosen()).toMatchObject({ prefix: at.venv, how: 'the active venv' });
    delete env.VIRTUAL_ENV;
    expect(chosen()).toMatchObject({ prefix: at.setup, how: 'l2t-native setup' });
    rmSync(at.setup, { recursive: true });
    expect(chosen()).toMatchObject({ prefix: at.system, how: 'the system' });
  });

  test('a place that was named but is refused ends the search', () => {
    const { env, options } = machine();
    env.LIBTORCH = '/nowhere/libtorch';
    const { found, tried } = findLibTorch(options);
    expect(found).toBeUndefined();
    expect(tried).toEqual([{ how: 'LIBTORCH', path: '/nowhere/libtorch', reason: 'no such folder' }]);
    delete env.LIBTORCH;
    env.LIBTORCH_USE_PYTORCH = '1';
    expect(findLibTorch(options).tried).toMatchObject([{ path: 'python3', reason: 'has no torch package' }]);
  });

  test('a venv without torch is passed over, with its reason kept', () => {
    const { root, env, at, options } = machine();
    env.VIRTUAL_ENV = join(root, 'other');
    const { found, tried } = findLibTorch(options);
    expect(found?.prefix).toBe(at.setup);
    expect(tried).toMatchObject([{ how: 'the active venv', reason: 'has no torch package' }]);
  });

  test('installing comes last, and only where no place was named', () => {
    const { root, env, at, options } = machine();
    rmSync(at.setup, { recursive: true });
    rmSync(at.system, { recursive: true });
    let installs = 0;
    const install = () => {
      installs += 1;
      makeLibTorch(at.system);
      return undefined;
    };
    env.LIBTORCH = join(root, 'absent');
    expect(findLibTorch({ ...options, install }).found).toBeUndefined();
    expect(installs).toBe(0);
    delete env.LIBTORCH;
    expect(findLibTorch({ ...options, install }).found).toMatchObject({ prefix: at.system, how: 'apt-get' });
    expect(installs).toBe(1);
  });
});

describe('what is refused', () => {
  test.each([
    ['an older one', libtorchFiles('2.5.1'), /version 2\.5\.1; 2\.6 or newer/],
    ['the old C++ ABI', libtorchFiles('2.6.0', 0), /pre-C\+\+11-ABI/],
    ['one without headers', libtorchFiles().slice(0, 1), /no headers/],
    ['one without the library', libtorchFiles().slice(1), /no libtorch\.so/],
  ])('%s', (_, files, reason) => {
    expect(inspect(makeLibTorch(join(temporaryFolder(), 'libtorch'), files), loads).reason).toMatch(reason);
  });

  test('but not one whose header says where the version is', () => {
    const at = (name: string) => (name.endsWith('version.h') ? 'include/torch/headeronly/version.h' : name);
    const files = libtorchFiles('2.13.0').map(([name, content]): [string, Uint8Array] => [at(name), content]);
    const forward: [string, Uint8Array] = [versionHeader, Buffer.from('#include <torch/headeronly/version.h>\n')];
    const folder = makeLibTorch(join(temporaryFolder(), 'libtorch'), [...files, forward]);
    expect(inspect(folder, loads)).toMatchObject({ version: '2.13.0' });
  });

  test('a corrupt library, with the loader’s own words', () => {
    const folder = makeLibTorch(join(temporaryFolder(), 'libtorch'));
    expect(inspect(folder).reason).toMatch(/libtorch\.so: (file too short|invalid ELF header)/);
  });

  test('a library whose loading never ends', () => {
    // The time limit is over before any process could have loaded anything.
    expect(probe('/nowhere/libtorch.so', 1)).toMatch(/took more than 0\.001 s/);
  });

  test('versions are compared as numbers', () => {
    expect(['2.6', '2.10.0', '2.6.0+dfsg-7', '3.0.0'].map(isNewEnough)).toEqual([true, true, true, true]);
    expect(['2.5.9', '1.13.1', '0.26'].map(isNewEnough)).toEqual([false, false, false]);
  });
});

test('the message names every place tried, why not, and three fixes with their commands', () => {
  const { root, env, at, options } = machine();
  env.VIRTUAL_ENV = join(root, 'other');
  rmSync(at.setup, { recursive: true });
  rmSync(at.system, { recursive: true });
  mkdirSync(at.system);
  const { tried } = findLibTorch({ ...options, install: () => 'not root, and there is no sudo' });
  const message = explain(tried);
  for (const { path, reason } of tried) expect(message).toContain(`${path}: ${reason}`);
  expect(tried.map(({ how }) => how)).toEqual(['the active venv', 'l2t-native setup', 'the system', 'apt-get']);
  expect(message).toContain('sudo apt-get update && sudo apt-get install -y libtorch-dev libopenblas0 libgloo-dev');
  expect(message).toMatch(/npx l2t-native setup --from 'https:\/\/.*\.zip'/);
  expect(message).toContain('export LIBTORCH=/path/to/libtorch');
  expect(message).toContain('export LIBTORCH_USE_PYTORCH=1');
});
