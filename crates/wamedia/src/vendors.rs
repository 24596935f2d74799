//! The vendors of the enabled features: for each its settings, and how they reach its builders.

use std::sync::Arc;

use crate::factory::ProviderFactory;

/// The built-in vendors, in the order of every table.
pub(crate) fn all() -> Vec<Arc<dyn ProviderFactory>> {
    vec![
        #[cfg(feature = "meta")]
        Arc::new(meta::Meta),
        #[cfg(feature = "chakra")]
        Arc::new(chakra::Chakra),
        #[cfg(feature = "whapi")]
        Arc::new(whapi::Whapi),
        #[cfg(feature = "nxcloud")]
        Arc::new(nxcloud::NxCloud),
        #[cfg(feature = "360dialog")]
        Arc::new(dialog360::Dialog),
        #[cfg(feature = "twilio")]
        Arc::new(twilio::Twilio),
    ]
}

#[cfg(any(
    feature = "meta",
    feature = "chakra",
    feature = "whapi",
    feature = "nxcloud",
    feature = "360dialog",
    feature = "twilio"
))]
mod prelude {
    pub(super) use std::sync::Arc;

    #[cfg(feature = "client")]
    pub(super) use wamedia_core::{Provider, Secret};
    pub(super) use wamedia_core::{Result, Webhooks};

    pub(super) use crate::config::Config;
    pub(super) use crate::factory::{ProviderFactory, ProviderInfo, Setting};

    /// A builder names every problem at once, a blank credential among them.
    #[cfg(feature = "client")]
    pub(super) fn required(config: &Config, key: &str) -> Secret {
        config.secret(key).cloned().unwrap_or_else(|| Secret::new(""))
    }

    /// Calls a setter of a builder where there is a value: every builder has consuming setters.
    macro_rules! set {
        ($builder:ident.$setter:ident($value:expr)) => {
            if let Some(value) = $value {
                $builder = $builder.$setter(value);
            }
        };
    }

    /// Sets what every provider has.
    #[cfg(feature = "client")]
    macro_rules! common {
        ($builder:ident, $config:ident) => {
            $builder = $builder.transport($config.transport.clone());
            set!($builder.base_url(&$config.base_url));
            for origin in &$config.content_origins {
                $builder = $builder.content_origin(origin);
            }
        };
    }

    #[cfg(feature = "client")]
    pub(super) use common;
    pub(super) use set;
}

#[cfg(feature = "meta")]
mod meta {
    #[cfg(feature = "client")]
    use wamedia_meta::MetaCloud;
    use wamedia_meta::MetaWebhooks;

    use super::prelude::*;

    #[derive(Debug)]
    pub(super) struct Meta;

    impl ProviderFactory for Meta {
        fn info(&self) -> ProviderInfo {
            const SETTINGS: &[Setting] = &[
                Setting::new("token").required().secret(),
                Setting::new("phone_number_id"),
                Setting::new("app_secret").secret(),
                Setting::new("verify_token").secret(),
                Setting::new("api_version"),
            ];
            ProviderInfo::new("meta", "WhatsApp Cloud API (Meta)", SETTINGS)
                .with_base_url(wamedia_meta::BASE_URL)
        }

        #[cfg(feature = "client")]
        fn provider(&self, config: &Config) -> Result<Arc<dyn Provider>> {
            let mut builder = MetaCloud::builder(required(config, "token"));
            common!(builder, config);
            set!(builder.api_version(config.text("api_version")));
            set!(builder.phone_number_id(config.text("phone_number_id")));
            Ok(Arc::new(builder.build()?))
        }

        fn webhooks(&self, config: &Config) -> Result<Arc<dyn Webhooks>> {
            let mut builder = MetaWebhooks::builder();
            set!(builder.secret(config.secret("app_secret").cloned()));
            set!(builder.verify_token(config.secret("verify_token").cloned()));
            set!(builder.max_bytes(config.webhook_max_bytes));
            Ok(Arc::new(builder.build()?))
        }
    }
}

#[cfg(feature = "chakra")]
mod chakra {
    #[cfg(feature = "client")]
    use wamedia_chakra::ChakraHq;
    use wamedia_chakra::ChakraWebhooks;

