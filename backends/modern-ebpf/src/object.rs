//! A compiled probe: its programs and maps, made fit for the running kernel.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use aya_obj::generated::bpf_map_type::{
    BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_PROG_ARRAY, BPF_MAP_TYPE_RINGBUF,
};
use aya_obj::{Function, Object};

use crate::EbpfError;
use crate::kernel_btf::{Cut, Types};
use crate::sys::{self, Map, MapSpec};

/// Maps by name.
pub(crate) type Maps = HashMap<String, Map>;

/// An object that clang made of the probe.
pub(crate) struct Probe {
    object: Object,
    /// Its types, as the kernel knows them; needed for the messages of the verifier.
    btf: Option<OwnedFd>,
}

/// How large maps are to be on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// CPUs that there can be.
    pub(crate) cpus: u32,
    /// Bytes of each of the rings that CPUs have.
    pub(crate) ring: u32,
    /// Bytes of the ring for births and deaths.
    pub(crate) lifecycle: u32,
}

/// The maps with an element, or several, for each CPU.
const BY_CPU: [&str; 3] = ["rings", "counters", "scratches"];

impl Probe {
    /// Reads an object that this crate was built with.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, EbpfError> {
        let object = Object::parse(bytes).map_err(EbpfError::probe)?;
        Ok(Probe { object, btf: None })
    }

    pub(crate) fn has(&self, program: &str) -> bool {
        self.object.programs.contains_key(program)
    }

    /// Its types, whose names tell what it needs of the kernel's.
    pub(crate) fn types(&self) -> Result<Types, EbpfError> {
        let bytes = self.object.btf.as_ref().map(|btf| btf.to_bytes()).unwrap_or_default();
        Types::new(bytes).map_err(EbpfError::probe)
    }

    /// Makes the maps, and puts offsets, maps and calls into the instructions of the programs for
    /// which `is_wanted` holds. The others are forgotten.
    pub(crate) fn relocate(
        &mut self,
        kernel: &Cut,
        sizes: &Sizes,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Maps, EbpfError> {
        let object = &mut self.object;
        object.programs.retain(|name, _| is_wanted(name));
        let features = aya::features();
        if let Some(features) = features.btf()
            && let Ok(Some(btf)) = object.fixup_and_sanitize_btf(features)
        {
            // Programs load without; the verifier's messages just name no lines.
            self.btf = sys::load_btf(&btf.to_bytes()).ok();
        }
        object.relocate_btf(&kernel.types).map_err(EbpfError::probe)?;
        let mut specs: Vec<(String, aya_obj::Map)> = object.maps.drain().collect();
        specs.sort_by(|a, b| a.0.cmp(&b.0));
        let mut maps = Maps::new();
        for (name, spec) in &specs {
            let map = create(name, spec, sizes).map_err(|error| EbpfError::map(name, error))?;
            maps.insert(name.clone(), map);
        }
        let made = specs.iter().filter_map(|(name, spec)| {
            Some((name.as_str(), maps.get(name)?.as_fd().as_raw_fd(), spec))
        });
        let sections = object.functions.keys().map(|(section, _)| *section).collect();
        object.relocate_maps(made, &sections).map_err(EbpfError::probe)?;
        object.relocate_calls(&sections).map_err(EbpfError::probe)?;
        object.sanitize_functions(features);
        Ok(maps)
    }

    /// A program's instructions, with all functions that it calls.
    pub(crate) fn function(&self, program: &str) -> Option<&Function> {
        let program = self.object.programs.get(program)?;
        self.object.functions.get(&program.function_key())
    }

    pub(crate) fn license(&self) -> &CStr {
        &self.object.license
    }

    pub(crate) fn btf(&self) -> Option<BorrowedFd<'_>> {
        self.btf.as_ref().map(AsFd::as_fd)
    }
}

fn create(name: &str, from: &aya_obj::Map, sizes: &Sizes) -> io::Result<Map> {
    let mut spec = MapSpec {
        name,
        kind: from.map_type(),
        key_size: from.key_size(),
        value_size: from.value_size(),
        max_entries: from.max_entries(),
        flags: from.map_flags(),
        inner: None,
    };
    if BY_CPU.contains(&name) {
        spec.max_entries = spec.max_entries.saturating_mul(sizes.cpus);
    }
    if spec.kind == BPF_MAP_TYPE_RINGBUF as u32 {
        (spec.key_size, spec.value_size, spec.max_entries) = (0, 0, sizes.lifecycle);
    }
    if spec.kind == BPF_MAP_TYPE_PROG_ARRAY as u32 || spec.kind == BPF_MAP_TYPE_ARRAY_OF_MAPS as u32
    {
        spec.value_size = 4;
    }
    let inner = (spec.kind == BPF_MAP_TYPE_ARRAY_OF_MAPS as u32)
        // Before 5.10, rings must be as large as the one that the array was made with.
        .then(|| create_ring(sizes.ring))
        .transpose()?;
    spec.inner = inner.as_ref().map(AsFd::as_fd);
    let map = Map::create(&spec)?;
    if !from.data().is_empty() {
        map.set(0, from.data())?;
        if from.section_kind() == aya_obj::EbpfSectionKind::Rodata {
            map.freeze()?;
        }
    }
    Ok(map)
}

/// Makes a ring of so many bytes: a power of two of pages.
pub(crate) fn create_ring(bytes: u32) -> io::Result<Map> {
    Map::create(&MapSpec {
        name: "ring",
        kind: BPF_MAP_TYPE_RINGBUF as u32,
        key_size: 0,
        value_size: 0,
        max_entries: bytes,
        flags: 0,
        inner: None,
    })
}
