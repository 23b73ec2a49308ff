// The life of three real members in every layout but the plain one: services on threads of their
// own, snapshots that shadows write, and both.

import test from 'tape';
import { live } from '../support/snapshot-members.js';

test('members whose services have threads of their own do all of that as well', async (t) => {
  await live(t, { threads: 'dedicated' });
});

test('so do members whose snapshots are taken by shadows, on one thread or two', async (t) => {
  await live(t, { threads: 'shared', snapshotBy: 'shadow' });
  await live(t, { threads: 'dedicated', snapshotBy: 'shadow' });
});