    use super::prelude::*;

    #[derive(Debug)]
    pub(super) struct Chakra;

    impl ProviderFactory for Chakra {
        fn info(&self) -> ProviderInfo {
            const SETTINGS: &[Setting] = &[
                Setting::new("token").required().secret(),
                Setting::new("plugin_id"),
                Setting::new("phone_number_id"),
                Setting::new("webhook_secret").secret(),
                Setting::new("api_version"),
            ];
            ProviderInfo::new("chakra", "ChakraHQ", SETTINGS).with_base_url(wamedia_chakra::BASE_URL)
        }

        #[cfg(feature = "client")]
        fn provider(&self, config: &Config) -> Result<Arc<dyn Provider>> {
            let mut builder = ChakraHq::builder(required(config, "token"));
            common!(builder, config);
            set!(builder.api_version(config.text("api_version")));
            set!(builder.plugin_id(config.text("plugin_id")));
            Ok(Arc::new(builder.build()?))
        }

        fn webhooks(&self, config: &Config) -> Result<Arc<dyn Webhooks>> {
            let mut builder = ChakraWebhooks::builder();
            set!(builder.secret(config.secret("webhook_secret").cloned()));
            set!(builder.phone_number_id(config.text("phone_number_id")));
            set!(builder.max_bytes(config.webhook_max_bytes));
            Ok(Arc::new(builder.build()?))
        }
    }
}

#[cfg(feature = "whapi")]
mod whapi {
    use wamedia_core::{Error, ErrorKind, Phase, Secret};
    #[cfg(feature = "client")]
    use wamedia_whapi::WhapiCloud;
    use wamedia_whapi::WhapiWebhooks;

    use super::prelude::*;

    #[derive(Debug)]
    pub(super) struct Whapi;

    impl ProviderFactory for Whapi {
        fn info(&self) -> ProviderInfo {
            const SETTINGS: &[Setting] =
                &[Setting::new("token").required().secret(), Setting::new("webhook_header").secret()];
            ProviderInfo::new("whapi", "Whapi.Cloud", SETTINGS).with_base_url(wamedia_whapi::BASE_URL)
        }

        #[cfg(feature = "client")]
        fn provider(&self, config: &Config) -> Result<Arc<dyn Provider>> {
            let mut builder = WhapiCloud::builder(required(config, "token"));
            common!(builder, config);
            Ok(Arc::new(builder.build()?))
        }

        fn webhooks(&self, config: &Config) -> Result<Arc<dyn Webhooks>> {
            let mut builder = WhapiWebhooks::builder();
            if let Some(header) = config.text("webhook_header") {
                let (name, value) = header.split_once(':').ok_or_else(|| {
                    Error::new(ErrorKind::InvalidRequest, "webhook_header must be written as `Name: value`")
                        .with_provider("whapi")
                        .with_phase(Phase::Prepare)
                })?;
                builder = builder.header(name.trim(), Secret::new(value.trim()));
            }
            set!(builder.max_bytes(config.webhook_max_bytes));
            Ok(Arc::new(builder.build()?))
        }
    }
}

#[cfg(feature = "nxcloud")]
mod nxcloud {
    use wamedia_core::{Error, ErrorKind};
    #[cfg(feature = "client")]
    use wamedia_nxcloud::NxCloud as Client;
    use wamedia_nxcloud::NxCloudWebhooks;

    use super::prelude::*;

    #[derive(Debug)]
    pub(super) struct NxCloud;

    impl ProviderFactory for NxCloud {
        fn info(&self) -> ProviderInfo {
            const SETTINGS: &[Setting] = &[
                Setting::new("access_key").required().secret(),
                Setting::new("access_secret").required().secret(),
                Setting::new("business_phone").required().secret(),
                Setting::new("webhook_digest"),
            ];
            ProviderInfo::new("nxcloud", "NXCloud", SETTINGS).with_base_url(wamedia_nxcloud::BASE_URL)
        }

        #[cfg(feature = "client")]
        fn provider(&self, config: &Config) -> Result<Arc<dyn Provider>> {
            let mut builder =
                Client::builder(required(config, "access_key"), required(config, "access_secret"));
            common!(builder, config);
            set!(builder.business_phone(config.text("business_phone")));
            Ok(Arc::new(builder.build()?))
        }

