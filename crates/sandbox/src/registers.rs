//! The registers of a stopped process: which call it makes, what came of it.

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

/// A system call that is about to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) number: i64,
    pub(crate) arguments: [u64; 6],
}

/// The call that a process stands at.
#[cfg(target_arch = "x86_64")]
pub(crate) fn call(pid: Pid) -> Result<Call, Errno> {
    let registers = ptrace::getregs(pid)?;
    let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9];
    Ok(Call { number: registers.orig_rax.cast_signed(), arguments })
}

/// What came of the call that a process returns from.
#[cfg(target_arch = "x86_64")]
pub(crate) fn result(pid: Pid) -> Result<i64, Errno> {
    ptrace::getregs(pid).map(|registers| registers.rax.cast_signed())
}

/// Lets the call that the kernel did not make return `EPERM`.
#[cfg(target_arch = "x86_64")]
pub(crate) fn refuse(pid: Pid) -> Result<(), Errno> {
    let mut registers = ptrace::getregs(pid)?;
    registers.rax = (-i64::from(nix::libc::EPERM)).cast_unsigned();
    // No call is under way any more, so none is begun again.
    registers.orig_rax = u64::MAX;
    ptrace::setregs(pid, registers)
}

/// The call that a process stands at.
#[cfg(target_arch = "aarch64")]
pub(crate) fn call(pid: Pid) -> Result<Call, Errno> {
    let [x0, x1, x2, x3, x4, x5, _, _, number, ..] = ptrace::getregs(pid)?.regs;
    Ok(Call { number: number.cast_signed(), arguments: [x0, x1, x2, x3, x4, x5] })
}

/// What came of the call that a process returns from.
#[cfg(target_arch = "aarch64")]
pub(crate) fn result(pid: Pid) -> Result<i64, Errno> {
    let [x0, ..] = ptrace::getregs(pid)?.regs;
    Ok(x0.cast_signed())
}

/// Lets the call that the kernel did not make return `EPERM`.
#[cfg(target_arch = "aarch64")]
pub(crate) fn refuse(pid: Pid) -> Result<(), Errno> {
    let mut registers = ptrace::getregs(pid)?;
    let [x0, ..] = &mut registers.regs;
    *x0 = (-i64::from(nix::libc::EPERM)).cast_unsigned();
    ptrace::setregs(pid, registers)
}
