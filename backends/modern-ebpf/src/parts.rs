//! Putting the parts of a source together: the probe, fit for this kernel and verified, the rings, and
//! the maps that programs and this process share. Nothing is attached at the end of it.

use std::os::fd::AsFd;
use std::panic;
use std::path::Path;
use std::thread;

use crate::clock::Clock;
use crate::coverage::{Attachment, Coverage, Status};
use crate::host::Host;
use crate::kernel_btf::{self, Cut, Types};
use crate::load::{self, Programs};
use crate::object::{self, Maps, Probe, Sizes};
use crate::plan::{self, Plan};
use crate::ring::Ring;
use crate::shared::Settings;
use crate::sys::{self, Map};
use crate::{AttachMode, EbpfError, Options};

static TRACEPOINT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/probe.tracepoint.o"));
static PER_SYSCALL: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/probe.per_syscall.o"));

/// All that a source is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) programs: Programs,
    pub(crate) coverage: Coverage,
    pub(crate) rings: Vec<Ring>,
    pub(crate) maps: Maps,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    /// CPUs that there can be.
    pub(crate) cpus: u32,
}

impl Parts {
    pub(crate) fn new(options: &Options) -> Result<Self, EbpfError> {
        let host = Host::inspect();
        host.check()?;
        sys::raise_memlock();
        let functions = plan::functions(&options.syscalls);
        // Reading the kernel's types and the probe take about as long as each other. That it is the
        // probe for the tracepoint is a guess that is right on most hosts.
        let (kernel, probe) = thread::scope(|scope| {
            let kernel = scope.spawn(|| kernel(options.attach, &functions));
            let probe = Probe::parse(TRACEPOINT);
            (kernel.join(), probe)
        });
        let (kernel, (attachment, mut no_per_syscall)) =
            kernel.unwrap_or_else(|panic| panic::resume_unwind(panic))?;
        if attachment == Attachment::PerSyscall {
            let probe = Probe::parse(PER_SYSCALL)?;
            let cut = cut(&kernel, &probe, &functions)?;
            let parts = Parts::of(probe, (attachment, None), options, &cut, &host)?;
            let is_refused = |status: &Status| matches!(status, Status::Refused(_));
            let refused = parts.coverage.calls.iter().find(|call| is_refused(&call.status));
            match refused.and_then(|call| call.status.refusal()) {
                // What one way cannot see, the other may.
                Some(refusal) if options.attach == AttachMode::Auto => {
                    no_per_syscall = Some(refusal.to_string());
                }
                _ => return Ok(parts),
            }
        }
        let attachment = (Attachment::SysExit, no_per_syscall);
        let probe = probe?;
        let cut = cut(&kernel, &probe, &functions)?;
        // They are several MiB, and rings come next.
        drop(kernel);
        Parts::of(probe, attachment, options, &cut, &host)
    }

    fn of(
        mut probe: Probe,
        (attachment, no_per_syscall): (Attachment, Option<String>),
        options: &Options,
        kernel: &Cut,
        host: &Host,
    ) -> Result<Self, EbpfError> {
        let plan = Plan::new(
            &options.syscalls,
            attachment,
            |program| probe.has(program),
            |function| kernel.function(function).is_some(),
        );
        let cpus = sys::possible_cpus().map_err(|error| EbpfError::map("counters", error))? as u32;
        let sizes = Sizes {
            cpus,
            ring: ring_bytes(options.buffer_bytes),
            lifecycle: ring_bytes((options.buffer_bytes / 4).max(1 << 20)),
        };
        let is_planned = |name: &str| plan.steps.iter().any(|step| step.program == name);
        let maps =
            probe.relocate(kernel, &sizes, is_planned).map_err(|error| error.explained(host))?;
        let clock = Clock::new();
        let settings = Settings {
            clock_offset_ns: clock.offset_ns(),
            snaplen: options.snaplen,
            drop_failed_exit: options.drop_failed_exit,
            ignored_pid: 0,
        };
        write_settings(&maps, &settings)?;
        for (number, value) in (0..).zip(&plan.wanted) {
            if *value != 0 {
                set(&maps, "wanted", number, &[*value])?;
            }
        }
        // Both take milliseconds in the kernel, and neither needs the other.
        let (rings, programs) = thread::scope(|scope| {
            let rings = scope.spawn(|| rings(&maps, &sizes, options.cpus_per_buffer));
            let programs = Programs::load(plan, &probe, kernel, &maps);
            (rings.join(), programs)
        });
        let rings = rings.unwrap_or_else(|panic| panic::resume_unwind(panic))?;
        let programs =
            programs.map_err(|(refusal, error)| host.explain(&refusal.to_string(), &error))?;
        let coverage = programs.coverage(attachment, no_per_syscall);
        Ok(Parts { programs, coverage, rings, maps, clock, settings, cpus })
    }
}

