import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { session as words } from '../../src/strings/en/session';
import { turnedBack } from '../../src/session/refusals';

describe('a sign-in that came to nothing', () => {
  it('is said in words of the page', () => {
    expect(turnedBack('?sign-in=refused')?.title).toBe(words.refusals.declined.title);
  });

  it.each([
    '',
    '?sign-in=',
    '?sign-in=constructor',
    '?sign-in=__proto__',
    '?sign-in=<b>x</b>',
    '?other=refused',
  ])('is nothing where the address says %j', (search) => {
    expect(turnedBack(search)).toBeNull();
  });

  it('has words for each code of the api', () => {
    const code = new URL('../../../api/src/taskscope_api/access/turned_back.py', import.meta.url);
    const known = /CODES = \{(.*?)\}/s.exec(readFileSync(code, 'utf8'))?.[1] ?? '';
    const codes = [...known.matchAll(/: "([^"]+)"/g)].map(([, name]) => name ?? '');
    expect(codes.length).toBe(4);
    for (const each of [...codes, 'failed']) expect(turnedBack(`?sign-in=${each}`)).not.toBeNull();
  });
});
