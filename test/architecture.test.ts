import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../setup/files.mjs';

/** The rooms of native/ from the ground up: a room may include those below it, and no other. */
const stack = ['core', 'ops', 'nets', 'backends', 'tape', 'transfer', 'terms', 'bilevel'];
const beyond: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(stack.map((room, i) => [room, stack.slice(0, i)])),
  data: ['core'],
  oracle: stack,
  run: [...stack, 'data', 'oracle'],
  binding: [...stack, 'data', 'run'],
};

const roomOf = (path: string): string => /^(?:native\/)?([^/]+)\//.exec(path)?.[1] ?? '';

// A file with one of these takes four times as long to compile as one with the operators that it uses.
const wideHeaders = new RegExp(
  '^(ATen/(ATen|Functions|NativeFunctions|Operators|RedispatchFunctions|TensorIndexing)\\.h' +
    '|torch/(torch|all|script|extension|types|nn|nn/.*|optim|data|utils|autograd)(\\.h)?' +
    '|torch/csrc/api/.*(?<!/version\\.h))$',
);
const napiHeaders = /^(napi.*|node_api.*|js_native_api.*|node|v8|uv)\.h$/;
const autograd =
  /torch\/csrc\/autograd|\bautograd::|requires_grad|GradMode|NoGradGuard|EnableGradGuard|InferenceMode|\bbackward\(\)|\bgrad_fn\b/;
const cudaHeaders = /^(cuda|cu(blas|dnn|fft|rand|solver|sparse)|nccl|nvtx|nvToolsExt|(ATen|c10|torch\/csrc)\/cuda\/)/;

/** CUDA by name: all else asks the backend of a device. */
const cudaName = /\bcuda::/;
const namesCuda = /^native\/backends\/(cuda\/|backend\.cc$)/;

/** Joining the other processes of a run: what computes knows them as a Reducer. */
const joining = /\b(JoinedGroup|GroupConfig|join_group)\b|core\/group\.h/;
const joins = /^(native\/core\/group\w*|binding\/group)\.(cc|h)$/;

/** Comments say what they like. */
const withoutComments = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');

/** Every rule that a C++ file breaks, one sentence each. */
function violations(path: string, text: string): string[] {
  const room = roomOf(path);
  const code = withoutComments(text);
  const found: string[] = [];
  if (!(room in beyond)) found.push(`${path}: '${room}' is no room`);
  for (const [, bracket, header = ''] of code.matchAll(/^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]/gm)) {
    const target = roomOf(header);
    if (bracket === '"' && !/^(native|binding)\//.test(header)) {
      found.push(`${path}: includes ${header} by a path that is not from the root`);
    } else if (bracket === '"' && target !== room && !beyond[room]?.includes(target)) {
      found.push(`${path}: ${room} may not include ${target} (${header})`);
    }
    if (wideHeaders.test(header)) found.push(`${path}: ${header} is too wide: include ATen/ops/…`);
    if (napiHeaders.test(header) && room !== 'binding') found.push(`${path}: only binding/ sees ${header}`);
    if (cudaHeaders.test(header) && !path.startsWith('native/backends/cuda/')) {
      found.push(`${path}: only native/backends/cuda/ sees ${header}`);
    }
  }
  const autogradUse = room === 'oracle' ? null : autograd.exec(code);
  if (autogradUse) found.push(`${path}: only native/oracle uses autograd (${autogradUse[0]})`);
  if (!namesCuda.test(path) && cudaName.test(code)) found.push(`${path}: only native/backends names cuda::`);
  if (!joins.test(path) && joining.test(code)) found.push(`${path}: only core/group and binding/group join ranks`);
  return found;
}

function filesBelow(folder: string): string[] {
  return (readdirSync(join(packageRoot, folder), { recursive: true }) as string[])
    .map((name) => join(folder, name))
    .filter((path) => statSync(join(packageRoot, path)).isFile());
}

const read = (path: string): string => readFileSync(join(packageRoot, path), 'utf8');

