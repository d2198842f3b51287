//! Entry format, Merkle tree, checkpoints, proofs and their verifier; pure.
