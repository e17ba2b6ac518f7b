//! What `--version` prints: the release of Falco whose language and formats hold, and our own.

use falco_rules::loader::ENGINE_VERSION;
use serde_json::{Map, Value, json};

/// The release of Falco that this program is compatible with.
pub const FALCO: &str = "0.44.0";
/// Its libraries.
const LIBS: &str = "0.25.0";
/// Its plugin API.
const PLUGIN_API: &str = "3.12.0";
/// Least driver API of Falco 0.44.
const DRIVER_API: &str = "10.0.0";
/// Least event schema of Falco 0.44.
pub const DRIVER_SCHEMA: &str = "4.3.0";
/// The event schema of our own table.
const SCHEMA: &str = "4.5.1";
/// Ours.
pub const SENSOR: &str = env!("CARGO_PKG_VERSION");

/// The layout of Falco's `--version`, and two lines of ours.
pub fn text() -> String {
    format!(
        "Falco version: {FALCO}\n\
         Libs version:  {LIBS}\n\
         Plugin API:    {PLUGIN_API}\n\
         Engine:        {ENGINE_VERSION}\n\
         Driver:\n\
         \x20 API version:    {DRIVER_API}\n\
         \x20 Schema version: {DRIVER_SCHEMA}\n\
         \x20 Default driver: {SENSOR}\n\
         Sensor:\n\
         \x20 Version:        {SENSOR}\n\
         \x20 Event schema:   {SCHEMA}\n"
    )
}

/// Falco's keys, and two of ours.
pub fn json() -> Map<String, Value> {
    let minor = ENGINE_VERSION.split('.').nth(1).unwrap_or_default();
    let Value::Object(map) = json!({
        "default_driver_version": SENSOR,
        "driver_api_version": DRIVER_API,
        "driver_schema_version": DRIVER_SCHEMA,
        "engine_version": minor,
        "engine_version_semver": ENGINE_VERSION,
        "falco_version": FALCO,
        "libs_version": LIBS,
        "plugin_api_version": PLUGIN_API,
        "sensor_event_schema": SCHEMA,
        "sensor_version": SENSOR,
    }) else {
        return Map::new();
    };
    map
}
