// Whether a picture moves on: the last one that came stays where it is, and looks as if it were now.

/** A camera that sends has sent another picture by then, however narrow the link. */
const STILL_MS = 3_000;
/** While we are not connected, none is on its way. */
const STILL_UNCONNECTED_MS = 1_000;

export class Motion {
  private frames = 0;
  /** When it last moved, or was last not looked at. */
  private at = performance.now();
  /** Some browsers do not count the frames of a stream: then nothing is said. */
  private counts = false;

  begin(): void {
    this.frames = 0;
    this.counts = false;
    this.at = performance.now();
  }

  isStill(video: HTMLVideoElement, connected: boolean, isScreen: boolean): boolean {
    const now = performance.now();
    const frames = video.getVideoPlaybackQuality().totalVideoFrames;
    if (frames !== this.frames || document.hidden) {
      this.counts ||= frames !== this.frames;
      this.frames = frames;
      this.at = now;
    }
    // Nothing may happen on a screen for as long as it likes.
    if (!this.counts || (isScreen && connected)) return false;
    return now - this.at >= (connected ? STILL_MS : STILL_UNCONNECTED_MS);
  }
}
