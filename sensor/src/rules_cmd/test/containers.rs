//! Containers as a test describes them → the event that Falco's container plugin would send, so that
//! `container.*` and `k8s.*` have values.

use falco_rules::yaml::Node;
use serde_json::{Map, Value, json};

use super::reader::{Keys, Problem, Read, boolean, text, texts};

const CONTAINER_KEYS: &[&str] = &["id", "name", "image", "privileged", "labels", "mounts"];

/// The data of the plugin's event `container` about `node`: JSON and a NUL.
///
/// # Errors
/// If a key is unknown, the id missing, or a value not of its type.
pub fn event_data(node: Node<'_>) -> Read<Vec<u8>> {
    let keys = Keys::of(node, "a container", CONTAINER_KEYS)?;
    let id = keys.get("id").ok_or_else(|| {
        Problem::at(node, "a container needs the key 'id', as its processes' key 'container'")
    })?;
    let mut container = Map::new();
    container.insert("id".to_owned(), text(id, "id")?.into());
    container.insert("type".to_owned(), 0.into());
    if let Some(name) = keys.get("name") {
        container.insert("name".to_owned(), text(name, "name")?.into());
    }
    if let Some(image) = keys.get("image") {
        let image = text(image, "image")?;
        let (repository, tag) = split_image(image);
        container.insert("image".to_owned(), image.into());
        container.insert("imagerepo".to_owned(), repository.into());
        container.insert("imagetag".to_owned(), tag.into());
    }
    if let Some(privileged) = keys.get("privileged") {
        container.insert("privileged".to_owned(), boolean(privileged, "privileged")?.into());
    }
    if let Some(labels) = keys.get("labels") {
        let labels = Keys::any(labels, "labels")?;
        let labels =
            labels.iter().map(|(key, _, value)| Ok((key.into(), text(value, key)?.into())));
        container.insert("labels".to_owned(), Value::Object(labels.collect::<Read<_>>()?));
    }
    if let Some(mounts) = keys.get("mounts") {
        let mounts = texts(mounts, "mounts")?.into_iter().map(|written| mount(mounts, written));
        container.insert("Mounts".to_owned(), Value::Array(mounts.collect::<Read<_>>()?));
    }
    let mut data = json!({ "container": container }).to_string().into_bytes();
    data.push(0);
    Ok(data)
}

/// `repository:tag`; the colon of a registry's port is none of a tag.
fn split_image(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, ""),
    }
}

/// `source:destination`, and `:ro` if it cannot be written to.
fn mount(node: Node<'_>, written: &str) -> Read<Value> {
    let mut parts = written.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(source), Some(destination), mode @ (None | Some("ro" | "rw")), None) => Ok(json!({
            "Source": source,
            "Destination": destination,
            "Mode": mode.unwrap_or_default(),
            "RW": mode != Some("ro"),
            "Propagation": "rprivate",
        })),
        _ => Err(Problem::at(
            node,
            format!("'{written}' is no mount: write source:destination or source:destination:ro"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_registry_is_no_tag() {
        assert_eq!(split_image("nginx:1.25"), ("nginx", "1.25"));
        assert_eq!(split_image("registry:5000/nginx"), ("registry:5000/nginx", ""));
        assert_eq!(split_image("registry:5000/nginx:2"), ("registry:5000/nginx", "2"));
    }
}
