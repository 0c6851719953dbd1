//! The built binary with real clients: Chromium, Python and Node SDKs of `LiveKit`, a stock receiver of
//! webhooks. What is missing on the machine fails the tests, with the remedy.

mod admission;
mod api;
mod browsers;
mod child;
mod clocks;
mod crash;
mod deliveries;
mod doors;
mod driver;
mod ended_tokens;
mod grants;
mod headers;
mod hostile;
mod links;
mod node;
mod oracle;
mod packets;
mod page;
mod page_playback;
mod page_recording;
mod people;
mod place;
mod preflight;
mod projects;
mod proxy;
mod receiver;
mod record;
mod recordings_api;
mod reload;
mod repeats;
mod sessions;
mod settings;
mod tied_tokens;
mod turn;
mod wait;
