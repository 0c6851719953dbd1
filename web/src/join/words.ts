// What the page says in words: why a session ended, why a device failed.
import { ConnectionError, ConnectionErrorReason, DisconnectReason, MediaDeviceFailure } from 'livekit-client';

const LOST: Partial<Record<DisconnectReason, string>> = {
  [DisconnectReason.DUPLICATE_IDENTITY]: 'You joined this session in another tab or on another device.',
  [DisconnectReason.SERVER_SHUTDOWN]: 'The server is being restarted. You can rejoin in a moment.',
  [DisconnectReason.PARTICIPANT_REMOVED]: 'You were removed from the session.',
  [DisconnectReason.ROOM_DELETED]: 'The session was ended.',
  [DisconnectReason.ROOM_CLOSED]: 'The session is over.',
  [DisconnectReason.STATE_MISMATCH]: 'The connection could not be resumed.',
  [DisconnectReason.JOIN_FAILURE]: 'The connection could not be set up. A firewall may block it.',
  [DisconnectReason.MIGRATION]: 'The session moved to another server. Please rejoin.',
  [DisconnectReason.SIGNAL_CLOSE]: 'The connection to the server was closed.',
  [DisconnectReason.CONNECTION_TIMEOUT]: 'The connection was lost for too long.',
  [DisconnectReason.MEDIA_FAILURE]: 'Audio and video could not get through.',
};

export function lossInWords(reason: DisconnectReason | undefined): string {
  return LOST[reason ?? DisconnectReason.UNKNOWN_REASON] ?? 'The connection to the server was lost.';
}

/** The attribute by which the server says why it ended the session, before it says goodbye. */
export const END_ATTRIBUTE = 'beistand.end';

const ENDED: Record<string, string> = {
  left: 'Everyone has left.',
  ended_by_api: 'It was closed by its organiser.',
  room_deleted: 'It was closed by its organiser.',
  max_duration: 'The longest duration is reached.',
  presence_timeout: 'Nobody confirmed being still there.',
  floor_breached: 'The connection stayed below the promised minimum.',
  quota_exhausted: 'The prepaid time is used up.',
  no_show: 'The other side did not come.',
  abandoned: 'One side stayed away.',
};

export function endInWords(reason: string): string {
  return ENDED[reason] ?? 'The server ended it.';
}

const REFUSED: Record<ConnectionErrorReason, string> = {
  [ConnectionErrorReason.NotAllowed]: 'The server did not accept this link. It may have expired: ask for a new one.',
  [ConnectionErrorReason.ServerUnreachable]: 'The server cannot be reached. Check your internet connection.',
  [ConnectionErrorReason.InternalError]: 'The server could not take you in. Please try again in a moment.',
  [ConnectionErrorReason.Cancelled]: 'Joining was cancelled.',
  [ConnectionErrorReason.LeaveRequest]: 'The server ended the connection while you joined.',
  [ConnectionErrorReason.Timeout]: 'The server took too long to answer. A firewall may block the connection.',
  [ConnectionErrorReason.WebSocket]: 'The connection to the server broke while you joined.',
  [ConnectionErrorReason.ServiceNotFound]: 'There is no session server at this address.',
};

export function refusalInWords(error: unknown): string {
  if (error instanceof ConnectionError) {
    if (error.reason === ConnectionErrorReason.LeaveRequest && typeof error.context === 'number') {
      return lossInWords(error.context);
    }
    // 401 is the token; 403 and 404 are a token in order that the room does not admit now.
    if (error.reason === ConnectionErrorReason.NotAllowed && error.status !== 401) return 'The server did not let you in.';
    return REFUSED[error.reason as ConnectionErrorReason] ?? 'Joining failed.';
  }
  return 'Joining failed.';
}

/** The server's own words: the client reads them only from a refusal (401, 403, 404), anything else is its own text. */
export function serverWords(error: unknown): string | null {
  if (!(error instanceof ConnectionError) || error.reason !== ConnectionErrorReason.NotAllowed) return null;
  const words = error.message.replace(/^could not establish signal connection: /, '').trim();
  return words ? `The server said: ${words.slice(0, 300)}` : null;
}

export type Device = 'camera' | 'microphone';

export type Failure = 'insecure' | 'blocked' | 'missing' | 'busy' | 'other';

export function failureOf(error: unknown): Failure {
  if (!navigator.mediaDevices) return 'insecure';
  switch (MediaDeviceFailure.getFailure(error as Error)) {
    case MediaDeviceFailure.PermissionDenied:
      return 'blocked';
    case MediaDeviceFailure.NotFound:
      return 'missing';
    case MediaDeviceFailure.DeviceInUse:
      return 'busy';
    default:
      return 'other';
  }
}

/** What went wrong with one device, or with both alike, and what to do about it. */
export function failureInWords(devices: Device[], failure: Failure): string {
  const names = devices.join(' and the ');
  const many = devices.length > 1;
  const [are, them, ones] = many ? ['are', 'them', 'them'] : ['is', 'it', 'one'];
  switch (failure) {
    case 'insecure':
      return `Browsers give out the ${names} on secure pages (https) only.`;
    case 'blocked':
      return `The ${names} ${are} blocked. Allow ${them} in your browser's address bar, then switch ${them} on here.`;
    case 'missing':
      return `No ${devices.join(' and no ')} was found. Plug ${ones} in, then switch ${them} on here.`;
    case 'busy':
      return `The ${names} ${are} in use by another program. Close it, then switch the ${names} on here.`;
    case 'other':
      return `The ${names} could not be started. Switch ${them} on here to try again.`;
  }
}
