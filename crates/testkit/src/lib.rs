//! Scripted world, fixed-reply upstreams and clocks for tests.
