//! What `/proc` tells of this host: its threads, their open files, its accounts and interfaces.
