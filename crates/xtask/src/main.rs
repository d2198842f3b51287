//! Project commands: test, check, bench, layers, sizes, schema.
fn main() {}
