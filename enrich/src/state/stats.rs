//! [`StateStats`]: counters of the tables, under the names of Falco's metrics.

/// Counters since the start; `n_threads` and `n_fds` are what is there now.
///
/// Fds are looked up without a cache, so `n_cached_fd_lookups` stays 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of the metrics
pub struct StateStats {
    pub n_threads: u64,
    pub n_fds: u64,
    pub n_noncached_fd_lookups: u64,
    pub n_cached_fd_lookups: u64,
    pub n_failed_fd_lookups: u64,
    pub n_added_fds: u64,
    pub n_removed_fds: u64,
    pub n_stored_evts: u64,
    pub n_store_evts_drops: u64,
    pub n_retrieved_evts: u64,
    pub n_retrieve_evts_drops: u64,
    pub n_noncached_thread_lookups: u64,
    pub n_cached_thread_lookups: u64,
    pub n_failed_thread_lookups: u64,
    pub n_added_threads: u64,
    pub n_removed_threads: u64,
    pub n_drops_full_threadtable: u64,
    /// Fds dropped because a process had too many (ours; Falco drops them silently).
    pub n_drops_full_fdtable: u64,
    /// Bytes that the tables hold now, as counted for [`super::Limits::max_bytes`].
    pub n_bytes: u64,
    /// Fds and threads dropped because the tables held too many bytes.
    pub n_drops_full_memory: u64,
    /// Placeholders evicted to make room.
    pub n_evicted_threads: u64,
    /// Records that lost their long texts because the tables held too many bytes.
    pub n_cut_records: u64,
    /// Threads and fds that the host was asked about and told of.
    pub n_host_lookups_found: u64,
    /// Threads and fds that the host was asked about in vain.
    pub n_host_lookups_failed: u64,
    /// Threads and fds that the host was not asked about, since it had been asked too much of late.
    pub n_host_lookups_refused: u64,
    /// Time that all this took, in nanoseconds.
    pub host_lookup_ns: u64,
    /// Threads removed though no event told of their exit: it was lost.
    pub n_purged_threads: u64,
}
