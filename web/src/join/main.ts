// The session page: link, pre-join panel, session, and what comes after it.
import { need, note } from '../dom';
import { Farewell } from './farewell/farewell';
import type { Measure } from './preflight/check';
import { hook, noteWarning } from './hook';
import { receive } from './messages/inbox';
import { readParams, type JoinParams } from './link/params';
import { Playback } from './playback/playback';
import { preflight } from './preflight/preflight';
import { Prejoin, type Setup } from './prejoin/prejoin';
import { listRecordings } from './playback/recordings';
import { Session } from './session/session';
import { viewToken, type TokenView } from './link/token';
import { SessionView } from './session/view';

function start(): void {
  const farewell = new Farewell();
  // Another link in the same tab changes the fragment only; without a reload it would do nothing.
  addEventListener('hashchange', () => location.reload());
  const params = readParams(new URL(location.href));
  const token = params && viewToken(params.token);
  if (!params || !token) {
    return farewell.refuse('This link does not work', 'It is incomplete. Please open the link that you were given, all of it.');
  }
  const room = need('room-name', HTMLElement);
  note(room, token.room || null);
  room.title = token.room;
  if (token.room) document.title = `${token.room} – Beistand`;
  begin(params, token, farewell);
}

function begin(params: JoinParams, token: TokenView, farewell: Farewell): void {
  const view = new SessionView(token.role);
  const playback = new Playback();
  const join = (setup: Setup): void => {
    farewell.close();
    playback.close();
    const session = new Session(params, setup, {
      onConnection: (connection) => view.connection(connection),
      onChange: () => view.sync(),
      onProblem: (text, of = 'screen') => view.problem(text, of),
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
        const known = {
          serverUrl: params.serverUrl,
          token: session.token,
          session: hook.clock?.session ?? token.session,
          accrued_ms: hook.clock?.accrued_ms ?? null,
        };
        farewell.open(ending, known, () => {
          // A session may insist on a check that was skipped or failed: the panel has it.
          if (ending.how === 'refused' && params.preflight && !hook.verdict?.passed) return location.reload();
          // The tracks of this connection are closed; a rejoin opens the same devices again.
          join({ ...setup, cameraTrack: null, micTrack: null });
        }, () => view.connection('over'));
        showRecordings(playback, params, token.role, session.token);
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

start();
