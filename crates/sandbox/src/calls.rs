//! Seccomp: which system calls a program has.
//!
//! Three filters, of which the kernel takes the strictest answer. The first knows what is allowed, and says of everything else that
//! it does not exist: calls that are newer than this list, and those of another architecture's numbering. The second refuses. The
//! third lets a watcher see what comes of calls with paths; it refuses nothing.

use std::collections::BTreeMap;

use config::Layer;
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    apply_filter,
};

use crate::SandboxError;
use crate::plan::{Plan, Watch};
use crate::syscalls::{ALLOWED, ALLOWED_OLD, OF_PATHS, OF_PATHS_OLD, REFUSED, REFUSED_OLD};

/// Flags of `clone` that make a namespace: mounts, control groups, names, shared memory, users, processes, network.
const NEW_NAMESPACES: [u64; 7] = [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
/// Kinds of sockets that can be sent to somebody else than the other end of a pair.
const UNCONNECTED: [u64; 3] = [2, 3, 4];
/// `AF_UNIX`
const UNIX: u64 = 1;
/// Requests of `ioctl` that type into a terminal, as if its user did.
const TYPES: [u64; 2] = [0x5412, 0x541c];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Puts the filters on this thread and all that it starts.
pub(crate) fn filter(plan: &Plan) -> Result<(), SandboxError> {
    if !plan.has(Layer::Seccomp) {
        return Ok(());
    }
    let failed = |why: String| SandboxError::Layer { layer: Layer::Seccomp, why };
    for program in programs(plan.watches).map_err(|error| failed(error.to_string()))? {
        apply_filter(&program).map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

fn programs(watches: Watch) -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
    let architecture: TargetArch = std::env::consts::ARCH.try_into()?;
    let made = |rules: Rules, otherwise, matched| {
        SeccompFilter::new(rules, otherwise, matched, architecture).and_then(BpfProgram::try_from)
    };
    let (allow, trap, refuse) = (SeccompAction::Allow, SeccompAction::Trap, SeccompAction::Errno(errno(libc::EPERM)));
    // With nobody who watches, a trap would end the program.
    let refuse = if watches == Watch::None { refuse } else { trap };
    let whole = |list: &[(&str, i64)]| list.iter().map(|(_, number)| (*number, Vec::new())).collect::<Rules>();
    let mut known = whole(ALLOWED);
    known.extend(whole(ALLOWED_OLD));
    known.extend(whole(REFUSED));
    known.extend(whole(REFUSED_OLD));
    let mut refused = whole(REFUSED);
    refused.extend(whole(REFUSED_OLD));
    refused.extend(conditional()?);
    let mut programs =
        vec![made(known, SeccompAction::Errno(errno(libc::ENOSYS)), allow.clone())?, made(refused, allow.clone(), refuse)?];
    if watches == Watch::All {
        let paths = OF_PATHS.iter().chain(OF_PATHS_OLD).map(|(_, number, _)| (*number, Vec::new())).collect();
        programs.push(made(paths, allow, SeccompAction::Trace(0))?);
    }
    Ok(programs)
}

fn errno(number: i32) -> u32 {
    number.unsigned_abs()
}

/// Calls that are refused with some arguments.
fn conditional() -> Result<Rules, seccompiler::BackendError> {
    let half = SeccompCmpArgLen::Dword;
    let one = |argument, operator, value| SeccompRule::new(vec![SeccompCondition::new(argument, half.clone(), operator, value)?]);
    let mut rules = Rules::new();
    let spaces = NEW_NAMESPACES.into_iter().map(|flag| one(0, SeccompCmpOp::MaskedEq(flag), flag));
    rules.insert(libc::SYS_clone, spaces.collect::<Result<_, _>>()?);
    let mut pairs = vec![one(0, SeccompCmpOp::Ne, UNIX)?];
    for kind in UNCONNECTED {
        pairs.push(one(1, SeccompCmpOp::MaskedEq(0xf), kind)?);
    }
    rules.insert(libc::SYS_socketpair, pairs);
    let typing = TYPES.into_iter().map(|request| one(1, SeccompCmpOp::Eq, request));
    rules.insert(libc::SYS_ioctl, typing.collect::<Result<_, _>>()?);
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::{Watch, programs};

    #[test]
    fn the_kernel_takes_programs_of_this_length() {
        for (watches, n) in [(Watch::All, 3), (Watch::Calls, 2), (Watch::None, 2)] {
            let programs = programs(watches).unwrap();
            assert_eq!(programs.len(), n);
            assert!(programs.iter().all(|program| program.len() < 4096));
        }
    }
}
