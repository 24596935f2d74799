//! Why the program ends without success.

pub(crate) const OTHER: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const LOCAL: u8 = 10;
pub(crate) const INTERRUPTED: u8 = 130;

/// Why the program ends without success.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: Option<String>,
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
    /// Whether the message names the operation, or none is meant; otherwise the command is named.
    pub(crate) names_operation: bool,
    /// The library's error in JSON, where it is one.
    pub(crate) json: Option<serde_json::Value>,
    /// Whether its lines of JSON are printed already.
    pub(crate) is_told: bool,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
            causes: Vec::new(),
            hint: None,
            names_operation: false,
            json: None,
            is_told: false,
        }
    }

    /// Without a message: there is nothing to say, or it was said.
    fn silent(code: u8) -> Self {
        Self { message: None, ..Self::new(code, "") }
    }

    /// Marks that its lines of JSON are printed.
    pub(crate) fn told(mut self) -> Self {
        self.is_told = true;
        self
    }

    /// Says what to do next.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    pub(crate) fn interrupted() -> Self {
        let failure = Self::new(INTERRUPTED, "interrupted; nothing unfinished was kept");
        Self { names_operation: true, is_told: true, ..failure }
    }

    /// Whoever read standard output has seen enough, which is no failure.
    pub(crate) fn closed_pipe() -> Self {
        Self::silent(0)
    }

    /// The lines were printed already, one by one; only the code is left to say.
    pub(crate) fn reported(codes: &[u8]) -> Result<(), Self> {
        let Some(first) = codes.first() else { return Ok(()) };
        let code = if codes.iter().all(|code| code == first) { *first } else { OTHER };
        Err(Self::silent(code))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(LOCAL, error.to_string())
    }
}
