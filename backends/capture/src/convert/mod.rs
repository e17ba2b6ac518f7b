//! Events of older schemas become today's.
//!
//! [`convertibility`] says what an event needs, at the cost of one look-up; most need nothing.
//! [`Converter`] does it: it keeps enter events, appends parameters and changes types by the lines
//! of `table`, until the event has a shape of today or is known to be one that is not delivered.
//!
//! The rules are libscap's (`engine/savefile/converter`), with one difference: where a thread's
//! stored enter event belongs to another call, libscap ends the replay. That happens when a
//! recorder lost events, so here it is the same as no stored enter event, and is counted.

mod store;
mod table;

use falco_event::raw::HEADER_LEN;
use falco_event::{EventCode, EventError, EventFlags, ParamType, RawEvent};
use thiserror::Error;

use self::store::EnterStore;
use self::table::{Action, Source};

/// Why an event cannot be converted.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConvertError {
    /// More parameters than this build knows of.
    #[error("event {code:?} has {have} parameters, more than the {known} known")]
    TooManyParams {
        /// Event type.
        code: EventCode,
        /// Parameters that it has.
        have: usize,
        /// Parameters in the event table.
        known: usize,
    },
    /// A parameter count that no version of the event had.
    #[error("event {code:?} never had {nparams} parameters")]
    UnknownShape {
        /// Event type.
        code: EventCode,
        /// Parameters that it has.
        nparams: usize,
    },
    /// The conversion does not come to an end.
    #[error("event {code:?} is not of today's schema after {MAX_STEPS} conversions")]
    Endless {
        /// Event type that it was.
        code: EventCode,
    },
    /// The converted bytes are not an event.
    #[error("the converted event is not one: {0}")]
    Malformed(#[from] EventError),
}

/// What an event needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it is one of today's.
    Pass,
    /// It is not delivered: an unused number, or an enter event that tells nothing.
    Drop,
    /// A conversion.
    Convert,
}

/// Most conversions of one event (libscap `MAX_CONVERSION_BOUNDARY`).
const MAX_STEPS: usize = 50;

/// What is known of the events of a type before one is seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admission {
    Pass,
    Drop,
    /// Enter events, and exit events of superseded types.
    Convert,
    /// Enter events that the table converts, but passes as they are with this many parameters.
    ConvertUnless(u8),
    /// Exit events that pass with this many parameters, those of their type.
    PassWith(u8),
}

static ADMISSION: [Admission; EventCode::COUNT] = {
    let mut admission = [Admission::Pass; EventCode::COUNT];
    let mut code = 0;
    while code < EventCode::COUNT {
        let info = &falco_event::table::EVENTS[code];
        let (managed, old) =
            (info.flags.contains(EventFlags::CONV), info.flags.contains(EventFlags::OLD));
        admission[code] = if info.flags.contains(EventFlags::UNUSED) {
            Admission::Drop
        } else if !managed {
            // Superseded exit events are all managed (a test says so).
            if old { Admission::Drop } else { Admission::Pass }
        } else if code % 2 == 0 || old {
            match table::passes_with(code) {
                Some(nparams) => Admission::ConvertUnless(nparams),
                None => Admission::Convert,
            }
        } else {
            Admission::PassWith(info.params.len() as u8)
        };
        code += 1;
    }
    admission
};

/// What an event of type `code` with `nparams` parameters needs. Unknown types pass.
///
/// # Errors
/// If an exit event has more parameters than its type.
pub fn convertibility(code: EventCode, nparams: usize) -> Result<Verdict, ConvertError> {
    match ADMISSION.get(usize::from(code.0)) {
        None | Some(Admission::Pass) => Ok(Verdict::Pass),
        Some(Admission::Drop) => Ok(Verdict::Drop),
        Some(&Admission::PassWith(n)) if usize::from(n) == nparams => Ok(Verdict::Pass),
        Some(_) => needs_conversion(code, nparams),
    }
}

/// Whether `code` is known and such an event comes out of conversion as it is, with nothing to be
/// remembered of it.
#[inline]
pub(crate) fn passes(code: EventCode, nparams: u32) -> bool {
    match ADMISSION.get(usize::from(code.0)) {
        Some(&(Admission::PassWith(n) | Admission::ConvertUnless(n))) => u32::from(n) == nparams,
        Some(Admission::Pass) => true,
        _ => false,
    }
}

#[cold]
fn needs_conversion(code: EventCode, nparams: usize) -> Result<Verdict, ConvertError> {
    let known = code.info().params.len();
    if !code.is_enter() && nparams > known {
        return Err(ConvertError::TooManyParams { code, have: nparams, known });
    }
    Ok(Verdict::Convert)
}

