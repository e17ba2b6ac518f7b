//! [`Statics`]: the fields `static.<key>` that a configuration makes, each of one fixed text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use falco_rules::catalogue::{FieldFlags, FieldInfo};
use falco_rules::value::{Print, ValueType};

use super::table::INFOS;

/// What all names begin with, and the class of the fields.
const CLASS: &str = "static";

/// Static fields by name.
#[derive(Debug, Default)]
pub(super) struct Statics {
    by_name: BTreeMap<&'static str, (FieldInfo, Box<[u8]>)>,
    /// All fields of the catalogue, these among them; empty if there are none of these.
    all: Vec<FieldInfo>,
}

impl Statics {
    pub(super) fn new<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let field = |(key, value): (&str, &str)| {
            let name = interned(format!("{CLASS}.{key}"));
            let info = FieldInfo {
                name,
                ty: ValueType::CharBuf,
                print: Print::Na,
                flags: FieldFlags::SUGGESTED,
                class: CLASS,
                desc: "",
            };
            (name, (info, value.as_bytes().into()))
        };
        let by_name: BTreeMap<_, (FieldInfo, Box<[u8]>)> = fields.into_iter().map(field).collect();
        if by_name.is_empty() {
            return Statics::default();
        }
        // As in Falco, they stand before the fields of plugins, in the order of their names.
        let plugins = INFOS.iter().position(|info| info.class == "container");
        let (before, plugins) = INFOS.split_at(plugins.unwrap_or(INFOS.len()));
        let statics = by_name.values().map(|(info, _)| *info);
        let all = before.iter().copied().chain(statics).chain(plugins.iter().copied()).collect();
        Statics { by_name, all }
    }

    /// All fields of the catalogue, if there are any of these.
    pub(super) fn all_fields(&self) -> Option<&[FieldInfo]> {
        (!self.all.is_empty()).then_some(&self.all)
    }

    pub(super) fn get(&self, name: &str) -> Option<(FieldInfo, &[u8])> {
        self.by_name.get(name).map(|(info, value)| (*info, &**value))
    }

    /// Length of the longest of these names that `text` begins with.
    pub(super) fn name_prefix(&self, text: &str) -> Option<usize> {
        self.by_name.keys().filter(|name| text.starts_with(**name)).map(|name| name.len()).max()
    }
}

/// The name for as long as the program runs, as those of all other fields are. Each is kept once,
/// however often a configuration is loaded.
fn interned(name: String) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(&*name) {
        return known;
    }
    let name = Box::leak(name.into_boxed_str());
    names.insert(name);
    name
}

#[cfg(test)]
mod tests {
    use falco_rules::catalogue::{Catalogue, FieldError};

    use super::*;
    use crate::fields::SyscallFields;

    #[test]
    fn static_fields_are_fields_like_others() {
        let mut fields = SyscallFields::with_static([("foo", "bar"), ("a", ""), ("foo.x", "y")]);
        assert_eq!(fields.fields().len(), INFOS.len() + 3);
        let suggested = fields.fields().iter().filter(|f| f.flags.contains(FieldFlags::SUGGESTED));
        let names: Vec<_> = suggested.map(|f| f.name).take(4).collect();
        assert_eq!(names, ["static.a", "static.foo", "static.foo.x", "container.id"]);
        let foo = fields.resolve("static.foo", None).unwrap();
        assert_eq!(
            (foo.info.ty, foo.id),
            (ValueType::CharBuf, fields.resolve("static.foo", None).unwrap().id)
        );
        assert_eq!(fields.resolve("static.foo", Some("1")).unwrap_err(), FieldError::Unknown);
        assert_eq!(fields.resolve("static.b", None).unwrap_err(), FieldError::Unknown);
        assert_eq!(fields.field_prefix("static.foo.x="), Some("static.foo.x".len()));
        assert_eq!(fields.field_prefix("static.foo="), Some("static.foo".len()));
        assert_eq!(SyscallFields::new().fields().len(), INFOS.len());
    }

    #[test]
    fn a_name_is_kept_once() {
        let a = interned("static.once".to_owned());
        assert!(std::ptr::eq(a, interned("static.once".to_owned())));
    }
}
