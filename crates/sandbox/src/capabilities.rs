//! Takes away what a user can do beyond files.

use rustix::io::Errno;
use rustix::thread::{self, CapabilitySet, CapabilitySets};

/// Highest number of a capability that is tried; kernels know 41 of them.
const LAST: u32 = 63;

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
