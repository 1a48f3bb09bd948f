import { afterEach, expect, it, vi } from 'vitest';
import { cli, temporaryFolder, tinySource, write } from '../../tiny.js';
import { convNet, writeModel } from './models.js';

afterEach(() => vi.unstubAllEnvs());

/** Node resolves everything but that package. */
const hooks = `
  import { register } from 'node:module';
  const resolve = (name, context, next) => {
    if (name === 'onnxruntime-node') throw Object.assign(new Error(name), { code: 'ERR_MODULE_NOT_FOUND' });
    return next(name, context);
  };
  register('data:text/javascript,' + encodeURIComponent('export const resolve = ' + resolve));`;

it('without onnxruntime-node one sentence names the command, and other files are inspected', async () => {
  vi.stubEnv('NODE_OPTIONS', `--import=${write(temporaryFolder(), 'hooks.mjs', hooks)}`);
  const { code, stderr } = await cli(['inspect', writeModel(convNet())]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/not installed: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@~1\.30\.0\n$/);
  expect((await cli(['inspect', await tinySource()])).code).toBe(0);
});
