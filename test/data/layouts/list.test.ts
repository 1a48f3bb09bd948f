import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ImageList } from '../../../src/data/dataset.js';
import { openDataset } from '../../../src/data/load.js';
import { divide } from '../../../src/data/split.js';
import { encode, failure, pattern, temporaryFolder, write, writeClasses } from '../generate.js';

let image: Uint8Array;
beforeAll(async () => {
  image = await encode(pattern(1, 8), 8, 8, 'png');
});

/** A folder with a list and images in pictures/. */
function folderWith(
  list: string,
  content: string | Uint8Array,
  files: readonly string[] = ['a.png', 'b.png', 'c.png'],
): string {
  const folder = temporaryFolder();
  write(join(folder, list), content);
  for (const file of files) write(join(folder, 'pictures', file), image);
  return folder;
}

const filesOf = (list: ImageList | undefined) => Array.from({ length: list?.count ?? 0 }, (_, k) => list?.name(k));
const inPictures = (folder: string, ...files: string[]) => files.map((file) => join(folder, 'pictures', file));

const csv = 'file,label\npictures/b.png,dog\npictures/a.png,dog\npictures/c.png,cat\n';

describe('a list', () => {
  it.each([
    ['CSV', 'images.csv', csv],
    [
      'CSV of Windows, with quotes',
      'x.CSV',
      `\ufeff"label", file_name\r\n"dog",pictures/b.png\r\n\r\ndog,"pictures/a.png"\r\ncat,./pictures/c.png`,
    ],
    ['CSV whose header alone is of Windows', 'images.csv', csv.replace('\n', '\r\n')],
    [
      'JSON-lines',
      'images.jsonl',
      '{"file": "pictures/b.png", "label": "dog", "size": [1]}\n\n{"label":"dog","file":"pictures/a.png"}\r\n{"file":"pictures/c.png","label":"cat"}',
    ],
  ])('%s: by its own name or as the only one of a folder', async (_, name, content) => {
    const folder = folderWith(name, content);
    for (const given of [join(folder, name), folder]) {
      const data = await openDataset(given);
      expect(data).toMatchObject({ layout: 'list', flat: true, classNames: ['cat', 'dog'], test: undefined });
      expect(filesOf(data.train)).toEqual(inPictures(folder, 'c.png', 'a.png', 'b.png'));
      expect([...(data.train?.labels ?? [])]).toEqual([0, 1, 1]);
    }
  });

  it('divides by its column split, in the words of Hugging Face too', async () => {
    const folder = folderWith(
      'images.csv',
      'split,file,label\neval,pictures/b.png,x\nTrain,pictures/a.png,x\ndev,pictures/c.png,x\n',
    );
    const { train, validation, test, flat } = await openDataset(folder);
    const listed = [train, validation, test].map(filesOf);
    expect(listed).toEqual(['a.png', 'c.png', 'b.png'].map((file) => inPictures(folder, file)));
    expect(flat).toBe(false);
  });

  it('takes other names of columns, and whole numbers as classes', async () => {
    const folder = folderWith('images.jsonl', '{"path":"pictures/a.png","y":1}\n{"path":"pictures/b.png","y":0}\n');
    const data = await openDataset(folder, { imageColumn: 'path', labelColumn: 'y' });
    expect([data.classNames, filesOf(data.train)]).toEqual([['0', '1'], inPictures(folder, 'b.png', 'a.png')]);
  });

  it('takes images from elsewhere', async () => {
    const [folder, other] = [temporaryFolder(), folderWith('x.txt', '')];
    write(join(folder, 'lists/images.csv'), `file,label\n../here.png,a\n${join(other, 'pictures/a.png')},a\n`);
    write(join(folder, 'here.png'), image);
    const { train } = await openDataset(join(folder, 'lists'));
    expect(filesOf(train)).toEqual([join(other, 'pictures/a.png'), join(folder, 'here.png')]);
  });

  it('is not taken for one beside class folders, or beside another list', async () => {
    const folder = temporaryFolder();
    await writeClasses(folder, { a: 1, b: 1 });
    write(join(folder, 'notes.csv'), 'name,price\nx,1\n');
    expect((await openDataset(folder)).layout).toBe('folder');
    write(join(folder, 'one.csv'), 'file,label\na/0.png,a\n');
    expect((await openDataset(folder)).layout).toBe('folder');
  });

  const first = '{"file":"pictures/a.png","label":"x"}\n';
  it.each<[RegExp, string]>([
    [/images\.csv has no column label: it has file, class\. Name the column with labelColumn/, 'file,class\na.png,x\n'],
    [
      /images\.jsonl, line 1 has no column file or file_name: it has path, label\. .* imageColumn\.$/,
      '{"path":"a.png","label":"x"}\n',
    ],
    [/two columns 'label'/, 'file,label,label\na.png,x,y\n'],
    [/images\.csv, line 5 has 1 cell, the header 2\.$/, `${csv}pictures/x.png\n`],
    [/line 5 has 3 cells, the header 2\. Put .* comma in quotes/, `${csv}x,y.png,dog\n`],
    [/line 5: a quote is opened, but not/, `${csv}"pictures/x.png,dog\n`],
    [/line 5: a quote is in the middle of a cell/, `${csv}x"y.png,dog\n`],
    [/has semicolons\. .* by commas/, 'file;label\na.png;x\n'],
    [/has tabs\. .* by commas/, 'file\tlabel\na.png\tx\n'],
    [/images\.csv, line 5: 'label' is empty/, `${csv}pictures/x.png,\n`],
    [/line 2: 'trian' is no split: it must be one of train, /, 'file,label,split\npictures/a.png,x,trian\n'],
    [
      /images\.jsonl, line 2 has a split, but the first line has none/,
      `${first}{"file":"pictures/b.png","label":"y","split":"test"}\n`,
    ],
    [/line 2: 'split' is empty/, 'file,label,split\npictures/a.png,x,\n'],
    [/line 5: there is no image .*pictures\/x\.png\. Paths are relative/, `${csv}pictures/x.png,dog\n`],
    // The columns are swapped.
    [/line 2: there is no image .*\/dog /, 'label,file\na.png,dog\nb.png,dog\n'],
    [/line 5: pictures\/a\.png is in line 3, too/, `${csv}./pictures/a.png,cat\n`],
    [/images\.jsonl, line 2: '\{"file":' is no JSON\./, `${first}{"file":\n`],
    [/line 2: '\[1\]' is no JSON object/, `${first}[1]\n`],
    [/line 1: 'file' is .*: it must be a text/, '{"file":{"a":1},"label":"x"}\n'],
    [/line 1: 'label' is true: .* a text or a whole number/, '{"file":"a.png","label":true}\n'],
    // JavaScript may take these numbers for others.
    ...['9007199254740993', '1e999', '0.1'].map((number): [RegExp, string] => [
      /images\.jsonl, line 2: 'label' is a number, but not a whole one .*: write it as a text, in quotes\.$/,
      `${first}{"file":"pictures/b.png","label":${number}}\n`,
    ]),
    [
      /images\.jsonl, line 1: '.*' is JSON of more than 64 levels\.$/,
      `{"file":"pictures/a.png","label":${'['.repeat(20_000)}${']'.repeat(20_000)}}\n`,
    ],
    [/images\.csv has no rows/, 'file,label\n'],
    [/class 'y' has no training images/, 'file,label,split\npictures/a.png,x,train\npictures/b.png,y,test\n'],
    [/images\.csv, line 3: this is not UTF-8/, 'file,label\na.png,x\nb.png,\xff\n'],
  ])('is refused: %s', async (message, content) => {
    const name = content.startsWith('{') ? 'images.jsonl' : 'images.csv';
    const file = join(folderWith(name, Buffer.from(content, 'latin1')), name);
    const refused = { code: 'INVALID_DATA', message: expect.stringMatching(message) };
    expect(await failure(openDataset(file))).toMatchObject(refused);
  });

  it('without training images is told about its column split', async () => {
    const folder = folderWith('images.csv', 'file,label,split\npictures/a.png,x,test\npictures/b.png,y,test\n');
    const dataset = await openDataset(folder);
    expect(() => divide(dataset, { data: folder, seed: 1 })).toThrow(
      /has no training images: write train in the column split/,
    );
  });

  it('is chosen by the person where a folder has several', async () => {
    const folder = folderWith('one.csv', csv);
    write(join(folder, 'two.csv'), csv);
    const message = expect.stringMatching(/has several lists: one\.csv, two\.csv\. Give one of them/);
    expect(await failure(openDataset(folder, { layout: 'list' }))).toMatchObject({ message });
  });

  it('refuses a column that it does not have', async () => {
    const file = join(folderWith('images.csv', csv), 'images.csv');
    const message = expect.stringMatching(/^labelColumn: .*images\.csv has no column 'class'; it has file, label/);
    expect(await failure(openDataset(file, { labelColumn: 'class' }))).toMatchObject({
      code: 'INVALID_OPTION',
      message,
    });
  });

  it('of any other ending is refused', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'x.csv'));
    write(join(folder, 'images.txt'), csv);
    expect((await failure(openDataset(join(folder, 'images.txt'))))?.message).toMatch(
      /images\.txt is a file, not a data folder/,
    );
    expect((await failure(openDataset(join(folder, 'x.csv'))))?.message).toMatch(/is no data set of a known layout/);
  });
});
