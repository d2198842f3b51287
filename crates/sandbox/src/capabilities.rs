//! Takes away what a user can do beyond files.

use rustix::io::Errno;
use rustix::thread::{self, CapabilitySet, CapabilitySets};

/// What process 1 needs until it gives everything up: to mount, and to give up for good.
const NEEDED: [CapabilitySet; 2] = [CapabilitySet::SYS_ADMIN, CapabilitySet::SETPCAP];
/// Highest number of a capability that is tried; kernels know 41 of them.
const LAST: u32 = 63;

/// Hands on over the start of the next program what process 1 needs: a user who is not root would lose it there. What is not there
/// is not handed on.
pub(crate) fn hand_on() -> Result<(), Errno> {
    let mut sets = thread::capabilities(None)?;
    for needed in NEEDED {
        sets.inheritable |= sets.permitted & needed;
    }
    thread::set_capabilities(None, sets)?;
    for needed in NEEDED.into_iter().filter(|needed| sets.inheritable.contains(*needed)) {
        thread::configure_capability_in_ambient_set(needed, true)?;
    }
    Ok(())
}

/// Drops every capability, for good: also a program that belongs to root gets none back.
pub(crate) fn drop_all() -> Result<(), Errno> {
    for number in 0..=LAST {
        match thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            // Beyond the last that this kernel knows, or no right to: then `no_new_privs` holds what is not there.
            Err(Errno::INVAL | Errno::PERM) => break,
            Err(errno) => return Err(errno),
        }
    }
    match thread::clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno),
    }
    let none = CapabilitySet::empty();
    thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}
