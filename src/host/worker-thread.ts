// worker-thread.ts: starts a thread from a file of the package, or from its source.
//
// A package holds JavaScript, which a thread loads by itself. When the sources are run as they are
// (tests, development), a thread does not inherit the TypeScript loader of the process: it starts
// with a line of code that registers the loader first.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

const SOURCE_LOADER = 'tsx/esm/api';

function sourceBootstrap(entry: URL): string {
  // The loader registers a file beside itself, and only its module form finds that file.
  const path = createRequire(entry)
    .resolve(SOURCE_LOADER)
    .replace(/\.cjs$/, '.mjs');
  const loader = JSON.stringify(pathToFileURL(path).href);
  return `import(${loader}).then((l) => (l.register(), import(${JSON.stringify(entry.href)})));`;
}

/** Starts a thread; what fails while its file is loaded becomes the worker's 'error' event. */
export function startThread(entry: URL, options: WorkerOptions): Worker {
  return entry.pathname.endsWith('.ts')
    ? new Worker(sourceBootstrap(entry), { ...options, eval: true })
    : new Worker(entry, options);
}
