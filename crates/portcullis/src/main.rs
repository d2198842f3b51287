//! One gate in front of everything an AI system touches.
fn main() {}