/// Converts events and remembers what later ones need.
#[derive(Debug, Default)]
pub struct Converter {
    store: EnterStore,
    /// The event as the last step made it.
    done: Vec<u8>,
    /// The event before that step.
    work: Vec<u8>,
    json: Vec<u8>,
    enters_missing: u64,
}

impl Converter {
    /// A converter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Converts `event`, for which [`convertibility`] said [`Verdict::Convert`], to its end.
    /// `None`: it is not delivered.
    ///
    /// # Errors
    /// If no version of the schema had such an event.
    pub fn convert(&mut self, event: &RawEvent<'_>) -> Result<Option<RawEvent<'_>>, ConvertError> {
        let mut verdict = self.step_to_done(event)?;
        for _ in 1..MAX_STEPS {
            if verdict != Verdict::Convert {
                return self.result(verdict, event);
            }
            // The result becomes the input; both buffers keep their memory.
            let input = std::mem::replace(&mut self.done, std::mem::take(&mut self.work));
            let result = RawEvent::parse(&input, event.cpu(), event.flags())
                .map_err(ConvertError::from)
                .and_then(|input| self.step_to_done(&input));
            self.work = input;
            verdict = result?;
        }
        Err(ConvertError::Endless { code: event.code() })
    }

    /// One conversion: what the result needs in turn, and the result unless it is dropped.
    ///
    /// # Errors
    /// As [`Converter::convert`].
    pub fn step(
        &mut self,
        event: &RawEvent<'_>,
    ) -> Result<(Verdict, Option<RawEvent<'_>>), ConvertError> {
        let verdict = self.step_to_done(event)?;
        Ok((verdict, self.result(verdict, event)?))
    }

    /// The enter event that is kept for thread `tid`.
    pub fn stored(&self, tid: i64) -> Option<&[u8]> {
        self.store.get(tid)
    }

    /// Forgets all enter events, as at the begin of a section.
    pub fn clear(&mut self) {
        self.store.clear();
    }

    /// How many exit events were converted without their enter event.
    pub fn enters_missing(&self) -> u64 {
        self.enters_missing
    }

    /// How many enter events were forgotten for want of room.
    pub fn enters_evicted(&self) -> u64 {
        self.store.evicted()
    }

    /// The event that [`Converter::convert`] made last, again.
    pub(crate) fn converted(&self, cpu: u16, flags: u32) -> Result<RawEvent<'_>, EventError> {
        RawEvent::parse(&self.done, cpu, flags)
    }

    fn result(
        &self,
        verdict: Verdict,
        from: &RawEvent<'_>,
    ) -> Result<Option<RawEvent<'_>>, ConvertError> {
        if verdict == Verdict::Drop {
            return Ok(None);
        }
        Ok(Some(self.converted(from.cpu(), from.flags())?))
    }

    /// Applies the line of the table for `event` and leaves the result in `done`.
    fn step_to_done(&mut self, event: &RawEvent<'_>) -> Result<Verdict, ConvertError> {
        let (code, nparams) = (event.code(), event.nparams());
        let entry =
            table::find(code, nparams).ok_or(ConvertError::UnknownShape { code, nparams })?;
        let (code, sources, keeps_params) = match entry.action {
            Action::Store => {
                self.store.put(event.tid(), event.bytes());
                return Ok(Verdict::Drop);
            }
            Action::StoreAndPass => {
                self.store.put(event.tid(), event.bytes());
                self.copy_to_done(event);
                return Ok(Verdict::Pass);
            }
            Action::Pass => {
                self.copy_to_done(event);
                return Ok(Verdict::Pass);
            }
            Action::Append(sources) => (code, sources, true),
            Action::Become(to, sources) => (to, sources, false),
        };
        self.rebuild(event, code, sources, keeps_params);
        let built = RawEvent::parse(&self.done, event.cpu(), event.flags())?;
        convertibility(code, built.nparams())
    }

    fn copy_to_done(&mut self, event: &RawEvent<'_>) {
        self.done.clear();
        self.done.extend_from_slice(event.bytes());
    }

    /// Writes an event of type `code` to `done`: the parameters of `old` if it keeps them, then
    /// what the sources say.
    fn rebuild(
        &mut self,
        old: &RawEvent<'_>,
        code: EventCode,
        sources: &'static [Source],
        keeps_params: bool,
    ) {
        if sources.contains(&Source::ContainerJson) {
            container_json(old, &mut self.json);
        }
        let enter_code = EventCode(old.code().0.wrapping_sub(1));
        let enter = self.store.get(old.tid()).and_then(|e| RawEvent::parse(e, 0, 0).ok());
        let enter = enter.filter(|enter| enter.code() == enter_code);
        let (mut used, mut missed) = (false, false);

        let mut params = Params::of(code);
        if keeps_params {
            old.params().for_each(|param| params.push(param));
        }
        for source in sources {
            match *source {
                Source::Old { first, last } => {
                    (first..=last).for_each(|i| params.push_or_default(old.param(i.into())));
                }
                Source::Enter(i) | Source::EnterOrEmpty(i) => {
                    let param = enter.and_then(|enter| enter.param(i.into()));
                    used |= param.is_some();
                    missed |= param.is_none();
                    match (param, source) {
                        (None, Source::EnterOrEmpty(_)) => params.push(&[]),
                        _ => params.push_or_default(param),
                    }
                }
                Source::Default => params.push_or_default(None),
                Source::Empty => params.push(&[]),
                Source::ContainerJson => params.push(&self.json),
            }
        }
        params.write(old, code, &mut self.done);
        if used {
            self.store.remove(old.tid());
        }
        self.enters_missing += u64::from(missed);
    }
}

