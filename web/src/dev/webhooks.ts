// The live table of delivered webhooks: polled, newest first, each body one click away.
import { make, need, note, say } from '../dom';
import { duration } from '../duration';

/** Often enough to watch a session live, and nothing for a dev node. */
const POLL_MS = 1000;
/** Rows shown; the node may keep more. */
const ROWS_MAX = 200;

interface Webhook {
  id: string;
  type: string;
  verified: boolean;
  attempts: number;
  body: Record<string, unknown>;
}

interface Row {
  summary: HTMLTableRowElement;
  details: HTMLTableRowElement;
  attempts: HTMLElement;
  mark: HTMLElement;
}

const rows = new Map<string, Row>();

/** Polls for ever, one request at a time, and rests while the tab is hidden. */
export function watchWebhooks(): void {
  const poll = async () => {
    if (!document.hidden) await refresh();
    setTimeout(poll, POLL_MS);
  };
  void poll();
}

async function refresh(): Promise<void> {
  const message = need('webhooks-message', HTMLElement);
  try {
    const response = await fetch('dev/webhooks', { cache: 'no-store' });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const hooks = ((await response.json()) as unknown[]).filter(isWebhook).sort(newestFirst).slice(0, ROWS_MAX);
    draw(hooks);
    note(message, hooks.length === 0 ? 'Waiting for the first event.' : null);
  } catch {
    note(message, 'The node does not answer; the table shows what it said last.');
  }
}

function isWebhook(value: unknown): value is Webhook {
  const hook = value as Partial<Webhook> | null;
  return typeof hook?.id === 'string' && typeof hook.type === 'string' && typeof hook.body === 'object' && !!hook.body;
}

/** By event time; events of one instant in the order of their sequence. */
function newestFirst(a: Webhook, b: Webhook): number {
  const time = (hook: Webhook) => Date.parse(String(hook.body['time'])) || 0;
  return time(b) - time(a) || String(b.body['sequence'] ?? '').localeCompare(String(a.body['sequence'] ?? ''), 'en', { numeric: true });
}

/** Rows are kept and moved, never remade, so that focus and open bodies survive the next poll. */
function draw(hooks: Webhook[]): void {
  const body = need('webhooks-body', HTMLTableSectionElement);
  need('webhooks-table', HTMLTableElement).hidden = hooks.length === 0;
  const wanted = new Set(hooks.map((hook) => hook.id));
  for (const [id, row] of rows) {
    if (wanted.has(id)) continue;
    row.summary.remove();
    row.details.remove();
    rows.delete(id);
  }
  let next: Element | null = body.firstElementChild;
  for (const hook of hooks) {
    let row = rows.get(hook.id);
    if (!row) {
      row = newRow(hook);
      rows.set(hook.id, row);
    }
    say(row.attempts, String(hook.attempts));
    say(row.mark, hook.verified === true ? '✓ verified' : '✗ not verified');
    row.mark.title = row.mark.textContent ?? '';
    row.mark.dataset['verified'] = String(hook.verified === true);
    if (next !== row.summary) {
      body.insertBefore(row.summary, next);
      body.insertBefore(row.details, next);
    }
    next = row.details.nextElementSibling;
  }
}

function newRow(hook: Webhook): Row {
  const data = (hook.body['data'] ?? {}) as Record<string, unknown>;
  const text = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '–');
  const billable = data['billable_ms'];
  const time = new Date(String(hook.body['time']));

  const toggle = make('button', 'disclose');
  const type = make('span');
  // On a phone a type breaks behind its dots, and nowhere else.
  for (const part of hook.type.split(/(?<=\.)/)) type.append(part, make('wbr'));
  toggle.append(type);
  toggle.type = 'button';
  toggle.setAttribute('aria-expanded', 'false');
  const details = make('tr', 'details');
  details.hidden = true;
  toggle.addEventListener('click', () => {
    details.hidden = !details.hidden;
    toggle.setAttribute('aria-expanded', String(!details.hidden));
  });

  const attempts = make('td', 'number attempts');
  const mark = make('span', 'mark');
  const summary = make('tr');
  summary.dataset['testid'] = 'webhook';
  summary.append(
    cell(toggle),
    make('td', 'time', Number.isNaN(time.getTime()) ? '–' : time.toLocaleTimeString()),
    make('td', 'session', text(data['session_id'])),
    make('td', '', text(data['state'])),
    make('td', 'number', typeof billable === 'number' ? duration(billable) : '–'),
    attempts,
    cell(mark),
  );
  const wide = make('td');
  wide.colSpan = 7;
  wide.append(make('p', 'muted', `webhook-id ${hook.id}`), make('pre', '', JSON.stringify(hook.body, null, 2)));
  details.append(wide);
  return { summary, details, attempts, mark };
}

function cell(content: HTMLElement): HTMLTableCellElement {
  const td = make('td');
  td.append(content);
  return td;
}
