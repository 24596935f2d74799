//! WhatsApp media through the WhatsApp Cloud API of Meta.
