//! `required_plugin_versions` against what there is.

use super::Provider;
use super::definitions::PluginRequirement;
use super::version::Version;

/// Checks that each requirement, or one of its alternatives, is provided.
pub(super) fn check(
    requirements: &[PluginRequirement],
    providers: &[Provider],
) -> Result<(), String> {
    requirements.iter().try_for_each(|requirement| check_one(requirement, providers))
}

/// The first alternative of which there is any version decides.
fn check_one(alternatives: &PluginRequirement, providers: &[Provider]) -> Result<(), String> {
    for wanted in alternatives {
        let Some(provider) = providers.iter().find(|p| p.name == wanted.name) else { continue };
        let Provider { name, version } = provider;
        let Some(ours) = Version::parse(version) else {
            return Err(format!("Plugin '{name}' has invalid version string '{version}'"));
        };
        return match Version::parse(&wanted.version) {
            Some(required) if ours.satisfies(required) => Ok(()),
            _ => Err(format!(
                "Plugin '{name}' version '{version}' is not compatible with required plugin \
                 version '{}'",
                wanted.version
            )),
        };
    }
    let wanted: Vec<String> =
        alternatives.iter().map(|w| format!("{} (>= {})", w.name, w.version)).collect();
    Err(format!("Plugin requirement not satisfied, must load one of: {}", wanted.join(", ")))
}
