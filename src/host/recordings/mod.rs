//! Recordings on disk: segments while a session runs, finished files afterwards.

mod catalogue;
mod check;
mod desk;
mod export;
mod finisher;
#[cfg(test)]
pub(crate) mod fixture;
mod inspect;
mod keeper;
mod key;
mod make;
mod mark;
mod pace;
mod place;
pub mod retention;
mod shelf;
mod space;
mod start;

#[cfg(test)]
mod tests;
mod told;
mod writer;

pub use catalogue::{Ask, Catalogue, Due, Facts};
pub use check::{Checked, Fault, Good, Known, check};
pub use desk::{Progresses, Shelves};
pub use export::export;
pub use finisher::Finisher;
pub use inspect::{Listed, Shown, inspect};
pub use keeper::{Keeper, KeeperStats, Keeping, ReadClock};
pub use key::NodeKey;
pub use make::{Said, Trouble};
pub use mark::recognise;
pub use pace::{Bell, Done, Pace, Progress, ReadMono};
pub use place::{Place, STORE};
pub use shelf::{Interrupted, Shelf, Shelved};
pub use start::{Started, open, start};
pub use writer::{Held, Lost, Outlet, Writer, WriterStats, Writing};
