// seams.js: faults from inside a member's process, loaded before Pawl by `node --import`.
//
// The product knows nothing of it: it stands between Node and the operating system, as a library
// for fake time does. What it does is ordered over the IPC channel of the process, as
// `{id, type: 'seam', value}`:
//   wallMs, strobeMs   Date.now() is off by wallMs, or by strobeMs every other 50 ms (10 Hz)
//   rate               the monotonic clock runs by this factor; also PAWL_TEST_RATE, from the start
//   stallMs            the event loop stands still
//   syncMs             each sync of a file takes longer by this, in every thread
//   dieAt              {files, call, how}: the process dies at the call-th change of such files
//   network            what happens to datagrams that leave, by the member that gets them
// Threads of the process share one memory, so that the recorder's thread obeys as well.

import dgram from 'node:dgram';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';

const MEMORY_KEY = 'pawl-test-seams';
const [SYNC_MS, FILES, COUNTDOWN, HOW, SLEEP] = [0, 1, 2, 3, 4];
const CELL_COUNT = 8;
const NS_PER_SECOND = 1e9;

/** How a process dies at a call: before it, after it, or in the middle of a write. */
const WAYS = ['before', 'after', 'torn'];
/** Files of a member, by the name of what they are for. */
const FILE_KINDS = {
  snapshot: /^(snapshots\.dat|[1-9][0-9]*-[0-9]+\.rec)$/,
  log: /^(0-[0-9]+\.rec|archive\.catalog|durable-mark\.dat|recording\.log)$/,
  all: /\.(rec|dat|log|catalog|tmp)$/,
};
const PATTERNS = [undefined, ...Object.values(FILE_KINDS)];

if (isMainThread) {
  setEnvironmentData(MEMORY_KEY, new SharedArrayBuffer(CELL_COUNT * 4));
}
const cells = new Int32Array(getEnvironmentData(MEMORY_KEY));

// --- clocks ---

const wallNow = Date.now;
const monotonicNow = process.hrtime;
const clock = { wallMs: 0, strobeMs: 0, rate: Number(process.env.PAWL_TEST_RATE ?? 1) };

Date.now = () => {
  const now = wallNow();
  return now + clock.wallMs + (Math.floor(now / 50) % 2 === 1 ? clock.strobeMs : 0);
};

const skewedNow = (since) => {
  const [seconds, nanoseconds] = monotonicNow(since);
  const total = (seconds + nanoseconds / NS_PER_SECOND) * clock.rate;
  return [Math.floor(total), Math.floor((total % 1) * NS_PER_SECOND)];
};
skewedNow.bigint = monotonicNow.bigint;
if (clock.rate !== 1) {
  process.hrtime = skewedNow;
}

// --- files ---

const pathOf = new Map();

function sleep(ms) {
  if (ms > 0) {
    Atomics.wait(cells, SLEEP, 0, ms);
  }
}

/** Counts a change; dies at the one that was named. */
function atCall(path, call, tear) {
  const pattern = PATTERNS[Atomics.load(cells, FILES)];
  const isMeant = pattern?.test(basename(path)) === true;
  if (!isMeant || Atomics.sub(cells, COUNTDOWN, 1) !== 1) {
    return call();
  }
  const how = WAYS[Atomics.load(cells, HOW)];
  if (how === 'after') {
    call();
  } else if (how === 'torn') {
    tear?.();
  }
  process.kill(process.pid, 'SIGKILL');
  // The signal takes the process before anything else of it runs.
  return Atomics.wait(cells, SLEEP, 0);
}

function patchFiles() {
  const real = { ...fs };
  fs.openSync = (path, flags, mode) => {
    const isWriting = (flags & fs.constants.O_CREAT) !== 0;
    const open = () => real.openSync(path, flags, mode);
    const descriptor = isWriting ? atCall(String(path), open) : open();
    pathOf.set(descriptor, String(path));
    return descriptor;
  };
  const nameOf = (descriptor) => pathOf.get(descriptor) ?? '';
  fs.writeSync = (descriptor, buffer, offset, length, position) =>
    atCall(
      nameOf(descriptor),
      () => real.writeSync(descriptor, buffer, offset, length, position),
      () => real.writeSync(descriptor, buffer, offset, Math.floor(length / 2), position),
    );
  fs.ftruncateSync = (descriptor, length) =>
    atCall(nameOf(descriptor), () => real.ftruncateSync(descriptor, length));
  fs.fdatasyncSync = (descriptor) => {
    sleep(Atomics.load(cells, SYNC_MS));
    return atCall(nameOf(descriptor), () => real.fdatasyncSync(descriptor));
  };
  fs.fdatasync = (descriptor, done) => {
    const start = () => atCall(nameOf(descriptor), () => real.fdatasync(descriptor, done));
    const delayMs = Atomics.load(cells, SYNC_MS);
    return delayMs > 0 ? void setTimeout(start, delayMs) : start();
  };
  fs.renameSync = (from, to) => atCall(String(to), () => real.renameSync(from, to));
  fs.unlink = (path, done) => atCall(String(path), () => real.unlink(path, done));
  fs.unlinkSync = (path) => atCall(String(path), () => real.unlinkSync(path));
  syncBuiltinESMExports();
}

