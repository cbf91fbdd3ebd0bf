/** What stands in a cell or beside a label, described by data: a function of a row says it, and `Cell` draws it. */
import type { IconName } from './icons';

export interface Value {
  /** Null: not known, and `title` says why. */
  text: string | null;
  /** Before it, fainter: the path of a name. */
  path?: string;
  title?: string | undefined;
  href?: string | undefined;
  icon?: IconName | undefined;
  /** Classes of `Cell`: strong, big, mono, faint, good, warn, bad, failed, running. */
  look?: string;
  /** Below it, in small letters. */
  note?: string | undefined;
  noteTitle?: string | undefined;
  noteLook?: string;
}

/** A value that may be missing. */
export function known<T>(
  value: T | null | undefined,
  why: string | undefined,
  say: (value: T) => string,
): Value {
  return value == null ? { text: null, title: why } : { text: say(value) };
}

/** A value of a list of facts. */
export interface Fact {
  label: string;
  /** Null: not known, and `why` says why. */
  value: string | null;
  why?: string;
  /** What it means. */
  title?: string;
  /** A number that should be 0, and is not. */
  bad?: boolean;
}
