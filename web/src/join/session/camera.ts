// The camera, switched off and on during a session.
import { createLocalVideoTrack, LocalVideoTrack, Track, type LocalParticipant, type VideoCaptureOptions } from 'livekit-client';

/**
 * Opens it with all that was asked for. The client itself opens one that was switched off by its id alone and asks for
 * the size afterwards, which browsers do not grant any more: it would come back at 640x480.
 */
export async function switchCamera(me: LocalParticipant, on: boolean, options: VideoCaptureOptions): Promise<void> {
  const track = me.getTrackPublication(Track.Source.Camera)?.track;
  if (!on || !(track instanceof LocalVideoTrack) || !track.isMuted) {
    await me.setCameraEnabled(on, options);
    return;
  }
  const opened = await createLocalVideoTrack(options);
  // What belongs to the app is not opened by the client as it is switched on; afterwards it is the client's again, which
  // closes the camera as it is switched off.
  await track.replaceTrack(opened.mediaStreamTrack, true);
  await track.unmute();
  await track.replaceTrack(opened.mediaStreamTrack, false);
}
