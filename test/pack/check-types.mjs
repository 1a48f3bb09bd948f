/**
 * `node test/pack/check-types.mjs [FILE]`: compiles types.mts, or its copy FILE beside which the package is installed,
 * against the package's declarations. It must have no error, and editors must show what an option means.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));
const [file = fileURLToPath(new URL('types.mts', import.meta.url))] = process.argv.slice(2);
const program = ts.createProgram([file], {
  noEmit: true,
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false, // TypeScript's default: the package's own declarations are checked, too
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  typeRoots: [`${root}/node_modules/@types`],
  types: ['node'],
});
const host = { getCurrentDirectory: () => root, getCanonicalFileName: (name) => name, getNewLine: () => '\n' };
assert.equal(ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), host), '');

const checker = program.getTypeChecker();
const imports = program.getSourceFile(file).statements.find(ts.isImportDeclaration);
const names = imports.importClause.namedBindings.elements.map(({ name }) => name);

/** Returns an editor's text for an option of one of the imported types. */
function documented(type, option) {
  const symbol = checker.getSymbolAtLocation(names.find(({ text }) => text === type));
  const options = checker.getDeclaredTypeOfSymbol(checker.getAliasedSymbol(symbol));
  return ts.displayPartsToString(options.getProperty(option).getDocumentationComment(checker));
}

assert.equal(documented('TransferOptions', 'epochs'), 'passes over the training images (200); from 1 to 1000000');
assert.match(documented('PretrainOptions', 'lr'), /^learning rate of SGD/);
assert.match(documented('CompareOptions', 'seeds'), /^runs of each method/);
assert.match(documented('FoundRate', 'warmUp'), /^Fraction of all steps/);
