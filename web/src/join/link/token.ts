// Reads the token for display only: the node alone checks it.

export interface TokenView {
  room: string;
  /** The display name; the identity where there is none. */
  name: string;
  role: string;
  /** The session that it is for; null: any of the room. */
  session: string | null;
  maySendCamera: boolean;
  maySendMic: boolean;
}

/** Null when this is no token at all. */
export function viewToken(jwt: string): TokenView | null {
  const claims = record(payload(jwt));
  if (!claims) return null;
  const attributes = record(claims['attributes']);
  const grant = record(claims['video']) ?? {};
  const sources = Array.isArray(grant['canPublishSources']) ? grant['canPublishSources'] : [];
  // As LiveKit: absent means yes, a non-empty list restricts, `canPublish: false` wins.
  const may = (source: string) => grant['canPublish'] !== false && (sources.length === 0 || sources.includes(source));
  return {
    room: text(grant['room']),
    name: text(claims['name']) || text(claims['sub']),
    role: text(attributes?.['role']),
    session: text(attributes?.['beistand.session']) || null,
    maySendCamera: may('camera'),
    maySendMic: may('microphone'),
  };
}

function payload(jwt: string): unknown {
  const part = jwt.split('.')[1];
  if (!part) return null;
  try {
    const binary = atob(part.replaceAll('-', '+').replaceAll('_', '/'));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (c) => c.charCodeAt(0))));
  } catch {
    return null;
  }
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
