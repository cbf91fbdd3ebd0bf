/** A Python traceback as what it says: the exceptions of a chain, and the frames that each came through. */

export interface Frame {
  file: string;
  line: number;
  /** The function; null of a syntax error. */
  name: string | null;
  /** The lines of code as they stand, without marks below them. */
  code: string[];
  /** Not the reader's own code: an installed package, Python itself. */
  library: boolean;
  /** What stands behind it in the way of notes: `[Previous line repeated 968 more times]`. */
  note: string | null;
}

/** Why an exception was raised while there was another: `raise … from`, or in the handling of it. */
export type Link = 'cause' | 'context';

export interface Raised {
  frames: Frame[];
  type: string;
  message: string;
  /** How it came out of the one that stands before it; null of the first. */
  link: Link | null;
}

const HEAD = /^Traceback \(most recent call last\):$/;
const FRAME = /^\s+File "(.+?)", line (\d+)(?:, in (.+))?$/;
const MARKS = /^\s+[~^][~^\s]*$/;
const NOTE = /^\s+\[Previous line repeated \d+ more times?\]$/;
const LINKS: readonly [string, Link][] = [
  ['The above exception was the direct cause of the following exception:', 'cause'],
  ['During handling of the above exception, another exception occurred:', 'context'],
];
/** `ValueError: …`, `archive.jobs.MirrorUnreachableError`, `zlib.error: …`. */
const EXCEPTION = /^([\w.<>]+)(?:: ?([\s\S]*))?$/;
/** Where installed packages and Python itself are, whatever the machine. */
const LIBRARY = /(^|\/)(site|dist)-packages\/|(^|\/)lib(64)?\/python\d|^<frozen |\/python\d+\.zip\//;
/** Checked out beside the application, engines are no code of the application either. */
const ENGINES =
  /\/(celery\/(app|worker|concurrency|utils|backends)|billiard|kombu|rq\/(worker|job|queue))[/.]/;

/** In the order of the text: what was raised last stands last. Empty where the text is no traceback. */
export function parseTraceback(text: string): Raised[] {
  const found: Raised[] = [];
  let link: Link | null = null;
  for (const block of blocks(text)) {
    const said = LINKS.find(([words]) => block.trim() === words);
    if (said !== undefined) link = said[1];
    else if (block.split('\n').some((line) => HEAD.test(line) || FRAME.test(line))) {
      found.push(parseOne(block, found.length > 0 ? link : null));
      link = null;
    }
  }
  return found;
}

/** The links between exceptions divide the text. */
function blocks(text: string): string[] {
  const words = LINKS.map(([line]) => line.replaceAll('.', '\\.')).join('|');
  return text.replaceAll('\r\n', '\n').split(new RegExp(`^(${words})$`, 'm'));
}

function parseOne(block: string, link: Link | null): Raised {
  const lines = block.split('\n');
  const begin = lines.findIndex((line) => HEAD.test(line) || FRAME.test(line));
  const frames: Frame[] = [];
  let at = begin;
  while (at < lines.length && !isException(lines[at] ?? '')) at = readLine(lines, at, frames);
  return { frames, ...exception(lines.slice(at)), link };
}

/** What is not indented and is no head begins the exception; a cut (`…`) stands alone on its line. */
function isException(line: string): boolean {
  return /^\S/.test(line) && !HEAD.test(line) && line !== '…';
}

/** @returns the index of the line behind what was read. */
function readLine(lines: readonly string[], at: number, frames: Frame[]): number {
  const line = lines[at] ?? '';
  const match = FRAME.exec(line);
  const last = frames.at(-1);
  if (match !== null) frames.push(frame(match));
  else if (last !== undefined && NOTE.test(line)) last.note = line.trim();
  else if (last !== undefined && line.trim() !== '' && line !== '…' && !HEAD.test(line) && !MARKS.test(line))
    last.code.push(line.replace(/^ {1,4}/, '').trimEnd());
  return at + 1;
}

function frame([, file = '', line = '', name]: RegExpExecArray): Frame {
  return { file, line: Number(line), name: name ?? null, code: [], library: isLibrary(file), note: null };
}

export function isLibrary(file: string): boolean {
  const path = file.replaceAll('\\', '/');
  return LIBRARY.test(path) || ENGINES.test(path);
}

function exception(lines: readonly string[]): { type: string; message: string } {
  const text = lines
    .join('\n')
    .replace(/\n?"""\s*$/, '') // billiard quotes the traceback of its child
    .trim();
  const match = EXCEPTION.exec(text);
  return match === null ? { type: '', message: text } : { type: match[1] ?? '', message: match[2] ?? '' };
}

/** Neighbouring frames of libraries stand together; the last frame always stands for itself. */
export type Piece = { kind: 'frame'; frame: Frame; last: boolean } | { kind: 'folded'; frames: Frame[] };

export function pieces(frames: readonly Frame[]): Piece[] {
  const found: Piece[] = [];
  for (const [index, each] of frames.entries()) {
    const last = index === frames.length - 1;
    const before = found.at(-1);
    if (!each.library || last) found.push({ kind: 'frame', frame: each, last });
    else if (before?.kind === 'folded') before.frames.push(each);
    else found.push({ kind: 'folded', frames: [each] });
  }
  return found;
}

/** The packages that frames are of, as one says them: `celery`, `rq`, `python`. */
export function packages(frames: readonly Frame[]): string[] {
  return [...new Set(frames.map(({ file }) => packageOf(file)))];
}

function packageOf(file: string): string {
  const installed = /(?:site|dist)-packages\/([^/]+?)(?:\.py)?(?:\/|$)/.exec(file.replaceAll('\\', '/'));
  return installed?.[1] ?? /\/(celery|billiard|kombu|rq)\//.exec(file)?.[1] ?? 'python';
}

/** The end of a path, which tells one file from another: `archive/tasks/vod.py`. */
export function shortPath(file: string): string {
  const path = file.replaceAll('\\', '/');
  const installed =
    /(?:site|dist)-packages\/(.+)$/.exec(path) ?? /\/lib(?:64)?\/python[\d.]+\/(.+)$/.exec(path);
  return installed?.[1] ?? path.split('/').slice(-3).join('/');
}
