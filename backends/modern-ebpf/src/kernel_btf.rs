//! The running kernel's types (BTF): where its structs have their fields, and what can be attached to.
//!
//! A kernel has some 100,000 types, of which a probe needs a few hundred. aya-obj compares names with
//! all of them for each type that it relocates; so the types that a probe names, with what they are
//! made of, are cut out first, and aya-obj is given those alone. The whole is read once, and only to
//! be walked over.
//!
//! The module is public for its errors alone.
//!
//! Format: Linux `Documentation/bpf/btf.rst`, `include/uapi/linux/btf.h`.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::path::Path;

use aya_obj::btf::Btf;
use thiserror::Error;

/// Where kernels show their types.
pub(crate) const PATH: &str = "/sys/kernel/btf/vmlinux";

/// Why types cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BtfError {
    /// There is no such file, or it cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// The refusal.
        #[source]
        error: io::Error,
    },
    /// It is no BTF of this machine's byte order.
    #[error("this is no BTF: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// It has types of a kind that this build does not know, so what follows them cannot be read.
    #[error(
        "BTF has types of the unknown kind {kind}; a newer version of this program may read it"
    )]
    UnknownKind {
        /// `BTF_KIND_*`.
        kind: u32,
    },
}

fn malformed(what: &'static str) -> BtfError {
    BtfError::Malformed { what }
}

/// `BTF_KIND_*`.
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const PTR: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const FWD: u32 = 7;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const FLOAT: u32 = 16;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

const MAGIC: u16 = 0xeb9f;
const HEADER_LEN: usize = 24;
/// A type's first words: name, info, size or type.
const TYPE_LEN: usize = 12;

/// BTF as it lies in a file or section.
#[derive(Debug)]
pub(crate) struct Types {
    bytes: Vec<u8>,
    types: Range<usize>,
    strings: Range<usize>,
}

/// One type as it lies there.
#[derive(Clone, Copy, Debug)]
struct Type<'a> {
    id: u32,
    name: u32,
    info: u32,
    /// Its size in bytes, or the type that it refers to.
    size_or_type: u32,
    /// What follows: members, values, parameters.
    rest: &'a [u8],
}

impl Type<'_> {
    fn kind(&self) -> u32 {
        (self.info >> 24) & 0x1f
    }

    /// Whether a CO-RE relocation can be about it by name.
    fn can_be_relocated(&self) -> bool {
        use kind::{ENUM, ENUM64, FWD, INT, STRUCT, TYPEDEF, UNION};
        self.name != 0
            && matches!(self.kind(), INT | STRUCT | UNION | ENUM | FWD | TYPEDEF | ENUM64)
    }
}

/// What a probe needs of a kernel.
#[derive(Debug)]
pub(crate) struct Cut {
    /// The types that it names, under ids of their own.
    pub(crate) types: Btf,
    /// The kernel's ids of its typedefs and functions that were asked for.
    ids: HashMap<String, u32>,
}

impl Cut {
    /// The id of tracepoint `name`, if the kernel has it.
    pub(crate) fn tracepoint(&self, name: &str) -> Option<u32> {
        self.ids.get(&tracepoint_typedef(name)).copied()
    }

    /// The id of function `name`, if the kernel has it.
    pub(crate) fn function(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }
}

/// The name of the typedef that stands for a tracepoint (`include/trace/bpf_probe.h`).
fn tracepoint_typedef(name: &str) -> String {
    format!("{TYPEDEF_PREFIX}{name}")
}

const TYPEDEF_PREFIX: &str = "btf_trace_";

/// How wanted names begin. Most names of a kernel begin otherwise, and are passed by without being
/// measured, hashed and compared.
struct Beginnings([u64; 1 << 10]);

impl Default for Beginnings {
    fn default() -> Self {
        Beginnings([0; 1 << 10])
    }
}

impl Beginnings {
    /// A hash of the first four bytes, for a name that ends with NUL or with the slice.
    fn hash(name: &[u8]) -> usize {
        let mut four = [0; 4];
        for (to, byte) in four.iter_mut().zip(name) {
            if *byte == 0 {
                break;
            }
            *to = *byte;
        }
        // The upper 16 of 32 bits.
        (u32::from_le_bytes(four).wrapping_mul(0x9e37_79b1) >> 16) as usize
    }

    fn add(&mut self, name: &[u8]) {
        let hash = Beginnings::hash(name);
        self.0[hash / 64] |= 1 << (hash % 64);
    }

