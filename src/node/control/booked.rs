//! The bookings that wait for their first join, by room, and how many each project has.

use super::booking::Booking;
use crate::base::{ProjectId, RoomKey};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bookings of the keys under `[keys]` that wait for their first join; beyond, a new one is refused.
const MAX_BOOKINGS: usize = 100_000;
/// The same of each other project: what one of them books leaves the places of the others free.
const MAX_BOOKINGS_EACH: usize = 10_000;

/// The bookings that wait for their first join.
#[derive(Debug, Default)]
pub(super) struct Booked {
    by_room: BTreeMap<RoomKey, Arc<Booking>>,
    /// How many a project has; none where it has none.
    counts: BTreeMap<ProjectId, usize>,
}

impl Booked {
    pub fn len(&self) -> usize {
        self.by_room.len()
    }

    /// The most that a project may have, if it has as many.
    pub fn is_full(&self, project: &ProjectId) -> Option<usize> {
        let most = match project.is_default() {
            true => MAX_BOOKINGS,
            false => MAX_BOOKINGS_EACH,
        };
        let has = self.counts.get(project).copied().unwrap_or(0);
        (has >= most).then_some(most)
    }

    pub fn get(&self, room: &RoomKey) -> Option<&Arc<Booking>> {
        self.by_room.get(room)
    }

    pub fn values(&self) -> impl Iterator<Item = &Arc<Booking>> {
        self.by_room.values()
    }

    /// Keeps a booking, in place of what was booked for its room.
    pub fn insert(&mut self, booking: Arc<Booking>) {
        let room = booking.room.clone();
        if self.by_room.insert(room.clone(), booking).is_none() {
            *self.counts.entry(room.project).or_default() += 1;
        }
    }

    pub fn remove(&mut self, room: &RoomKey) -> Option<Arc<Booking>> {
        let booking = self.by_room.remove(room)?;
        if let Some(count) = self.counts.get_mut(&room.project) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&room.project);
            }
        }
        Some(booking)
    }
}

#[cfg(test)]
mod tests {
    use super::super::booking::tests::booked;
    use super::*;

    fn of(project: &str, room: usize) -> Arc<Booking> {
        let name = room.to_string();
        Arc::new(Booking {
            room: RoomKey::new(&ProjectId::from(project), name.as_str()),
            ..booked(&name)
        })
    }

    #[test]
    fn a_project_with_all_its_bookings_leaves_those_of_the_others_free() {
        let mut all = Booked::default();
        for room in 0..MAX_BOOKINGS_EACH {
            assert_eq!(all.is_full(&"acme".into()), None);
            all.insert(of("acme", room));
            all.insert(of("acme", room));
        }
        assert_eq!(all.is_full(&"acme".into()), Some(MAX_BOOKINGS_EACH));
        assert_eq!(all.is_full(&"bolt".into()), None);
        assert_eq!(all.is_full(&ProjectId::default()), None);
        all.insert(of("bolt", 0));
        assert_eq!(all.len(), MAX_BOOKINGS_EACH + 1);
        assert!(all.remove(&of("acme", 7).room).is_some());
        assert!(all.remove(&of("acme", 7).room).is_none());
        assert_eq!(all.is_full(&"acme".into()), None);
    }
}