describe('the doors between the rooms of the native part', () => {
  const sources = [...filesBelow('native'), ...filesBelow('binding')].filter(
    (path) => /\.(cc|h|cu|cuh)$/.test(path) && !path.startsWith('binding/build/'),
  );

  it('are kept by every file', () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(sources.flatMap((path) => violations(path, read(path)))).toEqual([]);
  });

  // Each rule must see what it is for: one made-up offence, and what must be said of it.
  it.each([
    ['native/core/x.h', '#include "native/ops/conv2d.h"', /core may not include ops/],
    ['native/ops/x.cc', '#include "native/nets/network.h"', /ops may not include nets/],
    ['native/nets/x.cc', '#include "native/transfer/pairs.h"', /nets may not include transfer/],
    ['native/transfer/x.cc', '#include "native/terms/term.h"', /transfer may not include terms/],
    ['native/terms/x.cc', '#include "native/bilevel/engine.h"', /terms may not include bilevel/],
    ['native/bilevel/x.cc', '#include "native/run/learner.h"', /bilevel may not include run/],
    ['native/bilevel/x.cc', '#include "native/oracle/autograd_engine.h"', /bilevel may not include oracle/],
    ['native/oracle/x.cc', '#include "native/run/config.h"', /oracle may not include run/],
    ['native/data/x.cc', '#include "native/nets/network.h"', /data may not include nets/],
    ['native/nets/x.cc', '#include "native/data/image_set.h"', /nets may not include data/],
    ['native/nets/x.cc', '#include "native/backends/backend.h"', /nets may not include backends/],
    ['native/backends/cpu/x.cc', '#include "native/tape/tape.h"', /backends may not include tape/],
    ['native/run/x.cc', '  #  include "binding/worker.h"', /run may not include binding/],
    ['binding/x.cc', '#include "native/oracle/autograd_engine.h"', /binding may not include oracle/],
    ['native/run/x.cc', '#include "learner.h"', /not from the root/],
    ['native/tools/x.cc', '', /'tools' is no room/],
    ['native/run/x.cc', '#include <napi.h>', /only binding/],
    ['native/core/x.h', '#include <ATen/ATen.h>', /too wide/],
    ['native/oracle/x.cc', '#include <torch/torch.h>', /too wide/],
    ['binding/x.cc', '#include <torch/csrc/api/include/torch/all.h>', /too wide/],
    ['native/ops/x.cc', '#include <torch/csrc/autograd/autograd.h>', /only native\/oracle/],
    ['native/run/x.cc', 'theta.requires_grad_();', /only native\/oracle/],
    ['native/run/x.cc', 'at::NoGradGuard guard;', /only native\/oracle/],
    ['native/core/x.cc', 'c10::InferenceMode guard;', /only native\/oracle/],
    ['native/core/device.cc', '#include <c10/cuda/CUDAStream.h>', /only native\/backends\/cuda/],
    ['native/run/x.cc', 'backends::cuda::memory(device);', /only native\/backends names cuda::/],
    ['native/run/x.cc', '#include "native/core/group.h"', /only core\/group and binding\/group/],
    ['native/backends/cpu/x.cc', '#include <cuda_runtime_api.h>', /only native\/backends\/cuda/],
  ])('an offence is seen: %s, %s', (path, text, message) => {
    const found = violations(path, `#pragma once\n${text}\n`);
    expect(found).toEqual([expect.stringMatching(message)]);
  });

  it('one line of the registry names CUDA', () => {
    expect(read('native/backends/backend.cc').match(new RegExp(cudaName, 'g'))).toHaveLength(1);
  });

  it('what is allowed is not taken for an offence', () => {
    const allowed = [
      [
        'binding/x.cc',
        '#include <napi.h>\n#include <torch/csrc/api/include/torch/version.h>\n#include "native/run/x.h"',
      ],
      ['native/run/x.cc', '#include "native/oracle/autograd_engine.h"\n#include "native/data/sampler.h"'],
      ['native/ops/x.cc', '#include <ATen/ops/conv2d.h>\n#include "native/ops/y.h"  // autograd::grad gives the same'],
      ['native/oracle/x.cc', '#include <torch/csrc/autograd/autograd.h>\nx.requires_grad_();'],
      ['native/backends/cuda/backend.cc', '#include <c10/cuda/CUDAStream.h>'],
      ['native/backends/cuda/x.cu', '#include <cuda_runtime_api.h>'],
    ] as const;
    expect(allowed.flatMap(([path, text]) => violations(path, text))).toEqual([]);
  });
});

