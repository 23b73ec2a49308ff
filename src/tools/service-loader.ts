// service-loader.ts: finds the service that a member shall run: one that ships, or a module.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type {
  Authenticator,
  AuthenticatorFactory,
  AuthorisationService,
} from '../cluster/authenticator.js';
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

/** Whether a name needs no path. */
export function isBuiltIn(name: string): boolean {
  return Object.hasOwn(BUILT_IN, name);
}

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

async function importModule(path: string, kind: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    const remedy =
      (error as NodeJS.ErrnoException).code === 'ERR_UNKNOWN_FILE_EXTENSION'
        ? 'compile it to JavaScript, or start Node with --import tsx'
        : 'correct the module';
    throw invalid(
      `${kind} module ${path} threw while it was loaded: ${firstLine(error)}; ${remedy}`,
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
  if (isBuiltIn(name) && builtIn !== undefined) {
    const { factory, module } = builtIn;
    return { factory, module: module.href, description: `${name} (built in)` };
  }
  const path = resolve(name);
  if (!existsSync(path)) {
    const names = Object.keys(BUILT_IN).join(', ');
    throw invalid(
      `service module ${path} does not exist: name a module's path, or one of ${names}`,
    );
  }
  const module = await importModule(path, 'service');
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

/** What decides about clients. */
export interface LoadedSecurity {
  readonly authenticatorFactory: AuthenticatorFactory;
  /** URL of the module that both are of. */
  readonly authenticatorModule: string;
  readonly authorisation?: AuthorisationService;
}

/** Methods that an authenticator must have. */
const AUTHENTICATOR_METHODS = [
  'onConnectRequest',
  'onChallengeResponse',
  'onProcessConnectedSession',
  'onProcessChallengedSession',
] as const;

function checkedAuthenticator(create: () => unknown, path: string): AuthenticatorFactory {
  return () => {
    const authenticator = create() as Partial<Authenticator> | null | undefined;
    const missing = AUTHENTICATOR_METHODS.find(
      (name) => typeof authenticator?.[name] !== 'function',
    );
    if (missing !== undefined) {
      throw invalid(
        `createAuthenticator of ${path} returned an object without a method ${missing}: ` +
          'return one that implements Authenticator',
      );
    }
    return authenticator as Authenticator;
  };
}

/**
 * Loads an authenticator, and who may give orders where the module says so.
 *
 * @param path of a module that exports `createAuthenticator`, and `createAuthorisationService` or
 *   not.
 * @throws PawlError SERVICE_INVALID.
 */
export async function loadAuthenticator(path: string): Promise<LoadedSecurity> {
  if (!existsSync(path)) {
    throw invalid(`authenticator module ${path} does not exist: name a module's path`);
  }
  const { createAuthenticator, createAuthorisationService } = await importModule(
    path,
    'authenticator',
  );
  if (typeof createAuthenticator !== 'function') {
    throw invalid(
      `authenticator module ${path} has no createAuthenticator: export a function of that name ` +
        'that returns a fresh authenticator',
    );
  }
  const authenticatorFactory = checkedAuthenticator(createAuthenticator as () => unknown, path);
  const authenticatorModule = pathToFileURL(path).href;
  if (typeof createAuthorisationService !== 'function') {
    return { authenticatorFactory, authenticatorModule };
  }
  const authorisation = createAuthorisationService() as AuthorisationService;
  return { authenticatorFactory, authenticatorModule, authorisation };
}
