//! Whether all who work for the node still do. A thread or task that has ended does nothing any more, and
//! nobody else would notice.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Threads and tasks that work for as long as the node does.
#[derive(Clone, Default)]
pub struct Roll(Arc<Mutex<Vec<Entered>>>);

/// A name, and whether it is still there.
type Entered = (String, Weak<()>);

/// Held by a thread or a task while it works.
pub struct Present {
    name: String,
    _here: Arc<()>,
}

impl Roll {
    /// Someone starts to work.
    pub fn enter(&self, name: String) -> Present {
        let here = Arc::new(());
        let mut roll = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        roll.push((name.clone(), Arc::downgrade(&here)));
        Present { name, _here: here }
    }

    fn gone(&self) -> Vec<String> {
        let roll = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = roll.iter().filter(|(_, here)| here.strong_count() == 0);
        gone.map(|(name, _)| name.clone()).collect()
    }

    /// How many have ended.
    pub fn ended(&self) -> u64 {
        u64::try_from(self.gone().len()).unwrap_or(u64::MAX)
    }

    /// Who has ended, and what to do.
    pub fn missing(&self) -> Option<String> {
        let gone = self.gone();
        let names = gone.join(", ");
        (!gone.is_empty()).then(|| {
            format!("a part of this node has ended ({names}): see the log, and restart it")
        })
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(part = self.name, "a part of this node panicked: restart it");
        }
    }
}

/// Someone at work, whom nobody watches.
#[cfg(test)]
pub(super) fn present() -> Present {
    Roll::default().enter("test".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_ended_is_missed_by_name_whether_it_returned_or_panicked() {
        let roll = Roll::default();
        let stays = roll.enter("worker-0".to_owned());
        assert_eq!((roll.missing(), roll.ended()), (None, 0));
        drop(roll.enter("worker-1".to_owned()));
        let panics = roll.enter("delivery".to_owned());
        let ended = std::thread::spawn(move || {
            let _here = panics;
            panic!("a part that is wrong");
        });
        assert!(ended.join().is_err());
        let told = roll.missing().unwrap();
        assert!(told.contains("(worker-1, delivery)"), "{told}");
        assert_eq!(roll.ended(), 2);
        drop(stays);
    }
}