/** How TypeScript would load an addon into its own process. */
const loadsAddon = /\.node['"`]|createRequire|process\.dlopen|\bbindings\(/;

/** The rooms of src/, from the lowest: a room imports those before it. */
const floors = [
  ['native', 'system'],
  ['options'],
  ['networks'],
  ['ranks'],
  ['data'],
  ['store'],
  ['inference'],
  ['report'],
  ['run'],
  ['experiments'],
  ['train'],
  ['bench', 'setup'],
  ['cli'],
];
const floorOf = (room: string): number => floors.findIndex((rooms) => rooms.includes(room));

/** Checks whether an import is allowed: by the floors, with a few exceptions both ways. */
function mayImport(from: string, to: string): boolean {
  const [room, target] = [from, to].map((path) => (path.includes('/') ? (path.split('/')[0] as string) : ''));
  if (to === 'errors.ts') return true;
  if (from === 'errors.ts') return ['system/printable.ts', 'options/spelling.ts'].includes(to);
  if (from === 'index.ts') return !['cli', 'bench', 'setup'].includes(target as string);
  if (to === 'index.ts') return false;
  if (room === target || (room === 'native' && target === 'system')) return true;
  if (target === 'bench' || target === 'setup') return room === 'cli';
  return floorOf(target as string) < floorOf(room as string);
}

/** Files of src/ by path → what each imports there. */
function importsOf(texts: ReadonlyMap<string, string>): Map<string, string[]> {
  const specifier = /(?:\bfrom |\bimport\()'(\.[^']+)'/g;
  const graph = new Map<string, string[]>();
  for (const [path, text] of texts) {
    const found = [...text.matchAll(specifier)].map(([, to = '']) => join(path, '..', to).replace(/\.js$/, '.ts'));
    graph.set(
      path,
      found.filter((to) => !to.startsWith('..')),
    );
  }
  return graph;
}

