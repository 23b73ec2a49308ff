// workload.ts: what the messages of the ledger's clients may carry besides their numbers.

/** Makes a session's commands. */
export interface Workload {
  /** @param client the number of the session. */
  session(client: number): WorkloadSession;
}

/** The commands of one session. */
export interface WorkloadSession {
  /** Writes a command behind client and sequence. False: nothing is to be sent now. */
  write(sequence: number, bytes: Uint8Array): boolean;
  onSent(sequence: number): void;
  onReply(sequence: number, view: DataView, offset: number): void;
  /** What is unanswered stays so. */
  onLeaderLost(): void;
}

const TIMER_MARK = 0x54494d52;
const SCHEDULE = 1;
const CANCEL = 2;
const COMMAND_OFFSET = 8;
/** Every so many messages one cancels a timer that may have fired, be due, or be far off. */
const CANCEL_EVERY = 4;
const DELAY_STEP_MS = 37;
const DELAY_MS_MAX = 1_500;

/** Schedules timers that fire within seconds, many of them at one deadline, and cancels some. */
export class TimerWorkload implements Workload {
  session(): WorkloadSession {
    return {
      write: (sequence, bytes) => {
        const view = new DataView(bytes.buffer);
        const isCancel = sequence % CANCEL_EVERY === 0;
        view.setUint32(COMMAND_OFFSET, TIMER_MARK, true);
        view.setUint32(COMMAND_OFFSET + 4, isCancel ? CANCEL : SCHEDULE, true);
        const delayMs = (sequence * DELAY_STEP_MS) % DELAY_MS_MAX;
        view.setUint32(COMMAND_OFFSET + 8, isCancel ? sequence - 1 : delayMs, true);
        return true;
      },
      onSent: () => undefined,
      onReply: () => undefined,
      onLeaderLost: () => undefined,
    };
  }
}
