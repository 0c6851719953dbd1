// What arrives of another participant, in numbers: for tests and support.
import type { Room } from 'livekit-client';

export interface Received {
  /** Size of the last frame that was decoded, and how many were; null: no video. */
  video: { width: number; height: number; frames: number; packetsLost: number; freezeMs: number } | null;
  audio: { packets: number; packetsLost: number; concealedSamples: number; samples: number } | null;
}

export async function received(room: Room | null, identity: string): Promise<Received> {
  const answer: Received = { video: null, audio: null };
  const publications = room?.remoteParticipants.get(identity)?.trackPublications.values() ?? [];
  for (const publication of publications) {
    const report = await publication.track?.getRTCStatsReport();
    for (const stat of (report?.values() ?? []) as Iterable<Record<string, unknown>>) {
      if (stat['type'] !== 'inbound-rtp') continue;
      const count = (name: string) => Number(stat[name] ?? 0);
      if (stat['kind'] === 'video' && publication.source === 'camera') {
        answer.video = {
          width: count('frameWidth'),
          height: count('frameHeight'),
          frames: count('framesDecoded'),
          packetsLost: count('packetsLost'),
          freezeMs: Math.round(count('totalFreezesDuration') * 1000),
        };
      }
      if (stat['kind'] === 'audio') {
        answer.audio = {
          packets: count('packetsReceived'),
          packetsLost: count('packetsLost'),
          concealedSamples: count('concealedSamples') - count('silentConcealedSamples'),
          samples: count('totalSamplesReceived'),
        };
      }
    }
  }
  return answer;
}
