import test from 'tape';
import { functionsOf, importsOf, mask, type SourceFile } from './source-text.js';

function sourceOf(text: string): SourceFile {
  return { path: 'sample.ts', text, ...mask(text) };
}

test('comments and strings are blanked, and offsets stay', (t) => {
  const text = "a; // Date\nb('Date', /* Date */ `Date ${Date} Date`, /Da[/]te/.test(c));\n";
  const { code, uncommented } = mask(text);
  t.equal(code.length, text.length);
  t.equal(code.indexOf('Date'), text.indexOf('${Date}') + 2, 'only the code in the template stays');
  t.equal(code.lastIndexOf('Date'), code.indexOf('Date'));
  t.ok(uncommented.includes("'Date'"), 'strings stay in the uncommented text');
  t.equal(code.split('\n').length, text.split('\n').length);
  t.end();
});

test('a division does not begin a regular expression', (t) => {
  const { code } = mask("const x = (a + b) / 2; const y = 'Date' + z / 3;");
  t.ok(code.includes('/ 2; const y'), 'the code between two divisions stays');
  t.notOk(code.includes('Date'));
  t.end();
});

test('nested templates and braces end where they should', (t) => {
  const { code } = mask('f(`a ${g({ k: `in ${h}` })} Promise`); const tail = 1;');
  t.ok(code.includes('const tail = 1;'));
  t.notOk(code.includes('Promise'));
  t.ok(code.includes('h'));
  t.end();
});

test('imports are found with their kind, and not in comments or strings', (t) => {
  const source = sourceOf(
    [
      "import { a } from './a.js';",
      'import type {',
      '  B,',
      "} from '../b/b.js';",
      "export * from './c.js';",
      "// import { d } from './d.js';",
      'const text = "import { e } from \'./e.js\'";',
      "const later = await import('./f.js');",
      "import './g.js';",
    ].join('\n'),
  );
  const found = importsOf(source).map(
    (i) => `${i.typeOnly ? 'type ' : ''}${i.specifier}:${i.line}`,
  );
  t.deepEqual(found, ['./a.js:1', 'type ../b/b.js:2', './c.js:5', './f.js:8', './g.js:9']);
  t.end();
});

test('functions are measured from their parameters to their last line', (t) => {
  const source = sourceOf(
    [
      'export function one(a: number): number {',
      '  if (a > 1) {',
      '    return 2;',
      '  }',
      '  return a;',
      '}',
      'const two = (b: string) => {',
      '  for (const c of b) {',
      '    d(c);',
      '  }',
      '};',
      'class K {',
      '  three(): void {',
      '    e();',
      '  }',
      '}',
      'const literal = { f: 1 };',
    ].join('\n'),
  );
  t.deepEqual(
    functionsOf(source).map(({ line, lineCount }) => [line, lineCount]),
    [
      [1, 6],
      [7, 5],
      [13, 3],
    ],
  );
  t.end();
});
