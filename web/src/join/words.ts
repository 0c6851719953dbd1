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
    return REFUSED[error.reason as ConnectionErrorReason] ?? 'Joining failed.';
  }
  return 'Joining failed.';
}

export type Device = 'camera' | 'microphone';

/** What went wrong with a device, and what to do about it. */
export function deviceFailureInWords(device: Device, error: unknown): string {
  if (!navigator.mediaDevices) return `Your browser gives out the ${device} on secure pages (https) only.`;
  switch (MediaDeviceFailure.getFailure(error as Error)) {
    case MediaDeviceFailure.PermissionDenied:
      return `The ${device} is blocked. Allow it for this page in your browser's address bar, then switch it on here.`;
    case MediaDeviceFailure.NotFound:
      return `No ${device} was found. Plug one in, then switch it on here.`;
    case MediaDeviceFailure.DeviceInUse:
      return `The ${device} is in use by another program. Close that program, then switch it on here.`;
    default:
      return `The ${device} could not be started. Switch it on here to try again.`;
  }
}
