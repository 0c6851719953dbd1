//! The policy templates of a node, by project and name.

use super::policy::Policy;
use crate::base::ProjectId;
use std::collections::BTreeMap;

/// The policy templates of each project. A project sees its own and no others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies(BTreeMap<ProjectId, BTreeMap<String, Policy>>);

impl Policies {
    /// The templates of the default project alone.
    pub fn of_keys(templates: BTreeMap<String, Policy>) -> Policies {
        Policies::default().with(ProjectId::default(), templates)
    }

    /// The same with those of one more project.
    #[must_use]
    pub fn with(mut self, project: ProjectId, templates: BTreeMap<String, Policy>) -> Policies {
        self.0.insert(project, templates);
        self
    }

    /// The template of this name, if the project has it.
    pub fn get(&self, project: &ProjectId, name: &str) -> Option<&Policy> {
        self.0.get(project)?.get(name)
    }

    /// The names of a project's templates, in alphabetical order.
    pub fn names(&self, project: &ProjectId) -> impl Iterator<Item = &str> {
        let templates = self.0.get(project).into_iter().flatten();
        templates.map(|(name, _)| name.as_str())
    }

    /// Whether each project has a template for those who name none.
    pub fn are_whole(&self) -> bool {
        let mut all = self.0.values();
        all.all(|templates| templates.contains_key("default"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_sees_its_own_templates_and_no_others() {
        let named = |names: &[&str]| -> BTreeMap<String, Policy> {
            let each = names
                .iter()
                .map(|name| ((*name).to_owned(), Policy::default()));
            each.collect()
        };
        let (keys, acme) = (ProjectId::default(), ProjectId::from("acme"));
        let policies = Policies::of_keys(named(&["default", "gold"]))
            .with(acme.clone(), named(&["default", "trial"]));
        for (project, name, there) in [
            (&keys, "gold", true),
            (&keys, "trial", false),
            (&acme, "gold", false),
            (&acme, "trial", true),
            (&ProjectId::from("none"), "default", false),
        ] {
            assert_eq!(
                policies.get(project, name).is_some(),
                there,
                "{project} {name}"
            );
        }
        assert_eq!(
            policies.names(&acme).collect::<Vec<_>>(),
            ["default", "trial"]
        );
        assert!(policies.are_whole());
        assert!(!policies.with(acme, named(&["trial"])).are_whole());
    }
}
