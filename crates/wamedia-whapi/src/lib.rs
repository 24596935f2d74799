//! WhatsApp media through Whapi.Cloud.
