// What a member with dedicated threads must be given, because functions do not cross threads.

import test from 'tape';
import type { MemberSettings } from '../../src/cluster/cluster-config.js';
import { PawlError } from '../../src/errors.js';
import { runMember } from '../../src/host/node-member.js';
import { createService } from '../../src/tools/services/echo-service.js';
import { SecretAuthenticator } from '../cluster/secrets.js';
import { temporaryDirectory } from '../support/until.js';

const MEMBERS = `0,${[1, 2, 3, 4, 5].map((port) => `127.0.0.1:${20_000 + port}`).join(',')}`;

function refusal(directory: string, member: Partial<MemberSettings>): string {
  try {
    runMember({
      cluster: { members: MEMBERS },
      member: { memberId: 0, ...member },
      directory,
      serviceFactory: createService,
      authenticatorFactory: () => new SecretAuthenticator('salt'),
    });
    return 'accepted';
  } catch (error) {
    return error instanceof PawlError ? `${error.code}: ${error.message}` : String(error);
  }
}

test('an authenticator without its module is refused where it would be on another thread', (t) => {
  const told = refusal(temporaryDirectory(t), { threads: 'dedicated' });
  t.match(told, /^CONFIGURATION_INVALID: .*authenticatorModule is not given.*use threads shared/);
  t.end();
});

test('a shadow without the module of its service is refused', (t) => {
  const told = refusal(temporaryDirectory(t), { snapshotBy: 'shadow' });
  t.match(told, /^CONFIGURATION_INVALID: .*serviceModule is not given/);
  t.end();
});
