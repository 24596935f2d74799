//! Every provider's media API on loopback, stateful, with fault switches.
