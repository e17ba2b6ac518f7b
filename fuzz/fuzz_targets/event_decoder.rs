//! Any events: taken into the tables, and every field of them extracted and printed.
#![no_main]

use std::cell::RefCell;

use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::{Limits, State};
use falco_event::RawEvent;
use falco_fuzz::framing;
use falco_rules::catalogue::{Catalogue, EventContext, FieldFlags, FieldId};
use falco_rules::template::Template;
use libfuzzer_sys::fuzz_target;

/// Every field, resolved and in one template.
struct Fields {
    catalogue: SyscallFields,
    ids: Vec<FieldId>,
    template: Template,
}

thread_local! {
    static FIELDS: RefCell<Option<Fields>> = const { RefCell::new(None) };
}

fuzz_target!(|data: &[u8]| FIELDS.with_borrow_mut(|fields| {
    let fields = fields.get_or_insert_with(all_fields);
    let mut state = State::new(Limits { max_threads: 64, max_fds: 64 });
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
    for &id in &fields.ids {
        let _ = context.value(id);
        context.candidates(id, &mut |_| false);
    }
    text.clear();
    fields.template.render_text(&context, text);
    fields.template.json_values(&context, true, &mut serde_json::Map::new());
}

fn all_fields() -> Fields {
    let mut catalogue = SyscallFields::new();
    let mut ids = Vec::new();
    let mut template = "*".to_owned();
    let infos = catalogue.fields().to_vec();
    for info in infos {
        // An index, a key and a parameter's name; none where the field wants none.
        for arg in [None, Some("0"), Some("1"), Some("name"), Some("fd")] {
            let Ok(field) = catalogue.resolve(info.name, arg) else { continue };
            ids.push(field.id);
            if !info.flags.contains(FieldFlags::FILTER_ONLY) {
                let bracketed = arg.map(|a| format!("[{a}]")).unwrap_or_default();
                let token = format!(" %{}{bracketed}", info.name);
                if Template::compile(&token, &mut catalogue).is_ok() {
                    template.push_str(&token);
                }
            }
        }
    }
    let template = Template::compile(&template, &mut catalogue).expect("made of valid tokens");
    assert!(ids.len() > 100, "the catalogue is there");
    Fields { catalogue, ids, template }
}
