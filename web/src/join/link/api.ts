// Where the HTTP API of the node is that signalling goes to, with whatever path prefix a proxy put before it.
export function apiBase(serverUrl: string): string {
  return `${serverUrl.replace(/^ws/, 'http').replace(/\/+$/, '')}/`;
}
