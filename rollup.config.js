// Bundles src/ into dist/: one file per public entry, shared code in dist/chunks. Workers are found
// by the `new URL('./name.ts', import.meta.url)` that starts them, so that the same source runs
// unbundled in tests and bundled in the package.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import esbuild from 'rollup-plugin-esbuild';

const ENTRIES = {
  index: 'src/index.ts',
  codec: 'src/codec/index.ts',
  simulator: 'src/simulator/index.ts',
  transport: 'src/transport/index.ts',
  'tools/main': 'src/tools/main.ts',
  'host/recorder-worker': 'src/host/recorder-worker.ts',
  'host/engine-worker': 'src/host/engine-worker.ts',
  'host/shadow-worker': 'src/host/shadow-worker.ts',
};

const packageJson = JSON.parse(readFileSync('package.json', 'utf8'));
const packageNames = Object.keys(packageJson.dependencies ?? {});

function isExternal(id) {
  return id.startsWith('node:') || packageNames.some((n) => id === n || id.startsWith(`${n}/`));
}

/** The place of a source file in dist/, which is also its place in src/. */
function outputName(path) {
  return relative('src', path).replaceAll('\\', '/').replace(/\.ts$/, '.js');
}

/** Emits a source file that is only named by a URL as an entry of its own, and rewrites the URL. */
function fileUrls() {
  const pattern = /new URL\(\s*(['"])(\.{1,2}\/[^'"]+\.ts)\1\s*,\s*import\.meta\.url\s*\)/g;
  // A file may be named from several places; it is emitted once.
  const references = new Map();
  return {
    name: 'file-urls',
    buildStart() {
      references.clear();
    },
    transform(code, id) {
      if (!id.endsWith('.ts') || !code.includes('import.meta.url')) return null;
      const rewritten = code.replace(pattern, (_match, _quote, specifier) => {
        const path = resolve(dirname(id), specifier);
        if (!existsSync(path)) this.error(`${specifier} does not exist; it is named by ${id}`);
        const fileName = outputName(path);
        const isEntry = Object.values(ENTRIES).some((entry) => resolve(entry) === path);
        const chunk = isEntry ? { id: path } : { id: path, fileName };
        const reference = references.get(path) ?? this.emitFile({ type: 'chunk', ...chunk });
        references.set(path, reference);
        return `new URL(import.meta.ROLLUP_FILE_URL_${reference})`;
      });
      return rewritten === code ? null : { code: rewritten, map: null };
    },
  };
}

export default {
  input: Object.fromEntries(Object.entries(ENTRIES).filter(([, path]) => existsSync(path))),
  output: {
    dir: 'dist',
    format: 'es',
    sourcemap: true,
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
  },
  external: isExternal,
  plugins: [fileUrls(), esbuild({ target: 'node20', sourceMap: true, tsconfig: 'tsconfig.json' })],
  onwarn(warning) {
    throw new Error(`rollup: ${warning.message}`);
  },
};