    fn may_have(&self, name: &[u8]) -> bool {
        let hash = Beginnings::hash(name);
        self.0[hash / 64] & (1 << (hash % 64)) != 0
    }
}

impl Types {
    /// The running kernel's types.
    pub(crate) fn of_kernel(path: &Path) -> Result<Self, BtfError> {
        let bytes = std::fs::read(path)
            .map_err(|error| BtfError::Io { path: path.display().to_string(), error })?;
        Types::new(bytes)
    }

    pub(crate) fn new(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let word = |at| read_u32(&bytes, at).ok_or_else(|| malformed("it ends in its header"));
        if bytes.get(..2) != Some(&MAGIC.to_le_bytes()) {
            return Err(malformed("it does not begin with its magic number"));
        }
        let header = word(4)? as usize;
        let part = |start: u32, len: u32| {
            let start = header.checked_add(start as usize)?;
            let end = start.checked_add(len as usize)?;
            (end <= bytes.len()).then_some(start..end)
        };
        let types = part(word(8)?, word(12)?).ok_or_else(|| malformed("types are cut off"))?;
        let strings = part(word(16)?, word(20)?).ok_or_else(|| malformed("names are cut off"))?;
        Ok(Types { types, strings, bytes })
    }

    /// The names, without flavours (`task_struct___old`), of the types that a probe with these types
    /// can be relocated for.
    pub(crate) fn names(&self) -> Result<HashSet<&[u8]>, BtfError> {
        let mut names = HashSet::new();
        for each in self.iter() {
            let each = each?;
            if each.can_be_relocated() {
                names.insert(without_flavour(self.string(each.name)));
            }
        }
        Ok(names)
    }

    /// Cuts out the types of these names, and finds the ids of tracepoints and functions.
    pub(crate) fn cut<'t, 'f>(
        &self,
        names: &HashSet<&[u8]>,
        tracepoints: impl IntoIterator<Item = &'t str>,
        functions: impl IntoIterator<Item = &'f str>,
    ) -> Result<Cut, BtfError> {
        let typedefs: HashSet<String> = tracepoints.into_iter().map(tracepoint_typedef).collect();
        let functions: HashSet<&[u8]> = functions.into_iter().map(str::as_bytes).collect();
        let mut beginnings = Beginnings::default();
        for name in names.iter().chain(&functions) {
            beginnings.add(name);
        }
        beginnings.add(TYPEDEF_PREFIX.as_bytes());
        let mut ids = HashMap::new();
        // Ids are places in the list of types; id 0 is void.
        let mut places = vec![0];
        let mut wanted = Vec::new();
        for each in self.iter() {
            let each = each?;
            // In range: it was sliced out of `bytes`, which a u32 describes.
            places.push((each.rest.as_ptr().addr() - self.bytes.as_ptr().addr() - TYPE_LEN) as u32);
            let is_function = each.kind() == kind::FUNC;
            if !is_function && !each.can_be_relocated()
                || !beginnings.may_have(self.from(each.name))
            {
                continue;
            }
            let name = self.string(each.name);
            let text = std::str::from_utf8(name).unwrap_or_default();
            if is_function && functions.contains(name)
                || each.kind() == kind::TYPEDEF && typedefs.contains(text)
            {
                // The first of several, as aya-obj and libbpf do.
                ids.entry(text.to_owned()).or_insert(each.id);
            } else if !is_function && names.contains(without_flavour(name)) {
                wanted.push(each.id);
            }
        }
        Ok(Cut { types: self.extract(&places, wanted)?, ids })
    }

    /// The types `wanted` and all that they contain by value, as BTF of its own.
    fn extract(&self, places: &[u32], mut wanted: Vec<u32>) -> Result<Btf, BtfError> {
        let mut new_ids: HashMap<u32, u32> = HashMap::new();
        let mut order = Vec::new();
        while let Some(id) = wanted.pop() {
            if id == 0 || new_ids.contains_key(&id) {
                continue;
            }
            let each = self.at(places, id)?;
            order.push(each);
            new_ids.insert(id, order.len() as u32);
            for_each_content(&each, |content| wanted.push(content))?;
        }
        let mut out = Writer { ids: &new_ids, from: self, types: Vec::new(), strings: vec![0] };
        for each in &order {
            out.write(each)?;
        }
        let bytes = out.finish();
        Btf::parse(&bytes, Default::default())
            .map_err(|_| malformed("the types that were cut out of it do not parse"))
    }

