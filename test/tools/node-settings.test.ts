// Which services a member is started with: by flags, by a file, or the echo when nobody says.

import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test from 'tape';
import { readNodeSettings } from '../../src/tools/node-settings.js';
import { loadService } from '../../src/tools/service-loader.js';
import { temporaryDirectory } from '../commands/cli.js';

const FLAGS = { memberId: 0, members: '0,h:1,h:2,h:3,h:4,h:5', directory: 'data' };

test('services are named by flags, in their order; built-in ones without a path', async (t) => {
  t.deepEqual(readNodeSettings(FLAGS).services, ['echo'], 'one that echoes by default');
  const { services } = readNodeSettings({ ...FLAGS, service: ['./b.js', 'key-value', 'a.js'] });
  t.deepEqual(services, [resolve('b.js'), 'key-value', resolve('a.js')]);
  const loaded = await loadService('key-value');
  t.equal(loaded.description, 'key-value (built in)');
});

test('services of a file are relative to the file, and flags win', (t) => {
  const folder = temporaryDirectory(t);
  const config = join(folder, 'node.json');
  const write = (content: object) => writeFileSync(config, JSON.stringify(content));
  write({ services: ['a.js', 'echo', 'more/b.js'] });
  const expected = [join(folder, 'a.js'), 'echo', join(folder, 'more/b.js')];
  t.deepEqual(readNodeSettings({ ...FLAGS, config }).services, expected);
  t.deepEqual(readNodeSettings({ ...FLAGS, config, service: ['c.js'] }).services, [
    resolve('c.js'),
  ]);
  write({ service: 'a.js' });
  t.deepEqual(readNodeSettings({ ...FLAGS, config }).services, [join(folder, 'a.js')]);
  t.end();
});

test('a file that names services twice, none or too many is refused with the reason', (t) => {
  const folder = temporaryDirectory(t);
  const config = join(folder, 'node.json');
  const refused = (content: object): string => {
    writeFileSync(config, JSON.stringify(content));
    try {
      readNodeSettings({ ...FLAGS, config });
      return 'accepted';
    } catch (error) {
      return String(error);
    }
  };
  t.match(refused({ service: 'a.js', services: ['b.js'] }), /name all services in services/);
  t.match(refused({ services: [] }), /services/);
  t.match(refused({ services: Array.from({ length: 17 }, () => 'echo') }), /services/);
  t.end();
});
