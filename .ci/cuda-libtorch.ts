/**
 * Debian's LibTorch with CUDA, beside the installed LibTorch, with which its packages conflict. NVIDIA's own libraries
 * (cuDNN, cuBLAS, NCCL, …) are large, and no check without a GPU calls them: stubs have every function that LibTorch
 * wants of them, and end the process if one is called.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, unpackPackages } from './unpack.js';

const packages = [
  ...['libtorch-cuda-2.6', 'libtorch-cuda-dev', 'libgloo-cuda-0', 'libtensorpipe-cuda-0'],
  ...['libcudart12', 'libnvtoolsext1'],
];

export interface CudaLibTorch {
  readonly prefix: string;
  /** The library folders, in search order. */
  readonly libraries: readonly [string, string];
}

/** Returns the folders of Debian's LibTorch with CUDA. The first call downloads it. */
export function cudaLibTorch(say: (line: string) => void, cache = cacheFolder('check-cuda')): CudaLibTorch {
  const prefix = join(cache, 'root/usr');
  if (existsSync(prefix)) say(`LibTorch with CUDA is in ${cache}`);
  else {
    const size = { download: '485 MB', unpacked: '1.5 GB' };
    unpackPackages({ cache, packages, sections: ['main', 'contrib', 'non-free'], size, say });
  }
  return { prefix, libraries: [join(prefix, 'lib/x86_64-linux-gnu'), join(prefix, 'lib')] };
}

const nvidia = /^lib(cu[a-zA-Z]+|nccl|nv[a-zA-Z]+)\.so/;

function missingLibraries(library: string, libraries: readonly string[]): string[] {
  const env = { ...process.env, LD_LIBRARY_PATH: libraries.join(':') };
  const output = execFileSync('ldd', [library], { encoding: 'utf8', env });
  return [...new Set([...output.matchAll(/^\s*(\S+) => not found$/gm)].map(([, name = '']) => name))];
}

/** The functions of the library `name` in what nm prints of undefined symbols, with a version or by their prefix. */
export function functionsOf(name: string, undefinedSymbols: readonly string[]): string[] {
  const [, prefix = ''] = /^lib(.*?)\.so/.exec(name) ?? [];
  return undefinedSymbols.filter((symbol) => {
    const [bare = '', version] = symbol.split('@');
    return version === undefined ? bare.startsWith(prefix) : version === name;
  });
}

function compile(folder: string, name: string, functions: readonly string[]): void {
  const source = join(folder, `${name}.c`);
  const script = join(folder, `${name}.version`);
  const bodies = functions.map((symbol) => {
    const bare = symbol.split('@')[0];
    return `void ${bare}(void) { fputs("${bare} of a stub was called\\n", stderr); abort(); }`;
  });
  writeFileSync(source, ['#include <stdio.h>', '#include <stdlib.h>', ...bodies, ''].join('\n'));
  // Every symbol has the library's name as its version, as in NVIDIA's own libraries.
  writeFileSync(script, `${name} { *; };\n`);
  const flags = ['-shared', '-fPIC', '-w', `-Wl,-soname,${name}`, `-Wl,--version-script,${script}`];
  execFileSync('g++', ['-x', 'c', ...flags, source, '-o', join(folder, name)], { stdio: ['ignore', 'ignore', 2] });
}

/**
 * Makes stubs in `folder` for NVIDIA's libraries that the LibTorch in `libraries` lacks. Returns their names. Throws
 * where it lacks something else.
 */
export function makeStubs(folder: string, libraries: CudaLibTorch['libraries']): string[] {
  const library = join(libraries[0], 'libtorch_cuda.so');
  const missing = missingLibraries(library, libraries);
  const others = missing.filter((name) => !nvidia.test(name));
  if (others.length > 0) throw new Error(`LibTorch needs ${others.join(', ')}: apt-get install libtorch-dev`);
  const users = [library, join(libraries[1], 'libgloo_cuda.so.0')];
  const text = users.map((user) => execFileSync('nm', ['-D', '--undefined-only', user], { encoding: 'utf8' })).join('');
  const symbols = [...new Set([...text.matchAll(/ U (\S+)/g)].map(([, symbol = '']) => symbol))];
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of missing) compile(folder, name, functionsOf(name, symbols));
  return missing;
}
