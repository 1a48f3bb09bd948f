import { parse as parseYaml, stringify } from 'yaml';
import { type Draw, hostileTexts, type Mutator, type Mutators, numberTexts } from './draw.js';
import { textMutators } from './text.js';

/** JSON as a tree, in which a key may come twice, and a leaf may be invalid JSON. */
export type Tree = { members: [key: string, value: Tree][] } | { items: Tree[] } | { leaf: string };

export function toTree(value: unknown): Tree {
  if (Array.isArray(value)) return { items: value.map(toTree) };
  if (typeof value === 'object' && value !== null) {
    return { members: Object.entries(value).map(([key, member]) => [key, toTree(member)]) };
  }
  return { leaf: JSON.stringify(value) ?? 'null' };
}

export function fromTree(tree: Tree): string {
  if ('leaf' in tree) return tree.leaf;
  if ('items' in tree) return `[${tree.items.map(fromTree).join(',')}]`;
  return `{${tree.members.map(([key, value]) => `${JSON.stringify(key)}:${fromTree(value)}`).join(',')}}`;
}

/** A node below the root, and how to replace or delete it. */
interface Slot {
  readonly tree: Tree;
  set(tree: Tree): void;
  delete(): void;
}

function slots(tree: Tree): Slot[] {
  const found: Slot[] = [];
  const visit = (node: Tree): void => {
    if ('items' in node) {
      node.items.forEach((item, at) => {
        found.push({
          tree: item,
          set: (value) => void node.items.splice(at, 1, value),
          delete: () => void node.items.splice(at, 1),
        });
        visit(item);
      });
    } else if ('members' in node) {
      node.members.forEach((member, at) => {
        found.push({
          tree: member[1],
          set: (value) => void member.splice(1, 1, value),
          delete: () => void node.members.splice(at, 1),
        });
        visit(member[1]);
      });
    }
  };
  visit(tree);
  return found;
}

function nested(draw: Draw, depth = draw.power(2 ** 16)): Tree {
  const [open, close] = draw.pick([
    ['[', ']'],
    ['{"a":', '}'],
  ] as const);
  return { leaf: `${open.repeat(depth)}0${close.repeat(depth)}` };
}

function strange(draw: Draw): Tree {
  const kind = draw.below(8);
  if (kind === 0) return nested(draw);
  if (kind === 1) return { items: [] };
  if (kind === 2) return { members: [] };
  if (kind === 3) return { leaf: JSON.stringify('x'.repeat(draw.power(2 ** 18))) };
  if (kind === 4) return { items: Array.from({ length: draw.power(2 ** 12) }, () => ({ leaf: '0' })) };
  if (kind === 5) return { members: [[draw.pick(hostileTexts), { leaf: 'null' }]] };
  return { leaf: kind === 6 ? draw.pick(numberTexts) : JSON.stringify(draw.pick(hostileTexts)) };
}

/** Changes one place of the tree. */
export function editTree(tree: Tree, draw: Draw): void {
  const all = slots(tree);
  if (all.length === 0) return;
  const slot = draw.pick(all);
  const objects = all.map(({ tree: node }) => node).filter((node) => 'members' in node);
  const object = draw.once(3) ? draw.pick(objects) : tree;
  const edit = draw.below(7);
  if (edit === 0) slot.delete();
  // A copy: a tree that contains itself could not be written.
  else if (edit === 1) slot.set(structuredClone(draw.pick(all).tree));
  else if (edit === 2 && object && 'members' in object && object.members.length > 0) {
    // The same key twice, or another key.
    const member = draw.pick(object.members);
    if (draw.once(2)) object.members.push([member[0], strange(draw)]);
    else member[0] = draw.pick(hostileTexts);
  } else if (edit === 3 && object && 'members' in object) object.members.push([draw.pick(hostileTexts), strange(draw)]);
  else if (edit === 4) slot.set({ items: [slot.tree] });
  else slot.set(strange(draw));
}

export function editedJson(text: string, draw: Draw): string {
  const tree = toTree(JSON.parse(text));
  for (let edits = draw.between(1, 3); edits > 0; edits--) editTree(tree, draw);
  return fromTree(tree);
}

