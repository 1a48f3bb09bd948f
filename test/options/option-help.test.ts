import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { named } from '../../src/options/spelling.js';
import { helpByName, optionHelp, optionHelpFile } from '../../tools/option-help.js';

it('is what the tables of options say (npm run option-help)', () => {
  expect(readFileSync(optionHelpFile, 'utf8')).toBe(optionHelp());
  // Messages know each name.
  for (const name of helpByName().keys()) expect(named(name)).toBe(`{${name}}`);
});

it('an editor shows it where an option is written', () => {
  const file = join(packageRoot, 'test/options/hover.ts');
  const text =
    "import { transfer } from '../../src/index.js';\ntransfer({ target: 'vgg9_bn', data: 'x', temperature: 3 });\n";
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
  const shown = service.getQuickInfoAtPosition(file, text.indexOf('temperature'));
  expect(ts.displayPartsToString(shown?.documentation)).toMatch(/temperature of the softmax .* \(2\)/);
});
