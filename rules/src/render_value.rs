//! Values as text and as JSON.

use crate::value::{Print, Value, ValueType};

/// Appends the text of a value of type `ty`.
pub fn write_text(value: &Value<'_>, ty: ValueType, print: Print, out: &mut Vec<u8>) {
    let _ = (value, ty, print, out);
}

/// The JSON form of a value of type `ty`.
pub fn to_json(value: &Value<'_>, ty: ValueType, print: Print) -> serde_json::Value {
    let _ = (value, ty, print);
    serde_json::Value::Null
}