/** Puts a value in the tree whose depth exhausts the stack of what walks it: in place of another, or as one more. */
function deepJson(text: string, draw: Draw): string {
  const tree = toTree(JSON.parse(text));
  const deep = nested(draw, 2 ** draw.between(13, 17));
  const all = slots(tree);
  const objects = [tree, ...all.map((slot) => slot.tree)].filter((node) => 'members' in node);
  if (objects.length > 0 && draw.once(2)) draw.pick(objects).members.push(['more', deep]);
  else if (all.length > 0) draw.pick(all).set(deep);
  return fromTree(tree);
}

const json = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
/** Prints no warning: any output must come from the code under test. */
const parse = (text: string): unknown => parseYaml(text, { logLevel: 'error', maxAliasCount: 0 });
const encoded = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

export const jsonMutators: Mutators = {
  ...textMutators,
  'JSON tree': (bytes, draw) => encoded(editedJson(json(bytes), draw)),
  'JSON trees': (bytes, draw) => encoded(editedJson(json(bytes), draw)),
  'deep JSON': (bytes, draw) => encoded(deepJson(json(bytes), draw)),
};

const onLine =
  (change: (text: string, draw: Draw) => string): Mutator =>
  (bytes, draw) => {
    const lines = json(bytes).split('\n');
    const at = draw.below(Math.max(1, lines.length - 1));
    lines[at] = change(lines[at] || '{}', draw);
    return encoded(lines.join('\n'));
  };

/** Mutators for lines of JSON. */
export const jsonLinesMutators: Mutators = {
  ...textMutators,
  'JSON tree': onLine(editedJson),
  'deep JSON': onLine(deepJson),
};

/** Syntax that only YAML has. */
const yamlPieces = [
  ...['&a [*a]', '*a', '!!binary AAAA', '!!js/function x', '!!set {a, b}', '!!omap [a: 1]', '<<: {a: 1}', '? a\n: b'],
  ...[
    '---\n',
    '...\n',
    '%YAML 9.9\n---\n',
    '%TAG ! tag:x,2000:\n---\n',
    '|\n  a\n b',
    '>-\n',
    '\t',
    '- - - -',
    '[,]',
    '{a',
    '? ',
  ],
  ...[
    '!<tag:yaml.org,2002:int> x',
    '!!int x',
    '!!float .',
    '0o17',
    '2001-12-14',
    '"\\x',
    "'",
    '&a &b',
    '!!str',
    '~',
    '# a',
  ],
];

const laughs = (depth: number): string =>
  Array.from(
    { length: depth },
    (_, k) =>
      `a${k}: &a${k} [${
        k === 0
          ? 'x'
          : Array(9)
              .fill(`*a${k - 1}`)
              .join(', ')
      }]`,
  ).join('\n');

export const yamlMutators: Mutators = {
  ...textMutators,
  'YAML tree': (bytes, draw) => encoded(editedJson(JSON.stringify(parse(json(bytes))), draw)),
  'YAML tree in blocks': (bytes, draw) => {
    const text = editedJson(JSON.stringify(parse(json(bytes))), draw);
    // A text that YAML itself refuses stays as it is.
    try {
      return encoded(stringify(parse(text)));
    } catch {
      return encoded(text);
    }
  },
  'YAML piece': (bytes, draw) => {
    const lines = json(bytes).split('\n');
    const at = draw.below(lines.length);
    const line = lines[at] as string;
    const colon = line.indexOf(':');
    const piece = draw.pick(yamlPieces);
    lines[at] = draw.once(2) && colon > 0 ? `${line.slice(0, colon + 1)} ${piece}` : `${line}\n${piece}`;
    return encoded(lines.join('\n'));
  },
  'YAML aliases': (bytes, draw) => encoded(`${laughs(draw.between(2, 30))}\n${json(bytes)}`),
  'deep YAML': (bytes, draw) =>
    encoded(
      `${json(bytes)}\na: ${draw.pick(['[', '{a: ', '- ', '? ', '!', '&', '"'])}`.padEnd(
        bytes.length + draw.power(2 ** 15),
        draw.pick(['[', '- ', '{a: ', '? ']),
      ),
    ),
};