    fn at(&self, places: &[u32], id: u32) -> Result<Type<'_>, BtfError> {
        let place = places.get(id as usize).ok_or_else(|| malformed("a type refers to none"))?;
        let mut iter = Iter { types: self, at: *place as usize, id };
        iter.next().ok_or_else(|| malformed("types are cut off"))?
    }

    /// The names from this place on.
    fn from(&self, offset: u32) -> &[u8] {
        let strings = self.bytes.get(self.strings.clone()).unwrap_or_default();
        strings.get(offset as usize..).unwrap_or_default()
    }

    /// The bytes of a name; empty for one outside the names.
    fn string(&self, offset: u32) -> &[u8] {
        let rest = self.from(offset);
        let end = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
        &rest[..end]
    }

    fn iter(&self) -> Iter<'_> {
        Iter { types: self, at: self.types.start, id: 1 }
    }
}

struct Iter<'a> {
    types: &'a Types,
    at: usize,
    id: u32,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Result<Type<'a>, BtfError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.types.types.end {
            return None;
        }
        let next = self.read();
        // After an error there is no telling where the next type begins.
        self.at = next.as_ref().map_or(usize::MAX, |each| self.at + TYPE_LEN + each.rest.len());
        self.id += 1;
        Some(next)
    }
}

impl<'a> Iter<'a> {
    fn read(&self) -> Result<Type<'a>, BtfError> {
        use kind::*;
        let bytes = &self.types.bytes[..self.types.types.end];
        let word = |at| read_u32(bytes, at).ok_or_else(|| malformed("types are cut off"));
        let (name, info, size_or_type) = (word(self.at)?, word(self.at + 4)?, word(self.at + 8)?);
        let vlen = (info & 0xffff) as usize;
        let rest = match (info >> 24) & 0x1f {
            INT | VAR | DECL_TAG => 4,
            PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => 0,
            ARRAY => 12,
            STRUCT | UNION | DATASEC | ENUM64 => vlen * 12,
            ENUM | FUNC_PROTO => vlen * 8,
            kind => return Err(BtfError::UnknownKind { kind }),
        };
        let start = self.at + TYPE_LEN;
        let rest = bytes.get(start..start + rest).ok_or_else(|| malformed("types are cut off"))?;
        Ok(Type { id: self.id, name, info, size_or_type, rest })
    }
}

/// Calls back with the types that decide a type's layout: of members and elements, and what a name or
/// qualifier stands for; not what pointers point to.
fn for_each_content(each: &Type<'_>, mut call: impl FnMut(u32)) -> Result<(), BtfError> {
    use kind::*;
    match each.kind() {
        STRUCT | UNION => {
            for member in each.rest.chunks_exact(12) {
                call(read_u32(member, 4).unwrap_or(0));
            }
        }
        ARRAY => {
            call(read_u32(each.rest, 0).unwrap_or(0));
            call(read_u32(each.rest, 4).unwrap_or(0));
        }
        TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => call(each.size_or_type),
        _ => {}
    }
    Ok(())
}

/// Writes types anew: under new ids, with only the names that they have.
struct Writer<'a> {
    ids: &'a HashMap<u32, u32>,
    from: &'a Types,
    types: Vec<u8>,
    strings: Vec<u8>,
}

