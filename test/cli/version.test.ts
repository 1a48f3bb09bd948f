import { expect, it } from 'vitest';
import { readBuildStamp } from '../../setup/build.mjs';
import { packageVersion } from '../../src/system/version.js';
import { cli } from '../tiny.js';

it('version says what runs here, in words and as JSON', { timeout: 60_000 }, async () => {
  const json = await cli(['version', '--json']);
  expect(JSON.parse(json.stdout)).toMatchObject({
    'l2t-native': packageVersion(),
    node: process.versions.node,
    libtorch: readBuildStamp()?.libtorch.version,
    compiler: expect.stringMatching(/\d+\.\d+/),
    cmake: expect.stringMatching(/\d+\.\d+/),
  });
  const words = await cli(['version']);
  expect([json.code, words.code]).toEqual([0, 0]);
  for (const [name, version] of Object.entries(JSON.parse(json.stdout))) {
    expect(words.stdout).toContain(`\n${name.padEnd(17)}  ${version ?? 'none'}\n`);
  }
});
