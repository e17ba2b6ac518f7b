//! Whatever an event's bytes are, taking it in and asking for every field must not panic.
#![allow(clippy::unwrap_used)] // tests may end at the first surprise

use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::{Limits, State};
use falco_event::table::EVENTS;
use falco_event::{EventBuilder, EventCode, ParamType};
use falco_rules::catalogue::{Catalogue, EventContext, Field, FieldFlags};
use falco_rules::render_value::{to_json, write_text};
use falco_rules::template::Template;
use proptest::prelude::*;
use proptest::sample::select;

/// Every field, with arguments where they are needed or possible.
fn every_field(fields: &mut SyscallFields) -> Vec<Field> {
    let mut resolved = Vec::new();
    let infos = fields.fields().to_vec();
    let mut add = |name: &str, arg: Option<&str>| resolved.extend(fields.resolve(name, arg).ok());
    for info in infos {
        if !info.flags.contains(FieldFlags::ARG_REQUIRED) {
            add(info.name, None);
        }
        for arg in ["0", "1", "4", "HOME", "-3", "99999999999"] {
            add(info.name, Some(arg));
        }
    }
    for param in EVENTS.iter().flat_map(|event| event.params) {
        add(&format!("evt.arg.{}", param.name), None);
        add(&format!("evt.rawarg.{}", param.name), None);
    }
    for name in ["evt.type.is.open", "evt.abspath.src", "evt.abspath.dst", "thread.cgroup.memory"] {
        add(name, None);
    }
    resolved
}

/// Bytes that could be a parameter of this type, or are none.
fn parameter(ty: ParamType) -> BoxedStrategy<Vec<u8>> {
    let small = prop_oneof![-3i64..6, Just(-100i64), any::<i64>()];
    let numbers = small.prop_map(|n| n.to_le_bytes().to_vec());
    let texts = select(vec!["", "a", "/etc//passwd", "../x/./y/..", "(NULL)", "<NA>", "é\u{1}"]);
    let likely = match ty {
        ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath => {
            texts.prop_map(|text| [text.as_bytes(), b"\0"].concat()).boxed()
        }
        ParamType::SockAddr | ParamType::SockTuple => {
            let family = select(vec![0u8, 1, 2, 10, 16]);
            let rest = prop::collection::vec(any::<u8>(), 0..40);
            (family, rest).prop_map(|(family, rest)| [vec![family], rest].concat()).boxed()
        }
        ParamType::Uint8 | ParamType::SigType | ParamType::Flags8 | ParamType::EnumFlags8 => {
            any::<u8>().prop_map(|n| vec![n]).boxed()
        }
        ParamType::Uint16 | ParamType::Flags16 | ParamType::EnumFlags16 | ParamType::SyscallId => {
            any::<u16>().prop_map(|n| n.to_le_bytes().to_vec()).boxed()
        }
        ParamType::Uint32
        | ParamType::Int32
        | ParamType::Flags32
        | ParamType::EnumFlags32
        | ParamType::Uid
        | ParamType::Gid
        | ParamType::Mode => any::<u32>().prop_map(|n| n.to_le_bytes().to_vec()).boxed(),
        _ => numbers.boxed(),
    };
    prop_oneof![
        6 => likely,
        1 => Just(Vec::new()),
        2 => prop::collection::vec(any::<u8>(), 0..64),
    ]
    .boxed()
}

/// A type, a thread and parameters, at times too few or too many.
fn event() -> impl Strategy<Value = (u16, i64, Vec<Vec<u8>>)> {
    let code = 0..EventCode::COUNT as u16 + 2;
    let tid = prop_oneof![4 => 0i64..4, 1 => any::<i64>()];
    (code, tid, 0usize..24).prop_flat_map(|(code, tid, changed)| {
        let types = EventCode(code).info().params.iter().map(|param| param.ty);
        let mut params: Vec<_> = types.map(parameter).collect();
        match changed {
            0 => params.push(parameter(ParamType::Int64)),
            1 => params.truncate(params.len() / 2),
            _ => {}
        }
        (Just(code), Just(tid), params)
    })
}

proptest! {
    #[test]
    fn every_field_of_every_event(events in prop::collection::vec(event(), 1..24)) {
        let mut fields = SyscallFields::new();
        let all = every_field(&mut fields);
        let template = Template::compile("*%evt.args %proc.cmdline %fd.name", &mut fields).unwrap();
        let mut state = State::new(Limits::default());
        let mut builder = EventBuilder::new();
        let mut out = Vec::new();
        for (i, (code, tid, params)) in events.into_iter().enumerate() {
            builder.start(1_700_000_000_000_000_000 + i as u64, tid, EventCode(code));
            params.iter().for_each(|param| { builder.bytes(param); });
            let Ok(event) = builder.finish(0, 0) else { continue };
            let current = state.process(&event);
            let ctx = Context::new(&state, &event, &current, &fields);
            for field in &all {
                out.clear();
                let (ty, print) =
                    ctx.printed_as(field.id).unwrap_or((field.info.ty, field.info.print));
                if let Some(value) = ctx.value(field.id) {
                    write_text(&value, ty, print, &mut out);
                    to_json(&value, ty, print);
                }
                ctx.candidates(field.id, &mut |_| false);
                ctx.json_number(field.id);
            }
            prop_assert!(template.render_text(&ctx, &mut out));
        }
    }
}
