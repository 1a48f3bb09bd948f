import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { readBuildStamp } from '../../setup/build.mjs';
import { packageRoot } from '../../setup/files.mjs';

const withoutCuda = 'native/backends/cuda/none.cc';

/** Every C++ source of the addon, with the CUDA part or without: what a build must compile. */
function expected(cuda: boolean): string[] {
  const below = (folder: string) =>
    (readdirSync(join(packageRoot, folder), { recursive: true }) as string[]).map((name) => join(folder, name));
  return [...below('native'), ...below('binding')]
    .filter((path) => path.endsWith('.cc') && !path.startsWith('binding/build/'))
    .filter((path) =>
      cuda ? !path.endsWith('/cuda/none.cc') : !path.includes('/backends/cuda/') || path === withoutCuda,
    )
    .map((path) => join(packageRoot, path))
    .sort();
}

/** The files that a room's one includes; else the file itself. */
function filesOf(compiled: string): string[] {
  if (!compiled.includes('/Unity/')) return [compiled];
  return [...readFileSync(compiled, 'utf8').matchAll(/^#include "([^"]+)"$/gm)].map(([, path = '']) => path);
}

test('CMake compiles every source', () => {
  const commands = JSON.parse(readFileSync(join(packageRoot, 'build/compile_commands.json'), 'utf8')) as {
    file: string;
    command: string;
  }[];
  // The program of the fake device compiles the kernels for the host.
  const compiled = commands
    .filter(({ command }) => !command.includes('l2t_device_tests.dir'))
    .flatMap(({ file }) => filesOf(file))
    .filter((file) => !/\/(test|tools)\//.test(file));
  // The tests' addon has some of them, too.
  expect([...new Set(compiled)].sort()).toEqual(expected(readBuildStamp()?.cuda?.built === true));
});

test('node-gyp compiles the same, without the CUDA part', () => {
  const gyp = readFileSync(join(packageRoot, 'binding/binding.gyp'), 'utf8');
  const [, script = ''] = /'sources': \['<!@\(node (\S+)\)'\]/.exec(gyp) ?? [];
  const child = spawnSync(process.execPath, [script], { cwd: join(packageRoot, 'binding'), encoding: 'utf8' });
  // The small library that is loaded before the addon is a target of its own.
  const named = [...gyp.matchAll(/'sources': \['([^<']+)'\]/g)].map(([, path = '']) => path);
  const sources = [...child.stdout.trim().split('\n'), ...named];
  expect(sources.map((path) => resolve(packageRoot, 'binding', path)).sort()).toEqual(expected(false));
});

test('both define the same', () => {
  const defines = (path: string) =>
    readFileSync(join(packageRoot, path), 'utf8').match(
      /AT_PER_OPERATOR_HEADERS\b(?! *:)|NAPI_VERSION=\d+|NODE_ADDON_API_\w+|_GLIBCXX_USE_CXX11_ABI=\d/g,
    );
  expect(new Set(defines('binding/binding.gyp'))).toEqual(new Set(defines('CMakeLists.txt')));
});

test('nothing runs by itself when the package is installed', () => {
  const { scripts } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) expect(scripts).not.toHaveProperty(name);
  expect(existsSync(join(packageRoot, 'binding.gyp'))).toBe(false);
});
