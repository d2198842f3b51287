//! Labels and the grow-only ledger; pure.
