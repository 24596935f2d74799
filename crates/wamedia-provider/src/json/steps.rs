//! How much text and how many fields were looked at, so that tests can count instead of measuring time.

#[cfg(test)]
thread_local!(static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) });

/// Nothing, except in tests.
#[inline]
pub(crate) fn count(steps: usize) {
    #[cfg(test)]
    STEPS.set(STEPS.get() + steps);
    let _ = steps;
}

/// The steps so far in this thread; counting begins again.
#[cfg(test)]
pub(crate) fn take() -> usize {
    STEPS.take()
}