/// The parameters of an event in the making.
struct Params<'a> {
    code: EventCode,
    params: [&'a [u8]; MAX_PARAMS],
    len: usize,
}

/// Room for the parameters of every event type (a test says so).
const MAX_PARAMS: usize = 32;

impl<'a> Params<'a> {
    fn of(code: EventCode) -> Self {
        Params { code, params: [&[]; MAX_PARAMS], len: 0 }
    }

    /// Appends a parameter, cut to the size of its type. Parameters beyond the type's are left
    /// out.
    fn push(&mut self, param: &'a [u8]) {
        let Some(info) = self.code.info().params.get(self.len) else { return };
        let Some(slot) = self.params.get_mut(self.len) else { return };
        let max = fixed_size(info.ty).unwrap_or(usize::MAX);
        *slot = &param[..param.len().min(max)];
        self.len += 1;
    }

    fn push_or_default(&mut self, param: Option<&'a [u8]>) {
        let ty = self.code.info().params.get(self.len).map(|info| info.ty);
        self.push(param.unwrap_or_else(|| ty.map_or(&[], default_value)));
    }

    /// Writes the event with time and thread of `old`.
    fn write(&self, old: &RawEvent<'_>, code: EventCode, out: &mut Vec<u8>) {
        let params = &self.params[..self.len];
        let width = if code.has(EventFlags::LARGE) { 4 } else { 2 };
        // A parameter comes from an event of the capture, whose blocks are far below 4 GiB; where
        // lengths are 16 bits wide it comes from one with such lengths.
        let data: usize = params.iter().map(|param| param.len()).sum();
        let len = (HEADER_LEN + params.len() * width + data) as u32;
        out.clear();
        out.extend_from_slice(&old.ts().to_le_bytes());
        out.extend_from_slice(&old.tid().to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&code.0.to_le_bytes());
        out.extend_from_slice(&(params.len() as u32).to_le_bytes());
        for param in params {
            out.extend_from_slice(&(param.len() as u32).to_le_bytes()[..width]);
        }
        params.iter().for_each(|param| out.extend_from_slice(param));
    }
}

/// The size of a parameter type in bytes, if it has one.
fn fixed_size(ty: ParamType) -> Option<usize> {
    use ParamType::{
        AbsTime, Bool, Double, EnumFlags8, EnumFlags16, EnumFlags32, Errno, Fd, Fd32, Flags8,
        Flags16, Flags32, Gid, Int8, Int16, Int32, Int64, Ipv4Addr, Ipv6Addr, L4Proto, Mode, Pid,
        Pid32, Port, RelTime, SigSet, SigType, SockFamily, SyscallId, Uid, Uint8, Uint16, Uint32,
        Uint64,
    };
    match ty {
        Int8 | Uint8 | Flags8 | EnumFlags8 | SigType | L4Proto | SockFamily => Some(1),
        Int16 | Uint16 | Flags16 | EnumFlags16 | SyscallId | Port => Some(2),
        Int32 | Uint32 | Flags32 | EnumFlags32 | Uid | Gid | Mode | SigSet | Fd32 | Pid32
        | Bool | Ipv4Addr => Some(4),
        Int64 | Uint64 | RelTime | AbsTime | Errno | Fd | Pid | Double => Some(8),
        Ipv6Addr => Some(16),
        _ => None,
    }
}

/// What stands for a value that is not there.
fn default_value(ty: ParamType) -> &'static [u8] {
    match ty {
        ParamType::Uid | ParamType::Gid => &[0xff; 4],
        ty => &[0; 16][..fixed_size(ty).unwrap_or(0)],
    }
}

