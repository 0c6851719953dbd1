//! Recordings on disk: segments while a session runs, finished files afterwards.

mod catalogue;
mod desk;
mod finisher;
#[cfg(test)]
pub(crate) mod fixture;
mod keeper;
mod key;
mod make;
mod pace;
mod place;
pub mod retention;
mod shelf;
mod start;
#[cfg(test)]
mod tests;
mod writer;

pub use catalogue::{Ask, Catalogue, Facts};
pub use desk::{Progresses, Shelves};
pub use finisher::Finisher;
pub use keeper::{Keeper, Keeping, ReadClock};
pub use key::NodeKey;
pub use make::{Said, Trouble};
pub use pace::{Bell, Done, Pace, Progress, ReadMono};
pub use place::{Place, STORE};
pub use shelf::{Interrupted, Shelf, Shelved};
pub use start::{Started, open, start};
pub use writer::{Held, Lost, Outlet, Writer, WriterStats, Writing};
