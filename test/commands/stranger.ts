// stranger.ts: another program on the port that the control.json of an ended member names.

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tape';
import { atEnd } from '../support/at-end.js';

/** Starts a web server, as a program that has taken the port; closed at the end of the test. */
export async function strangerFor(t: Test, directory: string): Promise<void> {
  const server = createServer((_request, response) => response.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => server.close());
  const { port } = server.address() as AddressInfo;
  const endpoint = { pid: 1, port, token: 'of a member that has ended' };
  writeFileSync(join(directory, 'control.json'), JSON.stringify(endpoint));
}
