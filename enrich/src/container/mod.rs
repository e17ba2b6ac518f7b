//! Containers: which one a thread's cgroups name ([`find`]), and what is known of it
//! ([`Containers`]).

mod cgroups;
mod info;
mod table;

pub(crate) use cgroups::{container_id, container_id_of};
pub use cgroups::{find, in_path};
pub use info::{ContainerInfo, Labels, Mount};
pub use table::Containers;
