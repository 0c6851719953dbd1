//! Recordings on disk: segments while a session runs, finished files afterwards.

mod api_adapter;
mod catalogue;
mod check;
mod export;
mod finisher;
#[cfg(test)]
pub(crate) mod fixture;
mod inspect;
mod janitor;
mod key;
mod make;
mod mark;
mod object_store;
mod pace;
mod place;
pub mod retention;
mod space;
mod start;

mod terminal;
#[cfg(test)]
mod tests;
mod writer;

pub use self::object_store::{Interrupted, Shelf, Shelved};
pub use api_adapter::{Progresses, Shelves};
pub use catalogue::{Ask, Catalogue, Due, Facts};
pub use check::{Checked, Fault, Good, Known, check};
pub use export::export;
pub use finisher::Finisher;
pub use inspect::{Listed, Shown, inspect};
pub use janitor::{Keeper, KeeperStats, Keeping, ReadClock};
pub use key::NodeKey;
pub use make::{Said, Trouble};
pub use mark::recognise;
pub use pace::{Bell, Done, Pace, Progress, ReadMono};
pub use place::{Place, STORE};
pub use start::{Started, open, start};
pub use writer::{Held, Lost, Outlet, Writer, WriterStats, Writing};
