// build-mutant.ts: bundles the simulator with a mutant in it.
//
// TypeScript is patched while the bundler loads it. AssemblyScript is compiled from a patched copy
// to a module of its own, which replaces the one that the sources embed.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { applyEdits, type Edit, editsByFile, type Mutant } from './mutant.js';

const ENTRY = 'test/mutants/hunt.ts';
const ASC = 'node_modules/assemblyscript/bin/asc.js';
const CORE_ENTRY = 'assembly/core.ts';
const EMBEDDED_CORE = 'src/memory/generated/core-wasm.ts';

/** Builds a mutant, or Pawl itself without one. Returns the path of the bundle. */
export async function buildMutant(
  root: string,
  folder: string,
  mutant: Mutant | undefined,
): Promise<string> {
  const name = mutant?.id ?? 'none';
  const sources = mutant === undefined ? new Map<string, string>() : patch(root, folder, mutant);
  const outfile = join(folder, `${name}.mjs`);
  await build({
    absWorkingDir: root,
    entryPoints: [ENTRY],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'error',
    plugins: [patchedSources(root, sources)],
  });
  return outfile;
}

/** Patched sources by their path from the root. */
function patch(root: string, folder: string, mutant: Mutant): Map<string, string> {
  const sources = new Map<string, string>();
  const inAssembly = new Map<string, Edit[]>();
  for (const [file, edits] of editsByFile(mutant)) {
    if (file.startsWith('assembly/')) {
      inAssembly.set(file, edits);
    } else {
      const text = readFileSync(join(root, file), 'utf8');
      sources.set(file, applyEdits(mutant.id, text, edits));
    }
  }
  if (inAssembly.size > 0) {
    sources.set(EMBEDDED_CORE, compileCore(root, folder, mutant.id, inAssembly));
  }
  return sources;
}

/** Compiles a patched copy of the AssemblyScript sources; returns the module that embeds it. */
function compileCore(
  root: string,
  folder: string,
  id: string,
  edits: ReadonlyMap<string, readonly Edit[]>,
): string {
  const copy = join(folder, `assembly-${id}`);
  mkdirSync(copy, { recursive: true });
  cpSync(join(root, 'assembly'), join(copy, 'assembly'), { recursive: true });
  cpSync(join(root, 'asconfig.json'), join(copy, 'asconfig.json'));
  for (const [file, fileEdits] of edits) {
    const path = join(copy, file);
    writeFileSync(path, applyEdits(id, readFileSync(path, 'utf8'), fileEdits));
  }
  const args = [join(root, ASC), CORE_ENTRY, '--config', 'asconfig.json', '--target', 'core'];
  const result = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' });
  if (result.status !== 0) {
    throw new Error(`mutant ${id} does not compile:\n${result.stderr}`);
  }
  const base64 = readFileSync(join(copy, 'build/core.wasm')).toString('base64');
  return `export const CORE_WASM_BASE64 = '${base64}' as string;\n`;
}

function patchedSources(root: string, sources: ReadonlyMap<string, string>): Plugin {
  return {
    name: 'patched-sources',
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const file = relative(root, resolve(path)).replaceAll('\\', '/');
        const contents = sources.get(file);
        return contents === undefined ? undefined : { contents, loader: 'ts' };
      });
    },
  };
}
