use async_trait::async_trait;
use wamedia_core::{
    Capabilities, Error, ErrorKind, MediaDescriptor, MediaRef, MediaStream, OpenOptions, Phase, Provider,
    ResolveOptions, Result, Secret, Source, UploadContent, UploadOptions, Uploaded,
};
use wamedia_provider::{Call, Http, Multipart, Reply};

use crate::config::{ChakraHqBuilder, FetchStyle, Settings};
use crate::{CAPABILITIES, NAME, wire};

/// ChakraHQ's WhatsApp media API.
#[derive(Clone, Debug)]
pub struct ChakraHq {
    pub(crate) settings: Settings,
    pub(crate) http: Http,
}

impl ChakraHq {
    /// Begins with the access token of an API key.
    pub fn builder(token: impl Into<Secret>) -> ChakraHqBuilder {
        ChakraHqBuilder::new(token.into())
    }
}

#[async_trait]
impl Provider for ChakraHq {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.settings.capabilities
    }

    async fn resolve(&self, media: &MediaRef, options: ResolveOptions) -> Result<MediaDescriptor> {
        if let Some(bytes) = media.inline.clone().filter(|_| !options.renew) {
            return Ok(MediaDescriptor::new(media.clone(), Source::Inline(bytes)));
        }
        let id = media.id_for(NAME)?;
        if self.settings.style == FetchStyle::Show {
            return Ok(MediaDescriptor::new(media.clone(), Source::Direct));
        }
        let call = Call::idempotent(NAME, "resolve", &options.budget, &self.settings.api_hosts);
        let build = |_| wire::resolve_request(&self.settings, id);
        self.http.call(call, build, |reply| wire::read_descriptor(media, reply)).await
    }

    async fn open(&self, media: &MediaDescriptor, options: OpenOptions) -> Result<MediaStream> {
        let link = match &media.source {
            Source::Inline(bytes) => return Ok(MediaStream::from_bytes(bytes.clone())),
            Source::Link(link) => Some(link),
            _ => None,
        };
        if link.is_some_and(|link| link.is_dead(self.http.now())) {
            return Err(refused(ErrorKind::Expired, "the link is past its time").with_operation("open"));
        }
        let declared = media.declared.clone().or(&media.media.declared);
        let call = Call::idempotent(NAME, "open", &options.budget, &self.settings.content_hosts);
        let build = |_| match link {
            Some(link) => wire::content_request(&self.settings, link),
            None => wire::show_request(&self.settings, media.media.id_for(NAME)?),
        };
        let judge = |reply: &Reply| wire::judge_content(reply, link.is_some());
        Ok(self.http.open(call, &declared, build, judge).await?.into_stream())
    }

    /// The result is a public link: anybody who has it can read the file. The vendor names no limits,
    /// no types and no lifetime.
    async fn upload(&self, content: UploadContent, options: UploadOptions) -> Result<Uploaded> {
        let Some(plugin) = &self.settings.plugin_id else {
            return Err(Error::unsupported("upload").with_provider(NAME).with_note("it needs a plugin id"));
        };
        CAPABILITIES.check_upload(&content).map_err(|error| error.with_provider(NAME))?;
        let form = Multipart::new().text("filename", &content.name);
        let mut form =
            Some(form.file("file", &content.name, &content.mime, content.body, content.size_bytes));
        let call = Call::once(NAME, "upload", &options.budget, &self.settings.api_hosts);
        let build = |_| match form.take() {
            Some(form) => wire::upload_request(&self.settings, plugin, form),
            None => Err(refused(ErrorKind::InvalidRequest, "an upload is sent once")),
        };
        Ok(Uploaded::from_link(self.http.call(call, build, wire::read_uploaded).await?))
    }
}

fn refused(kind: ErrorKind, why: &str) -> Error {
    Error::new(kind, why).with_provider(NAME).with_phase(Phase::Prepare)
}
