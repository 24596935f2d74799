//! The mutations of the reader of deliveries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wamedia_core::{
    Authenticity, Delivery, Error, ErrorKind, Handshake, Inbound, InboundItem, MediaId, MediaKind,
    ReceiveOptions, Received, Result, Role, WebhookCapabilities, Webhooks,
};

use super::Mutation;
use super::Mutation as M;

/// The real reader and its mutation.
#[derive(Debug)]
pub(crate) struct MutatedWebhooks {
    inner: Arc<dyn Webhooks>,
    mutation: Mutation,
}

impl MutatedWebhooks {
    pub(crate) fn new(inner: Arc<dyn Webhooks>, mutation: Mutation) -> Self {
        Self { inner, mutation }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == mutation
    }

    fn inbound(&self, mut inbound: Inbound) -> Result<Inbound> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let is_media = |item: &InboundItem| matches!(item, InboundItem::Media(_));
        let items = &mut inbound.items;
        match self.mutation {
            M::KeepsOneItem => {
                let mut seen = false;
                items.retain(|item| !is_media(item) || !std::mem::replace(&mut seen, true));
            }
            M::DropsTheRest => items.retain(|item| !matches!(item, InboundItem::Other(_))),
            M::DropsFailedItems => items.retain(|item| !matches!(item, InboundItem::Failed(_))),
            M::LooksAtTheTopOnly => {
                items.retain(|item| !matches!(item, InboundItem::Media(item) if item.role != Role::Main));
            }
            M::RefusesUnknownTypes if items.iter().any(|item| matches!(item, InboundItem::Other(_))) => {
                return Err(Error::new(ErrorKind::Decode, "unknown type"));
            }
            M::MistakesKinds | M::MakesUpIds => {
                for item in items {
                    let InboundItem::Media(item) = item else { continue };
                    if self.is(M::MistakesKinds) {
                        item.kind = MediaKind::Document;
                    } else {
                        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
                        item.media.id = MediaId::new(format!("made-up-{number}")).ok();
                    }
                }
            }
            _ => {}
        }
        Ok(inbound)
    }
}

impl Webhooks for MutatedWebhooks {
    fn provider(&self) -> &'static str {
        self.inner.provider()
    }

    fn capabilities(&self) -> &WebhookCapabilities {
        self.inner.capabilities()
    }

    fn verify(&self, delivery: &Delivery<'_>) -> Authenticity {
        match (self.mutation, self.inner.verify(delivery)) {
            (M::BelievesEverybody, _) | (M::CallsUnsignedVerified, Authenticity::NotConfigured) => {
                Authenticity::Verified
            }
            (M::BelievesNobody, Authenticity::Verified) => Authenticity::Invalid("nobody is believed"),
            (_, outcome) => outcome,
        }
    }

    fn parse(&self, delivery: &Delivery<'_>) -> Result<Inbound> {
        match self.inner.parse(delivery) {
            Ok(inbound) => self.inbound(inbound),
            Err(error) if self.is(M::PanicsOnDeliveries) => panic!("cannot happen: {:?}", error.kind()),
            Err(error) => Err(error),
        }
    }

    fn handshake(&self, query: &str) -> Handshake {
        match self.inner.handshake(query) {
            Handshake::NotOffered => Handshake::NotOffered,
            _ if self.is(M::WelcomesEverybody) => Handshake::Accepted("1158201444".to_owned()),
            answer => answer,
        }
    }

    fn receive(&self, delivery: &Delivery<'_>, options: ReceiveOptions) -> Result<Received> {
        self.inner.receive(delivery, options)
    }
}