/// The kernel's types, and how to attach to this kernel, with the reason.
fn kernel(
    mode: AttachMode,
    functions: &[String],
) -> Result<(Types, (Attachment, Option<String>)), EbpfError> {
    let kernel = Types::of_kernel(Path::new(kernel_btf::PATH)).map_err(EbpfError::Kernel)?;
    let attachment = load::attachment(mode, &kernel, functions)?;
    Ok((kernel, attachment))
}

/// What the probe needs of the kernel's types.
fn cut(kernel: &Types, probe: &Probe, functions: &[String]) -> Result<Cut, EbpfError> {
    let types = probe.types()?;
    let names = types.names().map_err(EbpfError::probe)?;
    let tracepoints = plan::tracepoints();
    let functions = functions.iter().map(String::as_str);
    kernel.cut(&names, tracepoints, functions).map_err(EbpfError::Kernel)
}

/// The rings of all CPUs, and that of births and deaths.
fn rings(maps: &Maps, sizes: &Sizes, per_ring: u16) -> Result<Vec<Ring>, EbpfError> {
    let (cpus, bytes) = (sizes.cpus, sizes.ring);
    let refused = |error| EbpfError::rings(bytes, error);
    let map = |name: &str| {
        maps.get(name).ok_or_else(|| EbpfError::probe(format!("it has no map `{name}`")))
    };
    let online = sys::online_cpus().map_err(refused)?;
    let per_ring = if per_ring == 0 { online.len() } else { per_ring.into() };
    let mut made: Vec<(&[u32], Map)> = Vec::new();
    let mut rings = Vec::new();
    for cpus in online.chunks(per_ring.max(1)) {
        let map = object::create_ring(bytes).map_err(refused)?;
        let first = cpus.first().copied().unwrap_or_default();
        rings.push(Ring::new(map.as_fd(), bytes, first as u16).map_err(refused)?);
        made.push((cpus, map));
    }
    let of_cpu = |cpu: u32| {
        let own = made.iter().find(|(cpus, _)| cpus.contains(&cpu));
        // A CPU that comes online later shares a ring.
        let ring = own.or_else(|| made.get(cpu as usize % made.len().max(1)));
        ring.map(|(_, map)| map.as_fd())
    };
    let by_cpu: Vec<_> = (0..cpus).filter_map(of_cpu).collect();
    map("rings")?.set_fds(&by_cpu).map_err(refused)?;
    let lifecycle = map("lifecycle")?;
    rings.push(Ring::new(lifecycle.as_fd(), lifecycle.max_entries(), 0).map_err(refused)?);
    Ok(rings)
}

/// Tells the programs what they go by.
pub(crate) fn write_settings(maps: &Maps, settings: &Settings) -> Result<(), EbpfError> {
    set(maps, "settings", 0, &settings.to_bytes())
}

fn set(maps: &Maps, name: &str, index: u32, value: &[u8]) -> Result<(), EbpfError> {
    let map = maps.get(name).ok_or_else(|| EbpfError::probe(format!("it has no map `{name}`")))?;
    map.set(index, value).map_err(|error| EbpfError::map(name, error))
}

/// The size that the kernel can give to a ring: a power of two of pages.
fn ring_bytes(wanted: u64) -> u32 {
    let most = 1 << 30;
    let wanted = wanted.clamp(sys::page_size() as u64, most).next_power_of_two();
    wanted as u32
}