/** The first circle of imports found, as its files; none. */
function circleIn(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const visit = (path: string, above: readonly string[]): string[] => {
    if (above.includes(path)) return [...above.slice(above.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const next of graph.get(path) ?? []) {
      const circle = visit(next, [...above, path]);
      if (circle.length > 0) return circle;
    }
    done.add(path);
    return [];
  };
  for (const path of graph.keys()) {
    const circle = visit(path, []);
    if (circle.length > 0) return circle;
  }
  return [];
}

const wrongImports = (graph: ReadonlyMap<string, readonly string[]>): string[] =>
  [...graph].flatMap(([from, all]) => all.filter((to) => !mayImport(from, to)).map((to) => `${from} → ${to}`));

describe('the rooms of the TypeScript side', () => {
  const sources = filesBelow('src').filter((path) => /\.c?ts$/.test(path));
  const graph = importsOf(new Map(sources.map((path) => [path.slice('src/'.length), read(path)])));

  it('are these, and only index.ts and errors.ts stand outside', () => {
    const entries = readdirSync(join(packageRoot, 'src')).sort();
    expect(entries).toEqual([...floors.flat(), 'errors.ts', 'index.ts'].sort());
  });

  it('import downwards only', () => {
    expect(wrongImports(graph)).toEqual([]);
  });

  it('have no circle', () => {
    expect(circleIn(graph)).toEqual([]);
  });

  it.each([
    ['run/run.ts', '../experiments/compare.js', 'run/run.ts → experiments/compare.ts'],
    ['system/files.ts', '../native/addon.js', 'system/files.ts → native/addon.ts'],
    ['options/check.ts', '../data/dataset.js', 'options/check.ts → data/dataset.ts'],
    ['experiments/estimate.ts', '../bench/bench.js', 'experiments/estimate.ts → bench/bench.ts'],
    ['run/run.ts', '../index.js', 'run/run.ts → index.ts'],
    ['index.ts', './cli/main.js', 'index.ts → cli/main.ts'],
    ['errors.ts', './system/files.js', 'errors.ts → system/files.ts'],
  ])('an offence is seen: %s, %s', (path, specifier, offence) => {
    expect(wrongImports(importsOf(new Map([[path, `import type { X } from '${specifier}';`]])))).toEqual([offence]);
  });

  it('a circle is seen', () => {
    const texts = new Map([
      ['data/a.ts', "import { b } from './b.js';"],
      ['data/b.ts', "export const a = await import('./a.js');"],
    ]);
    expect(circleIn(importsOf(texts))).toEqual(['data/a.ts', 'data/b.ts', 'data/a.ts']);
  });

  it('load the addon in src/native/addon.ts alone, and its part without LibTorch in environment.ts', () => {
    const loading = sources.filter((path) => loadsAddon.test(withoutComments(read(path))));
    expect(loading).toEqual(['addon.ts', 'environment.ts'].map((name) => join('src', 'native', name)));
  });

  it.each(["require('./l2t_native.node')", 'createRequire(import.meta.url)', 'process.dlopen(module, path)'])(
    'an offence is seen: %s',
    (text) => {
      expect(text).toMatch(loadsAddon);
    },
  );

  it('know nothing outside of src/ but setup/, which knows itself and Node alone', () => {
    const outside = sources.filter((path) => /from '[^']*\/(tools|test|\.ci)\//.test(read(path)));
    expect(outside).toEqual([]);
    const imported = filesBelow('setup').flatMap((path) => [...read(path).matchAll(/^import .* from '([^']+)'/gm)]);
    expect(imported.length).toBeGreaterThan(10);
    expect(imported.filter(([, from = '']) => !/^(node:|\.\/)/.test(from))).toEqual([]);
  });
});

describe('files', () => {
  /** Ways to open a file, or to make folders, that may never return: `src/system/files.ts` has those that do. */
  const opening =
    /\b(readFile|readFileSync|createReadStream|mkdir|mkdirSync|open|openSync|openAsBlob)\b(?=[^}]*\} from 'node:fs)/g;
  // They read what the package itself brings, or the system's own files.
  const trusted = ['native/load-error.ts', 'store/lock.ts', 'system/limits.ts', 'system/version.ts'];

  it('are opened, and folders made, by src/system/files.ts alone', () => {
    const using = filesBelow('src')
      .filter((path) => path.endsWith('.ts') && read(path).match(opening))
      .map((path) => path.slice('src/'.length));
    expect(using.sort()).toEqual(['system/files.ts', ...trusted].sort());
  });
});

/** `native/run/trainer.cc`, `src/cli/`, or without its ending, `native/run/trainer`. */
const mentioned = /(?<![\w./-])(?:native|binding|src|test|setup|docs|cmake|data|examples|\.ci)\/[\w./-]*\w/g;

const exists = (path: string): boolean =>
  ['', '.h', '.cc', '.ts', '.mjs'].some((ending) => existsSync(join(packageRoot, path + ending)));

/** Paths in backticks or links that lead nowhere. Words between < > or in capitals stand for something else. */
const deadPaths = (text: string): string[] =>
  [...text.matchAll(/`([^`\n]+)`|\]\(([^)\s#]+)/g)]
    .flatMap(([, code, link]) => [...(code ?? link ?? '').matchAll(mentioned)].map(([path]) => path))
    .filter((path) => !exists(path) && !path.startsWith('data/'));

describe('the documents', () => {
  const documents = ['README.md', 'CONTRIBUTING.md', ...filesBelow('docs').filter((path) => path.endsWith('.md'))];

  it.each(documents)('%s names only files that exist', (document) => {
    expect(deadPaths(read(document))).toEqual([]);
  });

  it.each(documents)('the links of %s lead somewhere', (document) => {
    const links = [...read(document).matchAll(/\]\(([^)\s#:]+)(?:#[^)]*)?\)/g)].map(([, link = '']) => link);
    const dead = links.filter((link) => !existsSync(join(packageRoot, document, '..', link)));
    expect(dead).toEqual([]);
  });

  it('an offence is seen', () => {
    expect(deadPaths('see `native/run/trainer.cc`, `native/run/no_such.cc` and [this](src/nothing.ts)')).toEqual([
      'native/run/no_such.cc',
      'src/nothing.ts',
    ]);
  });

  it('the tour passes through every room', () => {
    const tour = read('docs/tour.md');
    const rooms = readdirSync(join(packageRoot, 'native')).map((room) => `native/${room}/`);
    expect(rooms.filter((room) => !tour.includes(room))).toEqual([]);
  });
});
