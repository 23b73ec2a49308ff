// answer-order.ts: the part of linearizability that the log decides, in one step per command.
//
// Where commands stand in the log is an order that explains all their results; what is left to
// check is time: what was invoked after another command had been answered must stand behind it.

/** Commands and reads by number, in the order of the log; numbered by whoever sends them. */
export class AnswerOrder {
  /** For a command that is not applied yet: the last place that was answered before it began. */
  readonly #floors = new Map<number, number>();
  /** For a read that has no answer yet: the same. */
  readonly #readFloors = new Map<string, number>();
  #answered = 0;

  /** A command begins. */
  onInvoke(command: number): void {
    this.#floors.set(command, this.#answered);
  }

  /**
   * A command is applied, by the first or by another member.
   *
   * @param place its number in the order of the log, from 1.
   * @returns what is wrong, in words; otherwise nothing.
   */
  onApplied(command: number, place: number): string | undefined {
    const floor = this.#floors.get(command);
    if (floor === undefined) {
      return undefined;
    }
    this.#floors.delete(command);
    return place > floor
      ? undefined
      : `it is number ${place} of the log, and began after number ${floor} had been answered`;
  }

  /** A read begins, which stands nowhere in the log. */
  onAsked(read: string): void {
    this.#readFloors.set(read, this.#answered);
  }

  /**
   * A read is answered.
   *
   * @param place number of the last command that it has seen, in the order of the log.
   * @returns what is wrong, in words; otherwise nothing.
   */
  onRead(read: string, place: number): string | undefined {
    const floor = this.#readFloors.get(read) ?? 0;
    this.#readFloors.delete(read);
    this.onAnswered(place);
    return place >= floor
      ? undefined
      : `it has seen the log to number ${place}, and began after number ${floor} was answered`;
  }

  /** The answer to a command has arrived. */
  onAnswered(place: number): void {
    this.#answered = Math.max(this.#answered, place);
  }
}
