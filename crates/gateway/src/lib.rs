//! HTTP adapters: model APIs in, upstreams out, administration.
