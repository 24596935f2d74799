//! A WhatsApp webhook or media id in, verified bytes out, for every provider.
