import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { onnxOperations } from '../../src/networks/export/onnx-operations.js';
import { aboutField } from '../../src/options/check.js';
import { methodNames, methods } from '../../src/options/methods.js';
import { transferSchema } from '../../src/options/schemas.js';
import { methodTable, methodTableFile } from '../../tools/method-table.js';
import { declarations } from '../../tools/parity/observe.js';

const { methods: nativeMethods, operations, structs, choices } = declarations();

describe('what both sides declare', () => {
  it('methods', () => {
    const ours = methodNames.map((name) => {
      const { terms, ...row } = methods[name];
      const learns: readonly string[] = 'learns' in row ? row.learns : [];
      const decays = !('decays' in row);
      return { name, terms, what: learns.includes('what'), where: learns.includes('where'), decays };
    });
    const byName = (a: { readonly name: string }, b: { readonly name: string }) => (a.name < b.name ? -1 : 1);
    expect(ours.toSorted(byName)).toEqual(nativeMethods.toSorted(byName));
  });

  it('what methods read, in the test programs (npm run option-help)', () => {
    expect(readFileSync(methodTableFile, 'utf8')).toBe(methodTable());
  });

  it('kinds of operations, each of which an ONNX file can hold', () => {
    expect(Object.keys(onnxOperations).toSorted()).toEqual(operations.toSorted());
  });

  it.each(Object.entries(choices))('the words of %s', (name, words) => {
    expect(aboutField(transferSchema, name).names?.toSorted()).toEqual(words.toSorted());
  });

  it.each(Object.entries(structs))('the fields of %s', (name, fields) => {
    expect(fields.toSorted()).toEqual(fieldsOf(name).toSorted());
  });

  it('every interface that crosses the binding, and no other', () => {
    // These have methods, are read by hand, or exist only as parts of others.
    const others = ['Hyperparameters', 'Losses', 'NativeAddon', 'NativeBench', 'NativeGroup', 'NativeImages'];
    const known = [...others, 'NamedShape', 'NativeNetwork', 'NativeRun', ...Object.keys(structs)];
    expect([...interfaces.keys()].toSorted()).toEqual(known.toSorted());
  });
});

const interfaces = readInterfaces();

function readInterfaces(): Map<string, ts.InterfaceDeclaration> {
  const folder = join(packageRoot, 'src/native');
  const files = ['contract.ts', ...readdirSync(join(folder, 'contract')).map((name) => join('contract', name))];
  const found = files.flatMap((name) => {
    const file = join(folder, name);
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
    return source.statements.filter(ts.isInterfaceDeclaration);
  });
  return new Map(found.map((declaration) => [declaration.name.text, declaration]));
}

function fieldsOf(name: string): string[] {
  const found = interfaces.get(name);
  if (found === undefined) throw new Error(`src/native/contract/ has no ${name}`);
  const inherited = (found.heritageClauses ?? []).flatMap(({ types }) =>
    types.map((type) => type.expression.getText()),
  );
  const own = found.members.map((member) => member.name?.getText() ?? '');
  return [...inherited.flatMap(fieldsOf), ...own];
}
