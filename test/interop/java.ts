// java.ts: builds and starts the Aeron side of the interop tests.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerProcess } from './peer-process.js';

const PROJECT = fileURLToPath(new URL('./java', import.meta.url));
const TARGET = join(PROJECT, 'target');
const CLASSES = join(TARGET, 'classes');
const AERON_LIBRARY = join(TARGET, 'lib', 'aeron-all.jar');
/** Oldest Java that the newest Aeron runs on. */
const JAVA_VERSION_MIN = 17;
const BUILD_LIMIT_MS = 180_000;

/** What Aeron needs of the runtime's insides, and a heap that suits a small machine. */
const JAVA_OPTIONS = [
  '--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED',
  '--add-opens=java.base/java.util.zip=ALL-UNNAMED',
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
  '-Xmx256m',
  '-XX:+UseSerialGC',
  '-Djava.net.preferIPv4Stack=true',
];

let build: { readonly failure: string | undefined } | undefined;

/** Why there can be no Java side on this machine; undefined when there can. */
export function reasonToSkip(): string | undefined {
  const java = spawnSync('java', ['-version'], { encoding: 'utf8' });
  if (java.status !== 0) {
    return 'java is not on the PATH';
  }
  const version = /version "(\d+)/.exec(java.stderr)?.[1];
  if (version === undefined || Number(version) < JAVA_VERSION_MIN) {
    return `java is version ${version ?? 'unknown'}, and Aeron needs ${JAVA_VERSION_MIN}`;
  }
  for (const [command, argument] of [
    ['javac', '-version'],
    ['mvn', '--version'],
  ] as const) {
    if (spawnSync(command, [argument]).status !== 0) {
      return `${command} is not on the PATH`;
    }
  }
  return undefined;
}

/** Builds once per run, and not at all when nothing changed: then no network is needed. */
export function buildJava(): void {
  build ??= { failure: isBuilt() ? undefined : runMaven() };
  if (build.failure !== undefined) {
    throw new Error(`the Java side was not built:\n${build.failure}`);
  }
}

/** Starts the Java side in one of its roles. */
export function startJava(
  name: string,
  args: readonly string[],
  properties: readonly string[] = [],
): PeerProcess {
  const options = [...JAVA_OPTIONS, ...properties, '-cp', `${CLASSES}:${AERON_LIBRARY}`];
  return new PeerProcess(name, 'java', [...options, 'pawl.interop.Main', ...args]);
}

function isBuilt(): boolean {
  const main = join(CLASSES, 'pawl', 'interop', 'Main.class');
  if (!existsSync(main) || !existsSync(AERON_LIBRARY)) {
    return false;
  }
  const sources = join(PROJECT, 'src', 'main', 'java', 'pawl', 'interop');
  const inputs = readdirSync(sources).map((file) => join(sources, file));
  inputs.push(join(PROJECT, 'pom.xml'));
  const builtMs = statSync(main).mtimeMs;
  return inputs.every((input) => statSync(input).mtimeMs <= builtMs);
}

/** The offline attempt is quick, and enough wherever the build has run once. */
function runMaven(): string | undefined {
  rmSync(TARGET, { recursive: true, force: true });
  const args = ['--batch-mode', '--quiet', 'process-classes'];
  const options = { cwd: PROJECT, encoding: 'utf8', timeout: BUILD_LIMIT_MS } as const;
  if (spawnSync('mvn', ['--offline', ...args], options).status === 0) {
    return undefined;
  }
  const result = spawnSync('mvn', args, options);
  return result.status === 0 ? undefined : `${result.stdout}${result.stderr}${result.error ?? ''}`;
}
