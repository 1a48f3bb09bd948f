/**
 * `npm run test:pack`: packs the package, looks at what is in it, installs it in an empty folder as a stranger would,
 * compiles the addon there, and uses it in six lines. Nothing of the checkout is seen by what is installed.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const limitBytes = 5_000_000;

function step(what, work) {
  console.log(`[pack] ${what} …`);
  const start = performance.now();
  const result = work();
  console.log(`[pack] ${what}: ok (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  return result;
}

function run(folder, command, args, stdout = 'inherit') {
  return execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', stdout, 'inherit'] });
}

function pack(folder) {
  const args = ['run', '--silent', 'pack', '--', '--json', '--pack-destination', folder];
  const [report] = JSON.parse(run(root, 'npm', args, 'pipe'));
  return report;
}

function checkContents({ files, size }) {
  const paths = files.map(({ path }) => path);
  const allowed = [
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|CONTRIBUTING\.md|SECURITY\.md|CMakeLists\.txt)$/,
    /^dist\/.+\.(js|d\.ts|cjs|d\.cts)$/,
    /^src\/experiments\/presets\/([\w-]+\.yaml|splits\/([\w-]+\.json|README\.md))$/,
    /^native\/.+\.(cc|cu|h|inc)$/,
    /^binding\/(environment\/)?[^/]+\.(cc|h|gyp)$/,
    /^cmake\/.+\.cmake$/,
    /^setup\/[\w-]+\.mjs$/,
    /^data\/fashion-mnist\/.+/,
    /^src\/networks\/imagenet-classes\.(txt|LICENSE)$/,
    /^src\/report\/page\/style\.css$/,
    /^docs\/(.+\.md|pictures\/[\w-]+\.(png|jpg))$/,
    /^bench\/README\.md$/,
    /^examples\/(ranks\.sh|(train|compare|serve)\.mjs)$/,
  ];
  assert.deepEqual(
    paths.filter((path) => !allowed.some((pattern) => pattern.test(path))),
    [],
    'files that do not belong in the package',
  );
  const needed = [
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'CMakeLists.txt',
    'cmake/libtorch.cmake',
    'binding/binding.gyp',
    'dist/index.js',
    'dist/report/page/browser.js',
    'src/report/page/style.css',
    'dist/index.d.ts',
    'dist/cli/l2t-native.cjs',
    'dist/cli/main.js',
    'src/experiments/presets/cifar100.yaml',
    'src/experiments/presets/splits/cifar100.json',
    'setup/libtorch.mjs',
    'setup/build.mjs',
    'examples/ranks.sh',
    'examples/serve.mjs',
  ];
  assert.deepEqual(
    needed.filter((path) => !paths.includes(path)),
    [],
    'files that are missing from the package',
  );
  assert(size < limitBytes, `the package has ${size} bytes, more than ${limitBytes}`);
}

/** Links to places on the web and within a page are not looked at. */
function checkLinks({ files }) {
  const paths = files.map(({ path }) => path);
  const broken = paths
    .filter((path) => path.endsWith('.md'))
    .flatMap((page) => {
      const links = [...readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, to]) => to);
      const relative = links.filter((to) => !/^[a-z]+:/.test(to));
      return relative.filter((to) => !paths.includes(join(dirname(page), to))).map((to) => `${page}: ${to}`);
    });
  assert.deepEqual(broken, [], 'links to files that are not in the package');
}

const folder = mkdtempSync(join(tmpdir(), 'l2t-pack-'));
try {
  const report = step('npm run pack', () => pack(folder));
  step(`contents (${report.entryCount} files, ${report.size} bytes)`, () => checkContents(report));
  step('links between its pages', () => checkLinks(report));
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  step('npm install', () => run(folder, 'npm', ['install', `./${report.filename}`, '--no-audit', '--no-fund']));
  // Large, and only for sources that are ONNX files.
  assert(!existsSync(join(folder, 'node_modules/onnxruntime-node')), 'onnxruntime-node was installed, too');
  copyFileSync(join(root, 'test/pack/use.mjs'), join(folder, 'use.mjs'));
  copyFileSync(join(root, 'test/pack/types.mts'), join(folder, 'types.mts'));
  step('types', () => run(root, 'node', ['test/pack/check-types.mjs', join(folder, 'types.mts')]));
  step('using it without a build says what to do', () => {
    const { status, stderr } = spawnSync('node', ['use.mjs'], { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stderr, /L2TError: .*npx l2t-native build/);
    assert.match(stderr, /ADDON_NOT_BUILT/);
  });
  // With ccache, the paths below this folder count as relative, so that it knows what the checkout has compiled.
  process.env.CCACHE_BASEDIR = folder;
  step('npx l2t-native build', () => run(folder, 'npx', ['l2t-native', 'build']));
  const said = step('using it', () => run(folder, 'node', ['use.mjs'], 'pipe'));
  assert.match(said, /^vgg9_bn has \d+ parameters\nfeature 0: \d+ × 32 × 32\n/);
  const { checks } = JSON.parse(
    step('npx l2t-native doctor', () => run(folder, 'npx', ['l2t-native', 'doctor', '--json'], 'pipe')),
  );
  assert.equal(checks.find(({ name }) => name === 'Addon').state, 'ok');
  console.log('[pack] passed');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
