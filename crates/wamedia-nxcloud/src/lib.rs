//! WhatsApp media through NXCloud.
