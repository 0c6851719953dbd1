// The test and support hook: what a test or a support engineer may look at from the console.
import type { Room } from 'livekit-client';
import type { ClockMessage } from './clock';

declare global {
  interface Window {
    beistand: {
      /** The LiveKit room, from its creation on; a rejoin makes a new one. */
      room: Room | null;
      /** The last clock message of the server. */
      clock: ClockMessage | null;
    };
  }
}

window.beistand = { room: null, clock: null };

export const hook = window.beistand;
