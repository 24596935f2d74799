#![doc = include_str!("../README.md")]

mod config;

pub use wamedia_core::*;
pub use wamedia_provider::{Net, SystemClock, TransportOptions};
pub use wamedia_transfer::{
    Begin, BeginContext, Destination, Difference, Downloaded, Event, Fetched, File, Finished, Folder,
    FolderEntry, Hasher, IfExists, Job, ManyOptions, Memory, Observer, OffloadLimit, OnMismatch, ProviderExt,
    Receipt, Sequential, Target, Transfer, TransferOptions, Verified, remove_stale_partials, safe_name,
    sniff, transfer_many,
};

pub use config::{Config, PROVIDERS, ProviderInfo, Setting, nearest_name, provider, webhooks};

#[cfg(feature = "chakra")]
pub use wamedia_chakra as chakra;
#[cfg(feature = "meta")]
pub use wamedia_meta as meta;
#[cfg(feature = "nxcloud")]
pub use wamedia_nxcloud as nxcloud;
#[cfg(feature = "preflight")]
pub use wamedia_preflight as preflight;
#[cfg(feature = "whapi")]
pub use wamedia_whapi as whapi;
