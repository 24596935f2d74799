//! The mutations: each breaks one rule of the engine.

/// A patch of the sources that breaks a rule.
pub(super) struct Mutation {
    pub(super) name: &'static str,
    /// What the engine does wrong.
    pub(super) what: &'static str,
    pub(super) file: &'static str,
    /// What the file has exactly once.
    pub(super) find: &'static str,
    /// The broken code that takes its place.
    pub(super) replace: &'static str,
}

const ATTEMPT: &str = "crates/wamedia-transfer/src/attempt.rs";
const CONTENT: &str = "crates/wamedia-transfer/src/content.rs";
const ENGINE: &str = "crates/wamedia-transfer/src/engine.rs";
const EXPECTED: &str = "crates/wamedia-transfer/src/expected.rs";
const STATE: &str = "crates/wamedia-transfer/src/state.rs";
const WRITER: &str = "crates/wamedia-transfer/src/writer.rs";
const FILE: &str = "crates/wamedia-transfer/src/destination/file.rs";
const FOLDER: &str = "crates/wamedia-transfer/src/destination/folder.rs";
const MANIFEST: &str = "crates/wamedia-transfer/src/destination/manifest.rs";
const PARTIAL: &str = "crates/wamedia-transfer/src/destination/partial.rs";

/// All mutations.
pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "HeldByteLost",
        what: "Drops the last byte of a beginning that was held back.",
        file: ATTEMPT,
        find: "        self.is_classified = true;
        Classification::Content(self.held.split().freeze())
    }

    /// The body has ended.",
        replace: "        self.is_classified = true;
        self.held.truncate(self.held.len() - 1);
        Classification::Content(self.held.split().freeze())
    }

    /// The body has ended.",
    },
    Mutation {
        name: "DeliveredUnjudged",
        what: "Delivers the first bytes before they are classified.",
        file: ATTEMPT,
        find: "BodyPrefix::new(self.writer.written() == 0, ",
        replace: "BodyPrefix::new(false, ",
    },
    Mutation {
        name: "PageAccepted",
        what: "Takes a page for content.",
        file: CONTENT,
        find: "let html = is_html(beginning, replied);",
        replace: "let html = false;",
    },
    Mutation {
        name: "TextAccepted",
        what: "Takes text for an image.",
        file: CONTENT,
        find: "(html || is_text(beginning))",
        replace: "html",
    },
    Mutation {
        name: "ChunksReordered",
        what: "Writes small chunks behind the large one that follows.",
        file: WRITER,
        find: "            self.close_small();
            self.batch.push(chunk);",
        replace: "            self.batch.push(chunk);",
    },
    Mutation {
        name: "WholeAppended",
        what: "Keeps the bytes so far when everything comes again.",
        file: ATTEMPT,
        find: "if written > 0 {",
        replace: "if false {",
    },
    Mutation {
        name: "RestartKeepsBytes",
        what: "Keeps the stored bytes when the content begins again.",
        file: WRITER,
        find: "if handed > 0 { self.destination.restart(",
        replace: "if false { self.destination.restart(",
    },
    Mutation {
        name: "RestartKeepsHash",
        what: "Keeps the hash when the content begins again.",
        file: WRITER,
        find: "let hasher = std::mem::take(&mut self.hasher);",
        replace: "let hasher = self.hasher.clone();",
    },
    Mutation {
        name: "EarlyEndAccepted",
        what: "Takes an early end for the end.",
        file: ATTEMPT,
        find: "if ends.into_iter().flatten().any(|end| read < end) {",
        replace: "if ends.into_iter().flatten().any(|_| false) {",
    },
    Mutation {
        name: "TrailingBytesIgnored",
        what: "Ignores bytes beyond the stated length.",
        file: ATTEMPT,
        find: "if let Some(outcome) = limit.check(read) {
                return Ok(outcome);",
        replace: "if limit.check(read).is_some() {
                break;",
    },
    Mutation {
        name: "TotalForgotten",
        what: "Forgets a total when a partial reply states none.",
        file: STATE,
        find: "self.total = self.total.or(head.total_bytes);",
        replace: "self.total = head.total_bytes;",
    },
    Mutation {
        name: "OtherTotalAccepted",
        what: "Accepts a partial reply with another total.",
        file: STATE,
        find: r#"            && before != now
        {
            return Err("the partial reply is of content with another size");"#,
        replace: r#"            && before != now
            && false
        {
            return Err("the partial reply is of content with another size");"#,
    },
    Mutation {
        name: "OtherOffsetAccepted",
        what: "Accepts a partial reply that begins elsewhere.",
        file: STATE,
        find: "if head.start != written {",
        replace: "if false {",
    },
    Mutation {
        name: "ValidatorNotRequired",
        what: "Accepts a partial reply without the validator that was sent.",
        file: STATE,
        find: "(_, None) if !self.has_deciding_digest(expected) => {",
        replace: "(_, None) if false => {",
    },
    Mutation {
        name: "OtherValidatorAccepted",
        what: "Accepts a partial reply with another validator.",
        file: STATE,
        find: "(Some(before), Some(now)) if before != now => {",
        replace: "(Some(before), Some(now)) if before != now && false => {",
    },
    Mutation {
        name: "ResumedUnchecked",
        what: "Resumes without a validator and without a digest.",
        file: STATE,
        find: "let is_checkable = self.validator.is_some() || self.has_deciding_digest(expected);",
        replace: "let is_checkable = true;",
    },
    Mutation {
        name: "JoinedByRecordedDigest",
        what: "Joins bytes by a digest that is only recorded.",
        file: STATE,
        find: "expected.has_digest() && self.options.on_mismatch != OnMismatch::Record",
        replace: "expected.has_digest()",
    },
    Mutation {
        name: "JoinedAcrossLinks",
        what: "Keeps the bytes so far when a new link leads to other content.",
        file: ENGINE,
        find: "if error.kind() == ErrorKind::UnexpectedContent || !is_same {",
        replace: "if false {",
    },
    Mutation {
        name: "NeverRenews",
        what: "Never resolves again.",
        file: STATE,
        find: "if self.budget.take_renewal() =>",
        replace: "if self.budget.take_renewal() && false =>",
    },
    Mutation {
        name: "RenewsForever",
        what: "Resolves again without end.",
        file: STATE,
        find: "if self.budget.take_renewal() =>",
        replace: "if self.budget.take_renewal() || true =>",
    },
    Mutation {
        name: "NeverRetries",
        what: "Never retries.",
        file: STATE,
        find: "AttemptOutcome::Broken(error) if !error.is_retryable() => Next::Fail(error),",
        replace: "AttemptOutcome::Broken(error) => Next::Fail(error),",
    },
    Mutation {
        name: "RetriesForever",
        what: "Retries without end.",
        file: STATE,
        find: "if !self.budget.take_retry() {",
        replace: "if !self.budget.take_retry() && false {",
    },
    Mutation {
        name: "FinalErrorRetried",
        what: "Retries a final error.",
        file: STATE,
        find: "AttemptOutcome::Broken(error) if !error.is_retryable() => Next::Fail(error),",
        replace: "AttemptOutcome::Broken(error) | AttemptOutcome::Failed(error) => self.again(error, false),",
    },
    Mutation {
        name: "DeadlineIgnored",
        what: "Has no deadline.",
        file: ENGINE,
        find: "            None => read.await,
            Some(deadline)",
        replace: "            _ if true => read.await,
            None => read.await,
            Some(deadline)",
    },
    Mutation {
        name: "LimitIgnored",
        what: "Has no limit for the size.",
        file: ATTEMPT,
        find: "let max = self.state.max_bytes;",
        replace: "let max = u64::MAX;",
    },
    Mutation {
        name: "DigestIgnored",
        what: "Checks no digest.",
        file: EXPECTED,
        find: "if let Some((want, _)) = self.digests.iter().find(|(want, _)| *want != digest) {",
        replace: "if let Some((want, _)) = self.digests.iter().find(|_| false) {",
    },
    Mutation {
        name: "CallerDigestIgnored",
        what: "Does not check the digest of the caller.",
        file: EXPECTED,
        find: "options.sha256.map(|digest| (digest, Caller)).into_iter().collect();",
        replace: "Digests::new();",
    },
    Mutation {
        name: "WebhookDigestIgnored",
        what: "Does not check the digest of a signed webhook.",
        file: EXPECTED,
        find: "    if descriptor.media.signed {
        digests.extend(",
        replace: "    if false {
        digests.extend(",
    },
    Mutation {
        name: "SizeIgnored",
        what: "Checks no size.",
        file: EXPECTED,
        find: "let wrong_size = self.sizes.iter().map(|(size, _)| *size).find(|size| *size != actual);",
        replace: "let wrong_size = None::<u64>;",
    },
    Mutation {
        name: "ReplyOverridesCaller",
        what: "Lets the reply's size override that of the caller.",
        file: EXPECTED,
        find: "options.size_bytes.map(|size| (size, Caller)).into_iter().collect();",
        replace: "match provider.size_bytes {
        None => options.size_bytes.map(|size| (size, Caller)).into_iter().collect(),
        Some(_) => Sizes::new(),
    };",
    },
    Mutation {
        name: "MismatchCalledVerified",
        what: "Says that content was verified that has a recorded mismatch.",
        file: ENGINE,
        find: "let verified = if mismatch.is_none() { expected.verified() } else { Verified::None };",
        replace: "let verified = expected.verified();",
    },
    Mutation {
        name: "CommitsUnverified",
        what: "Makes content visible before it is verified.",
        file: ENGINE,
        find: "Ok(Some(TransferOutput { receipt, mismatch: Some(mismatch) })) => {",
        replace: "Ok(Some(TransferOutput { receipt, mismatch: Some(mismatch) })) => {
                destination.commit(&receipt).await?;",
    },
    Mutation {
        name: "RenamesOver",
        what: "Renames over a file that exists.",
        file: PARTIAL,
        find: "        if let Err(error) = path.persist_noclobber(target) {",
        replace: "        if let Err(error) = path.persist(target) {",
    },
    Mutation {
        name: "ExistingIgnored",
        what: "Does not look whether the target exists.",
        file: FILE,
        find: "            IfExists::Refuse => Err(already_exists(&self.path)),
            IfExists::Keep => check_kept(&self.path, context).await.map(|()| true),",
        replace: "            IfExists::Refuse | IfExists::Keep => Ok(false),",
    },
    Mutation {
        name: "KeptUnchecked",
        what: "Keeps a file without checking it.",
        file: FILE,
        find: "if !expected.is_binding() {",
        replace: "if true {",
    },
    Mutation {
        name: "OtherPartialAdopted",
        what: "Adopts the partial file of another target.",
        file: PARTIAL,
        find: "        for path in (0..SLOTS).map(|slot| slot_path(target, slot)) {",
        replace: r#"        for path in (0..SLOTS).map(|slot| slot_path(target, slot)) {
            let prefix = format!(".{}", target.file_name().unwrap_or_default().to_string_lossy());
            let folder = target.parent().and_then(|folder| fs::read_dir(folder).ok());
            let entries = folder.into_iter().flatten().flatten().map(|entry| entry.path());
            let is_like = |path: &PathBuf| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(&prefix) && name.ends_with(SUFFIX)
            };
            let path = entries.filter(is_like).min().unwrap_or(path);"#,
    },
    Mutation {
        name: "LinkFollowed",
        what: "Follows a link in place of a partial file.",
        file: PARTIAL,
        find: "    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let flags = flags.cast_signed();
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    (metadata.is_file() && metadata.nlink() == 1 && is_ours).then_some(file)",
        replace: "    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    let flags = flags.cast_signed();
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    (metadata.is_file() && is_ours).then_some(file)",
    },
    Mutation {
        name: "LockIgnored",
        what: "Writes a partial file that another run is writing.",
        file: PARTIAL,
        find: "if fs4::FileExt::try_lock(&file).is_err() || !is_same_file",
        replace: "let _ = fs4::FileExt::try_lock(&file);
            if !is_same_file",
    },
    Mutation {
        name: "TemporaryFileLeft",
        what: "Leaves the temporary file behind.",
        file: PARTIAL,
        find: "        if self.1.has_crashed()
            && let",
        replace: "        if true
            && let",
    },
    Mutation {
        name: "StaleFilesLeft",
        what: "Does not remove what killed runs left in a folder.",
        file: FOLDER,
        find: "    fn remove(self, mut manifest: Option<Manifest>, steps: &Steps) -> io::Result<Option<Manifest>> {
",
        replace: "    fn remove(self, mut manifest: Option<Manifest>, steps: &Steps) -> io::Result<Option<Manifest>> {
        if true {
            return Ok(manifest);
        }
",
    },
    Mutation {
        name: "QuarantinedInPlace",
        what: "Quarantines under the final name.",
        file: FILE,
        find: r#"let kept = quarantine_name(path, number, "");"#,
        replace: "let kept = path.to_owned();",
    },
    Mutation {
        name: "ManifestIgnored",
        what: "Forgets what a folder has.",
        file: FOLDER,
        find: ".filter(|_| has_manifest);",
        replace: ".filter(|_| false);",
    },
    Mutation {
        name: "UnfinishedRecordBelieved",
        what: "Believes the record of a file that never got its name.",
        file: MANIFEST,
        find: "if present.contains(part) {",
        replace: "if false {",
    },
    Mutation {
        name: "LinkShown",
        what: "Shows the link in an error.",
        file: ENGINE,
        find: "            .map_err(|error| classify_open_error(error, is_resumed)))",
        replace: "            .map_err(|error| match &descriptor.source {
                Source::Link(link) => error.with_note(link.url.as_str()),
                _ => error,
            })
            .map_err(|error| classify_open_error(error, is_resumed)))",
    },
];
