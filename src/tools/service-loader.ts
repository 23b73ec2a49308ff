// service-loader.ts: finds the service that a member shall run: one that ships, or a module.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ErrorCode, PawlError } from '../errors.js';
import type { ServiceFactory } from '../service/clustered-service.js';
import { createService as createEchoService } from './services/echo-service.js';
import { createService as createKeyValueService } from './services/key-value-service.js';

/** Services that are named without a path. */
const BUILT_IN: Readonly<Record<string, { factory: ServiceFactory; module: URL }>> = {
  echo: {
    factory: createEchoService,
    module: new URL('./services/echo-service.ts', import.meta.url),
  },
  'key-value': {
    factory: createKeyValueService,
    module: new URL('./services/key-value-service.ts', import.meta.url),
  },
};

export interface LoadedService {
  readonly factory: ServiceFactory;
  /** URL of the module that exports the factory as createService. */
  readonly module: string;
  /** What it is, for the first line that a member prints. */
  readonly description: string;
}

function invalid(message: string, cause?: unknown): PawlError {
  return new PawlError(ErrorCode.ServiceInvalid, message, 'usage', { cause });
}

/** What is thrown by a module is anything; people want the first line of it. */
function firstLine(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).split(
    '\n',
  )[0] as string;
}

async function importModule(path: string): Promise<Record<string, unknown>> {
  if (!existsSync(path)) {
    const names = Object.keys(BUILT_IN).join(', ');
    throw invalid(
      `service module ${path} does not exist: name a module's path, or one of ${names}`,
    );
  }
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    const remedy =
      (error as NodeJS.ErrnoException).code === 'ERR_UNKNOWN_FILE_EXTENSION'
        ? 'compile it to JavaScript, or start Node with --import tsx'
        : 'correct the module';
    throw invalid(
      `service module ${path} threw while it was loaded: ${firstLine(error)}; ${remedy}`,
      error,
    );
  }
}

/** Calls the user's factory and turns what it throws into an error that names the module. */
function guarded(createService: () => unknown, path: string): ServiceFactory {
  return () => {
    let service: unknown;
    try {
      service = createService();
    } catch (error) {
      throw invalid(
        `createService of ${path} threw: ${firstLine(error)}; correct the module`,
        error,
      );
    }
    const candidate = service as { onSessionMessage?: unknown } | null | undefined;
    if (typeof candidate?.onSessionMessage !== 'function') {
      throw invalid(
        `createService of ${path} returned ${typeof service} without a method onSessionMessage: ` +
          'return an object that implements ClusteredService',
      );
    }
    return service as ReturnType<ServiceFactory>;
  };
}

/**
 * Loads a service.
 *
 * @param name `echo`, `key-value`, or the path of a module that exports `createService`.
 * @throws PawlError SERVICE_INVALID.
 */
export async function loadService(name: string): Promise<LoadedService> {
  const builtIn = BUILT_IN[name];
  if (builtIn !== undefined) {
    const { factory, module } = builtIn;
    return { factory, module: module.href, description: `${name} (built in)` };
  }
  const path = resolve(name);
  const module = await importModule(path);
  const createService = module.createService;
  if (typeof createService !== 'function') {
    const exported = Object.keys(module).join(', ') || 'nothing';
    throw invalid(
      `service module ${path} exports ${exported}: export a function named createService that ` +
        'returns a fresh service',
    );
  }
  return {
    factory: guarded(createService as () => unknown, path),
    module: pathToFileURL(path).href,
    description: path,
  };
}
