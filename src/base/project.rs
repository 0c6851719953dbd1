//! Projects: who shares a node without seeing each other, and what belongs to whom.

use super::RoomName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// What the project of the keys under `[keys]` is called.
const OF_KEYS: &str = "default";

/// A project: its keys are one app's, and all that is made by them is out of reach for others. The keys
/// under `[keys]` are one, `default`; each `[projects.NAME]` of the configuration is another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProjectId(Arc<str>);

impl Default for ProjectId {
    /// That of the keys under `[keys]`.
    fn default() -> ProjectId {
        ProjectId::from(OF_KEYS)
    }
}

impl From<&str> for ProjectId {
    fn from(name: &str) -> ProjectId {
        ProjectId(Arc::from(name))
    }
}

impl ProjectId {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// That of the keys under `[keys]`, to which all belongs that names no project.
    pub fn is_default(&self) -> bool {
        self.as_str() == OF_KEYS
    }

    /// What an endpoint of this project and name is called on the node: two projects may use one name.
    pub fn endpoint(&self, name: &str) -> String {
        match self.is_default() {
            true => name.to_owned(),
            false => format!("{self}/{name}"),
        }
    }

    /// Whether an endpoint that is called so on the node is of this project. Names have no `/`.
    pub fn owns(&self, endpoint: &str) -> bool {
        match endpoint.split_once('/') {
            Some((project, _)) => project == self.as_str() && !self.is_default(),
            None => self.is_default(),
        }
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which room: a name within a project. Two projects may use one name for two rooms, so nothing is looked
/// up by the name alone. Within JSON it is `room`, and `project` where it is not the default one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoomKey {
    /// The room's name, as the app chose it.
    #[serde(rename = "room")]
    pub name: RoomName,
    /// Whose it is.
    #[serde(skip_serializing_if = "ProjectId::is_default", default)]
    pub project: ProjectId,
}

impl RoomKey {
    /// A room of a project.
    pub fn new(project: &ProjectId, name: impl Into<RoomName>) -> RoomKey {
        RoomKey {
            name: name.into(),
            project: project.clone(),
        }
    }

    /// A room of the default project.
    pub fn of_keys(name: impl Into<RoomName>) -> RoomKey {
        RoomKey::new(&ProjectId::default(), name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_of_the_project_that_named_it_and_of_no_other() {
        let projects = ["default", "acme", "acme2"].map(ProjectId::from);
        for (index, project) in projects.iter().enumerate() {
            let called = project.endpoint("billing");
            let owners = projects.each_ref().map(|other| other.owns(&called));
            assert_eq!(owners.iter().filter(|owns| **owns).count(), 1, "{called}");
            assert!(owners[index], "{called}");
        }
        assert_eq!(projects[0].endpoint("billing"), "billing");
        assert_eq!(projects[1].endpoint("billing"), "acme/billing");
    }

    #[test]
    fn a_room_of_the_default_project_is_written_as_before_there_were_projects() {
        let plain = RoomKey::of_keys("lesson");
        assert_eq!(
            serde_json::to_string(&plain).unwrap(),
            r#"{"room":"lesson"}"#
        );
        let other = RoomKey::new(&ProjectId::from("acme"), "lesson");
        let json = serde_json::to_string(&other).unwrap();
        assert_eq!(json, r#"{"room":"lesson","project":"acme"}"#);
        for key in [plain, other] {
            let json = serde_json::to_string(&key).unwrap();
            assert_eq!(serde_json::from_str::<RoomKey>(&json).unwrap(), key);
        }
    }

    #[test]
    fn one_name_in_two_projects_is_two_rooms() {
        let [a, b] = ["acme", "bolt"].map(|name| RoomKey::new(&ProjectId::from(name), "lesson"));
        assert_ne!(a, b);
        assert_ne!(a, RoomKey::of_keys("lesson"));
    }
}
