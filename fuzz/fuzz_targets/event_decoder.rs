//! Any events: taken into the tables, and every field of them extracted and printed.
#![no_main]

use std::cell::RefCell;

use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::{Limits, State};
use falco_event::RawEvent;
use falco_fuzz::framing;
use falco_rules::catalogue::{Catalogue, Comparison, EventContext, FieldId};
use falco_rules::template::Template;
use libfuzzer_sys::fuzz_target;

/// Every field, resolved, each where it is used.
struct Fields {
    catalogue: SyscallFields,
    /// Those that may be printed.
    template: Template,
    /// Those that only conditions may use.
    conditions: Vec<FieldId>,
    /// Those that compare one value after the other.
    candidates: Vec<FieldId>,
}

thread_local! {
    static FIELDS: RefCell<Option<Fields>> = const { RefCell::new(None) };
}

fuzz_target!(|data: &[u8]| FIELDS.with_borrow_mut(|fields| {
    let fields = fields.get_or_insert_with(all_fields);
    let mut state = State::new(Limits { max_threads: 64, max_fds: 64, max_bytes: 1 << 20 });
    let mut text = Vec::new();
    framing::decode(data, |event| decode(&mut state, event, fields, &mut text));
    // The same bytes as events in the wire format: mostly refused, but by us.
    if let Ok(event) = RawEvent::parse(data, 0, 0) {
        decode(&mut state, &event, fields, &mut text);
    }
}));

fn decode(state: &mut State, event: &RawEvent<'_>, fields: &Fields, text: &mut Vec<u8>) {
    let current = state.process(event);
    let context = Context::new(state, event, &current, &fields.catalogue);
    for &id in &fields.conditions {
        let _ = context.value(id);
    }
    for &id in &fields.candidates {
        context.candidates(id, &mut |_| false);
    }
    text.clear();
    fields.template.render_text(&context, text);
    fields.template.json_values(&context, true, &mut serde_json::Map::new());
}

fn all_fields() -> Fields {
    let mut catalogue = SyscallFields::new();
    let mut template = "*".to_owned();
    let (mut conditions, mut candidates) = (Vec::new(), Vec::new());
    let infos = catalogue.fields().to_vec();
    assert!(infos.len() > 100, "the catalogue is there");
    for info in infos {
        // None, an index, a key and a parameter's name; each field wants some of them.
        for arg in [None, Some("1"), Some("name"), Some("fd")] {
            let Ok(field) = catalogue.resolve(info.name, arg) else { continue };
            if matches!(field.comparison, Comparison::AnyCandidate | Comparison::EitherEnd) {
                candidates.push(field.id);
            }
            let token =
                format!(" %{}{}", info.name, arg.map_or(String::new(), |a| format!("[{a}]")));
            match Template::compile(&token, &mut catalogue) {
                Ok(_) => template.push_str(&token),
                Err(_) => conditions.push(field.id),
            }
        }
    }
    let template = Template::compile(&template, &mut catalogue).expect("made of valid tokens");
    Fields { catalogue, template, conditions, candidates }
}
