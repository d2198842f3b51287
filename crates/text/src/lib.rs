//! Strict JSON documents with byte spans, and byte-span splices over them.
