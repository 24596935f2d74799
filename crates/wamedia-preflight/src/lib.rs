//! Will a provider, and the phone, take this file? Answers offline, with the rule and the fix.