        fn webhooks(&self, config: &Config) -> Result<Arc<dyn Webhooks>> {
            let mut builder = NxCloudWebhooks::builder();
            set!(builder.secret(config.secret("access_secret").cloned()));
            set!(builder.max_bytes(config.webhook_max_bytes));
            // The vendor signs by MD5 unless the account is set to SHA-256; then MD5 would be a step back.
            match config.text("webhook_digest") {
                None | Some("any") => {}
                Some("sha256") => builder = builder.sha256_only(true),
                Some(_) => {
                    let why = "webhook_digest must be `sha256`, which refuses MD5, or `any`";
                    return Err(Error::new(ErrorKind::InvalidRequest, why).with_provider("nxcloud"));
                }
            }
            Ok(Arc::new(builder.build()?))
        }
    }
}

#[cfg(feature = "360dialog")]
mod dialog360 {
    #[cfg(feature = "client")]
    use wamedia_360dialog::Dialog360;
    use wamedia_360dialog::Dialog360Webhooks;

    use super::prelude::*;

    #[derive(Debug)]
    pub(super) struct Dialog;

    impl ProviderFactory for Dialog {
        fn info(&self) -> ProviderInfo {
            const SETTINGS: &[Setting] = &[Setting::new("api_key").required().secret()];
            ProviderInfo::new("360dialog", "360dialog", SETTINGS).with_base_url(wamedia_360dialog::BASE_URL)
        }

        #[cfg(feature = "client")]
        fn provider(&self, config: &Config) -> Result<Arc<dyn Provider>> {
            let mut builder = Dialog360::builder(required(config, "api_key"));
            common!(builder, config);
            Ok(Arc::new(builder.build()?))
        }

        fn webhooks(&self, config: &Config) -> Result<Arc<dyn Webhooks>> {
            let mut webhooks = Dialog360Webhooks::default();
            set!(webhooks.with_max_bytes(config.webhook_max_bytes));
            Ok(Arc::new(webhooks))
        }
    }
}

#[cfg(feature = "twilio")]
mod twilio {
    #[cfg(feature = "client")]
    use wamedia_core::{Error, ErrorKind, Phase};
    #[cfg(feature = "client")]
    use wamedia_twilio::TwilioMedia;
    use wamedia_twilio::TwilioWebhooks;

    use super::prelude::*;

    #[derive(Debug)]
    pub(super) struct Twilio;

    impl ProviderFactory for Twilio {
        fn info(&self) -> ProviderInfo {
            const SETTINGS: &[Setting] = &[
                Setting::new("account_sid").required(),
                Setting::new("auth_token").required().secret(),
                Setting::new("api_key"),
                Setting::new("api_key_secret").secret(),
                Setting::new("public_url"),
            ];
            ProviderInfo::new("twilio", "Twilio Programmable Messaging", SETTINGS)
                .with_base_url(wamedia_twilio::BASE_URL)
        }

        #[cfg(feature = "client")]
        fn provider(&self, config: &Config) -> Result<Arc<dyn Provider>> {
            let account = config.text("account_sid").unwrap_or_default();
            let mut builder = TwilioMedia::builder(account, required(config, "auth_token"));
            common!(builder, config);
            match (config.text("api_key"), config.secret("api_key_secret")) {
                (Some(key), Some(secret)) => builder = builder.api_key(key, secret.clone()),
                (None, None) => {}
                _ => {
                    let why = "api_key and api_key_secret belong together";
                    return Err(Error::new(ErrorKind::InvalidRequest, why)
                        .with_provider("twilio")
                        .with_phase(Phase::Prepare));
                }
            }
            Ok(Arc::new(builder.build()?))
        }

        fn webhooks(&self, config: &Config) -> Result<Arc<dyn Webhooks>> {
            let mut builder = TwilioWebhooks::builder();
            set!(builder.auth_token(config.secret("auth_token").cloned()));
            set!(builder.public_url(config.text("public_url")));
            set!(builder.max_bytes(config.webhook_max_bytes));
            Ok(Arc::new(builder.build()?))
        }
    }
}
