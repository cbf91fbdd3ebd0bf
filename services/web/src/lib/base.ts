/** Addresses below the page's own, so that a sub-path works without configuration. */
export function endpoint(path: string, base: string = document.baseURI): string {
  return new URL(path, withoutHash(base)).href;
}

export function socketEndpoint(path: string, base: string = document.baseURI): string {
  const url = new URL(path, withoutHash(base));
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

function withoutHash(base: string): string {
  return base.split('#')[0] ?? base;
}
