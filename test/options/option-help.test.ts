import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { named } from '../../src/options/spelling.js';
import { helps, optionHelp, optionHelpFile } from '../../tools/option-help.js';

it('is what the tables of options say (npm run option-help)', () => {
  expect(readFileSync(optionHelpFile, 'utf8')).toBe(optionHelp());
  // Messages know each name.
  for (const name of helps().help.keys()) expect(named(name)).toBe(`{${name}}`);
});

it('an editor shows it where an option is written', () => {
  const file = join(packageRoot, 'test/options/hover.ts');
  const text = `import { exportNetwork, Network, transfer } from '../../src/index.js';
transfer({ target: 'vgg9_bn', data: 'x', temperature: 3 });
exportNetwork('x', { to: 'onnx', out: 'x.onnx' });
Network.load('x', { width: undefined });
`;
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(packageRoot, 'tsconfig.json'), ts.sys.readFile).config,
    ts.sys,
    packageRoot,
  );
  const service = ts.createLanguageService({
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
    getCompilationSettings: () => options,
    getScriptFileNames: () => [file],
    getScriptVersion: () => '1',
    getScriptSnapshot: (name) => {
      const content = name === file ? text : ts.sys.readFile(name);
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content);
    },
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    getCurrentDirectory: () => packageRoot,
  });
  const shown = (option: string) =>
    ts.displayPartsToString(service.getQuickInfoAtPosition(file, text.indexOf(`${option}:`))?.documentation);
  expect(shown('temperature')).toMatch(/temperature of the softmax .* \(2\)/);
  // Elsewhere these mean something else.
  expect(shown('out')).toMatch(/^file to write/);
  expect(shown('width')).toMatch(/^the network's width, if the checkpoint does not say/);
});
