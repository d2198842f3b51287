//! portcullis.yaml: raw file types, checked types, JSON Schema.
