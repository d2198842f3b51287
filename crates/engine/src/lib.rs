//! The path of one interaction, over ports.
