//! Whether remembered verdicts are true: a field of process or lineage scope may not change while
//! the memo of its scope says that nothing has.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_event::EventCode;
use falco_rules::catalogue::{Catalogue, EventContext, Field, FieldFlags, Scope};
use falco_rules::value::Value;

use super::golden::most;
use super::replay::{UnitCaptures, replay, resolve, shared};
use super::tally::Tally;

/// Bits of each value that are remembered: a change goes unseen once in 256 times.
const BITS: u32 = 8;

/// Fields of a scope that outlives the event, with arguments where they need one.
fn lasting(fields: &mut SyscallFields) -> Vec<Field> {
    let infos = fields.fields().to_vec();
    let mut names: Vec<String> = infos
        .iter()
        .filter(|info| !info.flags.contains(FieldFlags::ARG_REQUIRED))
        .map(|info| info.name.to_owned())
        .collect();
    for name in ["aname", "aexe", "aexepath", "acmdline", "aargs", "apid"] {
        names.extend((0..5).map(|n| format!("proc.{name}[{n}]")));
    }
    names.extend(["proc.args[0]", "proc.env[HOME]", "proc.aenv[HOME]"].map(str::to_owned));
    names.push("thread.cgroup.memory".to_owned());
    let fields = names.iter().map(|name| resolve(fields, name).unwrap());
    fields.filter(|field| field.scope != Scope::Event).collect()
}

/// What conditions can learn of a field: its value and its candidates.
fn digest(ctx: &Context<'_>, field: &Field) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut add = |value: Option<&Value<'_>>| format!("{value:?}").hash(&mut hasher);
    add(ctx.value(field.id).as_ref());
    ctx.candidates(field.id, &mut |value| {
        add(Some(value));
        false
    });
    hasher.finish()
}

/// Compares the remembered digests with the present ones, then remembers those.
fn check(ctx: &Context<'_>, fields: &[Field], tally: &mut Tally) {
    let slots = fields.len() as u32 * BITS;
    for (slot, field) in (0..).step_by(BITS as usize).zip(fields) {
        let Some((memo, generation)) = ctx.verdicts(field.scope) else { continue };
        let digest = digest(ctx, field);
        let bits = (0..BITS).map(|bit| (slot + bit, digest >> bit & 1 != 0));
        if memo.get(slot, generation).is_some() {
            tally.compare(
                bits.clone().all(|(slot, bit)| memo.get(slot, generation) == Some(bit)),
                || format!("{} on {}", field.info.name, EventCode(ctx.event_type()).info().id),
                || format!("#{}: now {:?}", ctx.number(), ctx.value(field.id)),
            );
        }
        bits.for_each(|(slot, bit)| memo.set(slot, generation, bit, slots));
    }
}

#[test]
fn values_last_as_long_as_their_scope_says() {
    let Some(captures) = UnitCaptures::find() else { return };
    let mut tally = Tally::default();
    let mut fields = SyscallFields::new();
    let lasting = lasting(&mut fields);
    for scap in captures.names() {
        captures.replay(&scap, &fields, |_, ctx| check(ctx, &lasting, &mut tally));
    }
    for name in ["attack-container", "attack-host", "edge", "workload"] {
        let Some(path) = shared(&format!("captures/{name}.scap")) else { continue };
        let mut left = most() / 4;
        replay(&path, &fields, |ctx| {
            if left > 0 {
                left -= 1;
                check(ctx, &lasting, &mut tally);
            }
        });
    }
    tally.finish("scopes", 1000);
}
