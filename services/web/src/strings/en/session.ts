import { plural } from '../plural';

/** Signing in, who one is, and what went wrong. */
export const session = {
  title: 'Sign in to Taskscope',
  lead: 'Every Celery and RQ task, live.',
  company: 'Sign in with your company’s account',
  or: 'or',
  proxy: {
    text: 'The proxy in front of Taskscope says who you are, and did not.',
    again: 'Load anew',
  },
  token: {
    label: 'Token',
    placeholder: 'ts_…',
    show: 'Show what was pasted',
    note: 'Who runs Taskscope makes one with',
    command: 'taskscope token create',
    kubernetes: '; in Kubernetes',
    notes: 'helm get notes',
    where: 'says where the first one is.',
    empty: 'Paste a token first.',
    submit: 'Sign in',
    busy: 'Signing in',
    wait: (seconds: number) => `Try again in ${plural(seconds, 'second', 'seconds')}.`,
  },
  ended: {
    title: 'Your session has ended',
    text: (name: string) =>
      `Sign in again as ${name} and go on where you were: the page behind this, and all you typed into it, stays.`,
    other: 'As somebody else you begin anew, and what is on this page is forgotten.',
    leave: 'Leave this page',
  },
  who: {
    menu: (name: string) => `Signed in as ${name}`,
    role: 'May',
    sources: 'Sees',
    ends: 'Session ends',
    allSources: 'all sources',
    never: 'not by itself',
    signOut: 'Sign out',
    proxy: 'Who you are is said by the proxy in front of Taskscope: sign out there.',
    roles: {
      viewer: 'look, and export',
      operator: 'look, and export: nothing here changes tasks yet',
      admin: 'look, and export: nothing here changes tasks yet',
    },
    roleNames: { viewer: 'viewer', operator: 'operator', admin: 'admin' },
    failed: 'Signing out did not work',
  },
  refusals: {
    wrong: {
      title: 'This token is not known.',
      text: 'Check that all of it was pasted, from ts_ to its end. It may have been revoked: then ask for another.',
    },
    over: { title: 'This token has expired.', text: 'Ask who runs Taskscope for another.' },
    throttled: {
      title: 'Too many wrong tokens came from here.',
      text: 'A right one is taken all the same.',
    },
    noGrant: {
      title: 'You are known, and nothing was granted to you.',
      text: 'Ask who runs Taskscope for a grant, or sign in as somebody else.',
    },
    noTokens: {
      title: 'Nobody signs in with a token here.',
      text: 'Load the page anew for the ways that there are.',
    },
    foreign: {
      title: 'The api does not know this address as its own.',
      text: 'Open Taskscope by its own address; who runs it lists others in api.allowed_origins.',
    },
    declined: {
      title: 'The provider of identities did not let you in.',
      text: 'Sign in again, as somebody else perhaps, or ask whoever runs the provider for access.',
    },
    late: {
      title: 'Signing in was not finished.',
      text: 'It took over ten minutes, began in another browser or is over already: sign in again.',
    },
    failed: {
      title: 'Signing in did not work.',
      text: 'Try again. If it stays so, ask who runs Taskscope: the log of its api says why.',
    },
    provider: {
      title: 'The provider of identities does not answer.',
      text: 'Try again in a minute. A token, where you have one, works meanwhile.',
    },
    away: {
      title: 'The api does not answer.',
      text: 'Try again in a moment; what you typed stays.',
    },
    strange: {
      title: 'Something else than Taskscope answered.',
      text: 'A proxy in front of it may want you to sign in: load the page anew.',
    },
    forbidden: {
      title: 'You were refused.',
      text: 'Ask who runs Taskscope for access, or sign in as somebody else.',
    },
    unknown: {
      title: 'The api does not know who you are.',
      text: 'Sign in again, or ask who runs Taskscope for access.',
    },
  },
} as const;
