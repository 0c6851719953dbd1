// How drivers of browsers are spoken to: a JSON command a line on stdin, a JSON answer on stdout. A driver ends, with
// its browser, when stdin ends.
import { createInterface } from 'node:readline';

// How long a page is waited for, on a machine that has little time for it. It is never a bound of the product.
export const PATIENCE_MS = 120_000;

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** Answers commands by the functions of their names, until there are no more. */
export async function serve(browser, commands) {
  say({ ok: true, ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    try {
      const answer = await commands[command.do](command);
      say({ ok: true, ...(typeof answer === 'object' ? answer : {}) });
    } catch (error) {
      say({ ok: false, error: `${command.do}: ${error.message}` });
    }
  }
  await browser.close();
}