// --- network ---

/** Where every member writes whose each port is: streams answer to ports that nobody configured. */
const portDirectory = process.env.PAWL_TEST_PORTS;
const ownMemberId = process.env.PAWL_TEST_MEMBER;
const owners = new Map();
let policies = {};
let hasPolicies = false;
let chanceState = Number(process.env.PAWL_TEST_SEED ?? 1) >>> 0;

/** A stream of chance of its own: a linear congruence is random enough for losses. */
function isChosen(percent) {
  chanceState = (Math.imul(chanceState, 1664525) + 1013904223) >>> 0;
  return (chanceState >>> 8) % 10_000 < percent * 100;
}

/**
 * A port that no member has written down is a client's. That is not remembered: a member that is
 * about to start writes its ports down after others have begun to send to them.
 */
function ownerOf(port) {
  const known = owners.get(port);
  if (known !== undefined) {
    return known;
  }
  const path = join(portDirectory, String(port));
  if (!fs.existsSync(path)) {
    return 'client';
  }
  const owner = fs.readFileSync(path, 'utf8');
  owners.set(port, owner);
  return owner;
}

function patchNetwork() {
  const { send, bind } = dgram.Socket.prototype;
  dgram.Socket.prototype.bind = function bindNoted(...args) {
    this.once('listening', () => {
      fs.writeFileSync(join(portDirectory, String(this.address().port)), ownMemberId);
    });
    return bind.apply(this, args);
  };
  dgram.Socket.prototype.send = function sendFaulty(buffer, offset, length, ...rest) {
    const port = typeof rest[0] === 'number' ? rest[0] : this.remoteAddress().port;
    const policy = hasPolicies ? policies[ownerOf(port)] : undefined;
    if (policy === undefined) {
      return send.call(this, buffer, offset, length, ...rest);
    }
    return sendBy(policy, this, buffer.subarray(offset, offset + length), rest);
  };

  function sendBy(policy, socket, bytes, rest) {
    const { loss = 0, duplication = 0, lateness = 0, corruption = 0 } = policy;
    const done = rest.at(-1);
    if (isChosen(loss)) {
      done?.(null);
      return;
    }
    const copy = Buffer.from(bytes);
    if (isChosen(corruption)) {
      copy[chanceState % copy.length] ^= 1 << (chanceState % 7);
    }
    const emit = () => {
      try {
        send.call(socket, copy, 0, copy.length, ...rest.slice(0, -1), () => undefined);
      } catch (error) {
        // A copy that was held back longer than its socket lived is lost, as on any network.
        if (error.code !== 'ERR_SOCKET_DGRAM_NOT_RUNNING') {
          throw error;
        }
      }
    };
    const { lateMs = 20, delayMs = 0 } = policy;
    const waitMs = delayMs + (isChosen(lateness) ? chanceState % lateMs : 0);
    if (waitMs > 0) {
      setTimeout(emit, waitMs);
    } else {
      emit();
    }
    if (isChosen(duplication)) {
      setTimeout(emit, chanceState % (policy.duplicateMs ?? 50));
    }
    done?.(null);
  }
}

// --- orders ---

function obey(order) {
  clock.wallMs = order.wallMs ?? clock.wallMs;
  clock.strobeMs = order.strobeMs ?? clock.strobeMs;
  policies = order.network ?? policies;
  hasPolicies = Object.keys(policies).length > 0;
  if (order.syncMs !== undefined) {
    Atomics.store(cells, SYNC_MS, order.syncMs);
  }
  if (order.dieAt !== undefined) {
    const { files, call, how } = order.dieAt;
    Atomics.store(cells, HOW, WAYS.indexOf(how));
    Atomics.store(cells, COUNTDOWN, call);
    Atomics.store(cells, FILES, 1 + Object.keys(FILE_KINDS).indexOf(files));
  }
  if (order.stallMs !== undefined) {
    const endMs = wallNow() + order.stallMs;
    while (wallNow() < endMs);
  }
}

patchFiles();
if (isMainThread && process.send !== undefined) {
  if (portDirectory !== undefined) {
    patchNetwork();
  }
  process.on('message', ({ id, type, value }) => {
    if (type === 'seam') {
      obey(value);
      process.send({ id, type, result: {} });
    }
  });
}