/// Describes the container of a `CONTAINER_E` event as later versions do; empty if a parameter
/// is not as it should be.
fn container_json(event: &RawEvent<'_>, out: &mut Vec<u8>) {
    out.clear();
    let (Some(id), Some(kind), Some(name), Some(image)) =
        (event.text(0), event.u32(1), event.text(2), event.text(3))
    else {
        return;
    };
    out.extend_from_slice(b"{\"id\":\"");
    escape_json(id, out);
    out.extend_from_slice(format!("\",\"type\":{kind},\"name\":\"").as_bytes());
    escape_json(name, out);
    out.extend_from_slice(b"\",\"image\":\"");
    escape_json(image, out);
    out.extend_from_slice(b"\"}\0");
}

fn escape_json(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superseded_exit_events_are_all_converted() {
        for code in EventCode::all().filter(|code| !code.is_enter()) {
            let old = code.has(EventFlags::OLD) && !code.has(EventFlags::UNUSED);
            assert!(!old || code.has(EventFlags::CONV), "{code:?}");
        }
    }

    #[test]
    fn every_type_has_room_for_its_parameters() {
        assert!(EventCode::all().all(|code| code.info().params.len() <= MAX_PARAMS));
    }

    #[test]
    fn what_passes_is_not_changed_by_conversion() {
        let mut events = falco_event::EventBuilder::new();
        for code in EventCode::all() {
            for nparams in 0..=code.info().params.len() {
                let mut event = events.start(1, 2, code);
                for info in &code.info().params[..nparams] {
                    event = event.bytes(default_value(info.ty));
                }
                let event = event.finish(0, 0).unwrap();
                let passes = passes(code, nparams as u32);
                let mut converter = Converter::new();
                match convertibility(code, nparams).unwrap() {
                    Verdict::Pass => assert!(passes, "{code:?}"),
                    Verdict::Drop => assert!(!passes, "{code:?}"),
                    Verdict::Convert => {
                        let converted = converter.convert(&event).ok().flatten();
                        let same = converted.is_some_and(|new| new.bytes() == event.bytes());
                        let stored = converter.stored(2).is_some();
                        assert_eq!(passes, same && !stored, "{code:?} {nparams}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_enter_event_of_another_call_counts_as_lost() {
        let mut events = falco_event::EventBuilder::new();
        let mut converter = Converter::new();
        let enter = events.start(1, 2, EventCode::SYSCALL_READ_E).i64(9).u32(10);
        assert_eq!(converter.convert(&enter.finish(0, 0).unwrap()).unwrap().map(|_| ()), None);
        let exit = events.start(2, 2, EventCode::SYSCALL_CLOSE_X).i64(0).finish(0, 0).unwrap();
        let closed = converter.convert(&exit).unwrap().unwrap();
        assert_eq!(closed.i64(1), Some(0));
        assert_eq!(converter.enters_missing(), 1);
        let exit = events.start(3, 2, EventCode::SYSCALL_READ_X).i64(4).bytes(b"data");
        let read = converter.convert(&exit.finish(0, 0).unwrap()).unwrap().unwrap();
        assert_eq!((read.i64(2), read.u32(3)), (Some(9), Some(10)));
        assert_eq!(converter.enters_missing(), 1);
        assert!(converter.stored(2).is_none(), "it was used");
    }

    #[test]
    fn shapes_that_never_were_are_errors() {
        let mut events = falco_event::EventBuilder::new();
        let mut converter = Converter::new();
        let odd = events.start(1, 2, EventCode::SYSCALL_READ_X).i64(0).finish(0, 0).unwrap();
        let error = converter.convert(&odd).unwrap_err();
        assert_eq!(error.to_string(), "event SYSCALL_READ_X(7) never had 1 parameters");
        let error = convertibility(EventCode::SYSCALL_READ_X, 5).unwrap_err();
        assert_eq!(
            error.to_string(),
            "event SYSCALL_READ_X(7) has 5 parameters, more than the 4 known"
        );
    }

    #[test]
    fn container_descriptions_are_json_and_empty_if_a_part_is_missing() {
        let mut events = falco_event::EventBuilder::new();
        let mut converter = Converter::new();
        let container = events.start(1, 2, EventCode::CONTAINER_E);
        let container = container.text("ab12").u32(6).text("na\"me\n").text("nginx:1");
        let event = container.finish(0, 0).unwrap();
        let json = converter.convert(&event).unwrap().unwrap();
        assert_eq!(json.code(), EventCode::CONTAINER_JSON_2_E);
        let want = r#"{"id":"ab12","type":6,"name":"na\"me\u000a","image":"nginx:1"}"#;
        assert_eq!(json.text(0), Some(want.as_bytes()));
        let container = events.start(1, 2, EventCode::CONTAINER_E).text("ab12").empty();
        let event = container.text("name").text("nginx:1").finish(0, 0).unwrap();
        let json = converter.convert(&event).unwrap().unwrap();
        assert_eq!(json.param(0), Some(&[][..]));
    }
}
