// minimize.ts: the fewest faults with which a run still fails.
//
// First whole kinds of trouble are taken away (what links, sockets and disks always do, then each
// class of faults), then single faults by delta debugging: halves, quarters and so on, until no
// single fault can be spared. A fault keeps its moment and its dice when others are taken away, so
// the list means the same in every run.

/** Something that can be taken away from a run. */
export interface FaultSelection<Kind extends string> {
  /** Kinds of lasting trouble that are off. */
  readonly without: readonly Kind[];
  /** Numbers of the faults that strike; all when undefined. */
  readonly only: readonly number[] | undefined;
}

/** A fault that struck. */
export interface NumberedFault {
  readonly number: number;
  readonly fault: string;
}

export interface MinimizeOptions<Kind extends string> {
  readonly kinds: readonly Kind[];
  /** Faults that struck before the run failed. */
  readonly faults: readonly NumberedFault[];
  /** Runs; says whether it fails in the same way. */
  readonly fails: (selection: FaultSelection<Kind>) => boolean;
  /** Runs that may be made. */
  readonly runsMax: number;
}

export interface Minimized<Kind extends string> extends FaultSelection<Kind> {
  readonly only: readonly number[];
  /** Runs that were made. */
  readonly runs: number;
  /** No single fault or kind can be spared: false when the runs were used up before. */
  readonly isMinimal: boolean;
}

/** Minimises; undefined when the run does not fail again with all its faults. */
export function minimize<Kind extends string>(
  options: MinimizeOptions<Kind>,
): Minimized<Kind> | undefined {
  return new Minimizer(options).run();
}

class Minimizer<Kind extends string> {
  readonly #options: MinimizeOptions<Kind>;
  #without: readonly Kind[] = [];
  #only: readonly number[];
  #runs = 0;

  constructor(options: MinimizeOptions<Kind>) {
    this.#options = options;
    this.#only = options.faults.map(({ number }) => number);
  }

  run(): Minimized<Kind> | undefined {
    if (!this.#fails(this.#without, this.#only)) {
      return undefined;
    }
    this.#dropKinds();
    this.#dropClasses();
    // What could not be spared at first may be spared when less is left.
    let kinds: number;
    do {
      kinds = this.#without.length;
      this.#dropFaults();
      this.#dropKinds();
    } while (this.#without.length > kinds);
    return {
      without: this.#without,
      only: this.#only,
      runs: this.#runs,
      isMinimal: this.#runs < this.#options.runsMax,
    };
  }

  #fails(without: readonly Kind[], only: readonly number[]): boolean {
    if (this.#runs >= this.#options.runsMax) {
      return false;
    }
    this.#runs++;
    return this.#options.fails({ without, only });
  }

  #dropKinds(): void {
    for (const kind of this.#options.kinds) {
      const without = [...this.#without, kind];
      if (!this.#without.includes(kind) && this.#fails(without, this.#only)) {
        this.#without = without;
      }
    }
  }

  #dropClasses(): void {
    const classes = new Set(this.#options.faults.map(({ fault }) => fault));
    for (const dropped of classes) {
      const kept = this.#options.faults.filter(
        ({ fault, number }) => fault !== dropped && this.#only.includes(number),
      );
      const only = kept.map(({ number }) => number);
      if (only.length < this.#only.length && this.#fails(this.#without, only)) {
        this.#only = only;
      }
    }
  }

  /** Delta debugging: ends when no part of the finest division can be taken away. */
  #dropFaults(): void {
    let parts = 2;
    while (this.#only.length > 0) {
      const size = Math.ceil(this.#only.length / parts);
      const spared = this.#spareOnePart(size);
      if (spared) {
        parts = Math.max(2, parts - 1);
      } else if (size === 1) {
        return;
      } else {
        parts = Math.min(2 * parts, this.#only.length);
      }
    }
  }

  #spareOnePart(size: number): boolean {
    for (let start = 0; start < this.#only.length; start += size) {
      const only = this.#only.filter((_, index) => index < start || index >= start + size);
      if (this.#fails(this.#without, only)) {
        this.#only = only;
        return true;
      }
    }
    return false;
  }
}
