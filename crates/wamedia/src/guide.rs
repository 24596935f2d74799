//! The guide: one page for each question. The code on the pages is compiled, and much of it runs.

#[doc = include_str!("../docs/first-steps.md")]
pub mod first_steps {}

#[doc = include_str!("../docs/webhooks.md")]
pub mod webhooks {}

#[doc = include_str!("../docs/storing.md")]
pub mod storing {}

#[doc = include_str!("../docs/many.md")]
pub mod many {}

#[doc = include_str!("../docs/scaling-out.md")]
pub mod scaling_out {}

#[doc = include_str!("../docs/errors.md")]
pub mod errors {}

#[doc = include_str!("../docs/retries.md")]
pub mod retries {}

#[doc = include_str!("../docs/security.md")]
pub mod security {}

#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/providers.md")]
pub mod providers {}

#[doc = include_str!("../docs/adding-a-provider.md")]
pub mod adding_a_provider {}

#[doc = include_str!("../docs/conformance.md")]
pub mod conformance {}

#[doc = include_str!("../docs/performance.md")]
pub mod performance {}

#[doc = include_str!("../docs/coming-from.md")]
pub mod coming_from {}
