// The microphone level meter of the pre-join panel.

/** Often enough to feel immediate, and no animation to speak of. */
const INTERVAL_MS = 80;
/** Speech at a usual distance has an RMS near 0.1: this factor puts it into the upper half of the meter. */
const GAIN = 5;

/** Shows the level of a track until the returned function is called. */
export function showLevel(track: MediaStreamTrack, meter: HTMLMeterElement): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    // Some browsers start audio only after a gesture; each try is harmless.
    if (context.state === 'suspended') void context.resume().catch(() => undefined);
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    meter.value = Math.min(1, Math.sqrt(power) * GAIN);
  }, INTERVAL_MS);
  return () => {
    clearInterval(timer);
    meter.value = 0;
    void context.close();
  };
}
