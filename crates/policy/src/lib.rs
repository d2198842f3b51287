//! Cedar decisions over delegation chains, with duties, challenges and explanations; pure.
