// The lives of one member in one process: which follows, and which does not.

import test from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { MemberLives } from '../../src/host/member-lives.js';

/** A life that ends, and is released, when the test says so. */
class ScriptedLife {
  readonly closed: Promise<unknown>;
  end: (error: unknown) => void = () => undefined;
  release: () => void = () => undefined;
  stopCount = 0;
  readonly #released: Promise<void>;

  constructor() {
    this.closed = new Promise((resolve) => {
      this.end = resolve;
    });
    this.#released = new Promise((resolve) => {
      this.release = resolve;
    });
  }

  released(): Promise<void> {
    return this.#released;
  }

  async stop(): Promise<void> {
    this.stopCount++;
    this.end(undefined);
    await this.#released;
  }
}

function installed(): PawlError {
  return new PawlError(ErrorCode.SnapshotInstalled, 'a snapshot was installed');
}

function scripted(failAt = Number.POSITIVE_INFINITY) {
  const lives: ScriptedLife[] = [];
  const reasons: string[] = [];
  const member = new MemberLives(
    () => {
      if (lives.length === failAt) {
        throw new Error('the directory is gone');
      }
      const life = new ScriptedLife();
      lives.push(life);
      return { life };
    },
    ({ message }) => reasons.push(message),
  );
  return { lives, reasons, member };
}

async function turns(): Promise<void> {
  for (let count = 0; count < 5; count++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a life that has installed a snapshot is followed when it is released', async (t) => {
  const { lives, reasons, member } = scripted();
  lives[0]?.end(installed());
  await turns();
  t.equal(lives.length, 1, 'not while the first holds the directory');
  t.deepEqual(reasons, ['a snapshot was installed']);
  lives[0]?.release();
  await turns();
  t.equal(lives.length, 2);
  t.equal(member.current.life, lives[1]);
  lives[1]?.end(new Error('the disk failed'));
  t.match(String(await member.closed), /the disk failed/);
  t.end();
});

test('a stop between two lives is the end', async (t) => {
  const { lives, member } = scripted();
  lives[0]?.end(installed());
  await turns();
  const stopped = member.stop();
  lives[0]?.release();
  await stopped;
  t.equal(await member.closed, undefined, 'it was stopped, and not ended by an error');
  await turns();
  t.equal(lives.length, 1);
  t.end();
});

test('a stop that finds a snapshot just installed is a clean one', async (t) => {
  const { lives, member } = scripted();
  const stopped = member.stop();
  const [life] = lives as [ScriptedLife];
  t.equal(life.stopCount, 1);
  life.release();
  await stopped;
  t.equal(await member.closed, undefined);
  const other = scripted();
  other.lives[0]?.end(installed());
  const otherStopped = other.member.stop();
  other.lives[0]?.release();
  await otherStopped;
  t.equal(await other.member.closed, undefined);
  t.end();
});

test('a life that cannot be made is what ended the member', async (t) => {
  const { lives, member } = scripted(1);
  lives[0]?.end(installed());
  lives[0]?.release();
  t.match(String(await member.closed), /the directory is gone/);
  t.throws(() => scripted(0), /the directory is gone/, 'the first one throws');
  t.end();
});