impl Writer<'_> {
    fn write(&mut self, each: &Type<'_>) -> Result<(), BtfError> {
        use kind::*;
        let name = self.name(each.name);
        let last = match each.kind() {
            PTR | TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => self.id(each.size_or_type),
            _ => each.size_or_type,
        };
        self.words(&[name, each.info, last]);
        let word = |bytes: &[u8], at| read_u32(bytes, at).ok_or_else(|| malformed("it is cut off"));
        match each.kind() {
            STRUCT | UNION => {
                for member in each.rest.chunks_exact(12) {
                    let name = self.name(word(member, 0)?);
                    self.words(&[name, self.id(word(member, 4)?), word(member, 8)?]);
                }
            }
            ENUM => {
                for value in each.rest.chunks_exact(8) {
                    let name = self.name(word(value, 0)?);
                    self.words(&[name, word(value, 4)?]);
                }
            }
            ENUM64 => {
                for value in each.rest.chunks_exact(12) {
                    let name = self.name(word(value, 0)?);
                    self.words(&[name, word(value, 4)?, word(value, 8)?]);
                }
            }
            ARRAY => {
                let (of, by) = (self.id(word(each.rest, 0)?), self.id(word(each.rest, 4)?));
                self.words(&[of, by, word(each.rest, 8)?]);
            }
            INT => self.words(&[word(each.rest, 0)?]),
            FWD | PTR | TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG | FLOAT => {}
            // Structs do not contain functions, variables or tags of declarations.
            _ => return Err(malformed("a type contains what no type can contain")),
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut out = Vec::with_capacity(HEADER_LEN + self.types.len() + self.strings.len());
        out.extend(MAGIC.to_le_bytes());
        out.extend([1, 0]); // version, flags
        for word in [HEADER_LEN as u32, 0, types, types, strings] {
            out.extend(word.to_le_bytes());
        }
        out.append(&mut self.types);
        out.append(&mut self.strings);
        out
    }

    /// A type that was not cut out is only pointed to, where any type will do.
    fn id(&self, old: u32) -> u32 {
        self.ids.get(&old).copied().unwrap_or(0)
    }

    fn name(&mut self, old: u32) -> u32 {
        let name = self.from.string(old);
        if name.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend_from_slice(name);
        self.strings.push(0);
        at
    }

    fn words(&mut self, words: &[u32]) {
        self.types.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
}

/// What comes before `___` in a name: after it, a probe tells several forms of one type apart.
fn without_flavour(name: &[u8]) -> &[u8] {
    let at = name.windows(3).position(|three| three == b"___");
    at.map_or(name, |at| &name[..at])
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel() -> Option<Types> {
        match Types::of_kernel(Path::new(PATH)) {
            Ok(types) => Some(types),
            Err(error) => {
                println!("IGNORED: reading the kernel's types because {error}");
                None
            }
        }
    }

    #[test]
    fn tracepoints_and_functions_have_the_ids_that_aya_finds() {
        let Some(kernel) = kernel() else { return };
        let cut = kernel
            .cut(&HashSet::new(), ["sys_exit", "no_such_tracepoint"], ["bpf_check", "no_such"])
            .unwrap();
        let aya = Btf::from_sys_fs().unwrap();
        let id = |name, kind| aya.id_by_type_name_kind(name, kind).ok();
        let typedef = id("btf_trace_sys_exit", aya_obj::btf::BtfKind::Typedef);
        assert!(typedef.is_some());
        assert_eq!(cut.tracepoint("sys_exit"), typedef);
        assert_eq!(cut.function("bpf_check"), id("bpf_check", aya_obj::btf::BtfKind::Func));
        assert_eq!((cut.tracepoint("no_such_tracepoint"), cut.function("no_such")), (None, None));
    }

    #[test]
    fn what_is_cut_out_has_the_layout_of_the_whole() {
        let Some(kernel) = kernel() else { return };
        let names = HashSet::from([b"task_struct".as_slice(), b"file", b"pid_type"]);
        let cut = kernel.cut(&names, [], []).unwrap();
        let small = Types::new(cut.types.to_bytes()).unwrap();
        assert!(small.bytes.len() * 5 < kernel.bytes.len(), "{} bytes", small.bytes.len());
        // Every member of every struct of these names is where it was.
        let members = |types: &Types| {
            let mut out = Vec::new();
            for each in types.iter().map(Result::unwrap) {
                if each.kind() == kind::STRUCT && names.contains(types.string(each.name)) {
                    for member in each.rest.chunks_exact(12) {
                        let name = types.string(read_u32(member, 0).unwrap()).to_owned();
                        out.push((name, read_u32(member, 8), each.size_or_type));
                    }
                }
            }
            out.sort();
            out
        };
        let found = members(&small);
        assert!(found.iter().any(|(name, ..)| name == b"real_parent"));
        assert_eq!(found, members(&kernel));
    }

    #[test]
    fn broken_types_are_refused() {
        let Some(kernel) = kernel() else { return };
        for len in [0, 1, 10, 24, 1000, kernel.bytes.len() / 2] {
            assert!(Types::new(kernel.bytes[..len].to_vec()).is_err(), "{len}");
        }
        let mut unknown = kernel.bytes.clone();
        unknown[kernel.types.start + 7] = 0x1f;
        let unknown = Types::new(unknown).unwrap();
        assert!(matches!(unknown.names(), Err(BtfError::UnknownKind { kind: 31 })));
        // Whatever stands there, nothing panics.
        let mut noise = kernel.bytes.clone();
        for (at, byte) in noise[kernel.types.clone()].iter_mut().enumerate() {
            *byte = byte.wrapping_add((at % 7 == 3) as u8);
        }
        let noise = Types::new(noise).unwrap();
        let _any = noise.cut(&HashSet::from([b"task_struct".as_slice()]), ["sys_exit"], []);
    }
}
