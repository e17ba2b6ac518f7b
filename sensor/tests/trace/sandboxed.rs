//! Inside a sandbox of gVisor, as Cloud Run has them: its kernel knows ptrace(2), but not all of it, and
//! stops in another order than Linux.

use std::process::Command;

use crate::actor::is_installed;
use crate::builds::Build;
use crate::confined::{DEED, RULES, is_told};
use crate::ignored;
use crate::nobody::{Nobody, run};

/// Builds and platforms of runsc.
const BUILDS: [&str; 2] = ["2022-ptrace", "2024-systrap"];

#[test]
fn alerts_are_the_same_in_a_sandbox() {
    if !rustix::process::geteuid().is_root() || !is_installed("busybox") {
        return ignored("falco trace in gVisor", "it needs root, for runsc, and busybox");
    }
    let nobody = Nobody::myself();
    let rules = nobody.file("rules.yaml", RULES);
    for build in BUILDS {
        let Build { program, platform } = match Build::get(build) {
            Ok(build) => build,
            Err(why) => {
                ignored(&format!("falco trace in gVisor ({build})"), &why);
                continue;
            }
        };
        let mut runsc = Command::new("timeout");
        runsc.args(["-s", "KILL", "60"]).arg(program).arg(format!("--platform={platform}"));
        runsc.args(["--network=none", "--ignore-cgroups", "do", "--"]).arg(nobody.falco());
        runsc.args(["trace", "-v", "-r"]).arg(&rules).args(["--", "sh", "-c", DEED]);
        let done = run(&mut runsc);
        assert!(done.stderr.contains("a filter in the kernel chose"), "{build}: {done:#?}");
        // Nothing says which container it is, but that it is one.
        assert!(is_told(done).contains(" unknown root root "), "{build}");
    }
}
