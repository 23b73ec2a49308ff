// options.ts: how options of the command line become values. The parser prints what is wrong.

import { InvalidArgumentError } from 'commander';

/** A reader of a whole number between two bounds, both allowed. */
export function integerOption(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** A reader of a number between two bounds, both allowed. */
export function numberOption(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** A reader of `1000,10000`: whole numbers between two bounds. */
export function integerListOption(min: number, max: number): (text: string) => readonly number[] {
  const one = integerOption(min, max);
  return (text) => text.split(',').map((part) => one(part.trim()));
}

/** A reader of one of some words. */
export function wordOption<T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((known) => known === text);
    if (word === undefined) {
      throw new InvalidArgumentError(`It must be one of ${words.join(', ')}.`);
    }
    return word;
  };
}

/** A reader of a list of some words, such as `links,disks`. */
export function wordListOption<T extends string>(
  words: readonly T[],
): (text: string) => readonly T[] {
  const one = wordOption(words);
  return (text) => text.split(',').map((part) => one(part.trim()));
}

/** Reads null, a number, "a text", true or false, as JSON has them. */
export function scalarOption(text: string): null | boolean | number | string {
  const isScalar = /^(?:null|true|false|-?\d+(?:\.\d+)?|"(?:[^"\\\n]|\\["\\/bfnrt])*")$/.test(text);
  if (!isScalar) {
    throw new InvalidArgumentError('It must be null, a number, a "text", true or false.');
  }
  return JSON.parse(text) as null | boolean | number | string;
}
