// The session page: link, pre-join panel, session, and what comes after it.
import { need, note, say } from '../dom';
import { duration } from '../duration';
import type { Measure } from './preflight/check';
import { hook, noteWarning } from './hook';
import { receive } from './messages/inbox';
import { readParams, type JoinParams } from './link/params';
import { Playback } from './playback/playback';
import { preflight } from './preflight/preflight';
import { Prejoin, type Setup } from './prejoin/prejoin';
import { listRecordings } from './playback/recordings';
import { Session, type Ending } from './session/session';
import { viewToken, type TokenView } from './link/token';
import { SessionView } from './session/view';

const farewell = need('farewell', HTMLElement);
const rejoin = need('rejoin', HTMLButtonElement);

const TITLES: Record<Ending['how'], string> = {
  left: 'Goodbye',
  over: 'The session has ended',
  lost: 'You are no longer connected',
  refused: 'You could not join',
};

function start(): void {
  // Another link in the same tab changes the fragment only; without a reload it would do nothing.
  addEventListener('hashchange', () => location.reload());
  const params = readParams(new URL(location.href));
  const token = params && viewToken(params.token);
  if (!params || !token) {
    rejoin.hidden = true;
    showFarewell('This link does not work', 'It is incomplete. Please open the link that you were given, all of it.', null);
    return;
  }
  const room = need('room-name', HTMLElement);
  note(room, token.room || null);
  room.title = token.room;
  if (token.room) document.title = `${token.room} – Beistand`;
  begin(params, token);
}

function begin(params: JoinParams, token: TokenView): void {
  const view = new SessionView(token.role);
  const playback = new Playback();
  const join = (setup: Setup): void => {
    farewell.hidden = true;
    playback.close();
    const session = new Session(params, setup, {
      onConnection: (connection) => view.connection(connection),
      onChange: () => view.sync(),
      onProblem: (text) => view.problem(text),
      onClock: (clock) => {
        hook.clock = clock;
        view.clock(clock);
      },
      onFloor: (floor) => {
        hook.floor = floor;
        view.floor(floor);
      },
      onPresence: (presence) => {
        hook.presence = presence;
        view.presence(presence);
      },
      onWarning: (warning) => {
        noteWarning(warning);
        view.warning(warning);
      },
      onRecording: (recording) => {
        hook.recording = recording;
        view.recording(recording);
      },
      onRefused: (refused) => {
        hook.refused = refused;
        view.refused(refused);
      },
      onEnd: (ending) => {
        view.close(ending.how === 'refused' ? 'lost' : ending.how);
        showFarewell(TITLES[ending.how], ending.text, ending.detail);
        showRecordings(playback, params, token.role, session.token);
        // The tracks of this connection are closed; a rejoin opens the same devices again.
        rejoin.textContent = ending.how === 'refused' ? 'Try again' : 'Rejoin';
        rejoin.onclick = () => {
          // A session may insist on a check that was skipped or failed: the panel has it.
          if (ending.how === 'refused' && params.preflight && !hook.verdict?.passed) return location.reload();
          join({ ...setup, cameraTrack: null, micTrack: null });
        };
        rejoin.hidden = ending.how === 'over';
        if (!rejoin.hidden) rejoin.focus();
      },
    });
    hook.room = session.room;
    hook.probe = session.prober.sent;
    hook.receive = (topic, message) => receive(topic, new TextEncoder().encode(JSON.stringify(message)), session.inbox);
    view.open(session);
    void session.join();
  };
  const measure: Measure = (onProgress, signal) => preflight(params.serverUrl, params.token, onProgress, signal);
  if (params.auto) {
    // For tests and demos: no panel, and whichever camera and microphone the browser prefers.
    const choice = () => ({ on: true, deviceId: undefined });
    const setup = { camera: choice(), mic: choice(), cameraTrack: null, micTrack: null };
    void (params.preflight ? judge(measure) : Promise.resolve()).then(() => join(setup));
  } else {
    void new Prejoin(token, params.resolution, params.preflight ? measure : null, join).show();
  }
}

/** The check without a panel. Whatever it finds, the node decides on the join. */
async function judge(measure: Measure): Promise<void> {
  try {
    hook.verdict = await measure(() => undefined, new AbortController().signal);
  } catch (error) {
    console.warn('The connection could not be checked:', error);
  }
}

/** An expert may watch what was recorded; where nothing could be, there is nothing to say of it. */
function showRecordings(playback: Playback, params: JoinParams, role: string, token: string): void {
  const session = hook.clock?.session;
  if (role !== 'expert' || !session || !hook.recording || hook.recording.mode === 'off') return;
  playback.open((signal) => listRecordings(params.serverUrl, token, session, signal));
}

function showFarewell(title: string, text: string, detail: string | null): void {
  say(need('farewell-title', HTMLElement), title);
  say(need('farewell-text', HTMLElement), text);
  note(need('farewell-detail', HTMLElement), detail);
  need('farewell-clock', HTMLElement).hidden = hook.clock === null;
  if (hook.clock) say(need('final-clock', HTMLElement), duration(hook.clock.accrued_ms));
  // The bar's clock would say "Live" of a session that we no longer see.
  need('clock', HTMLElement).hidden = true;
  farewell.hidden = false;
  need('farewell-title', HTMLElement).focus();
}

start();
