//! WhatsApp media through ChakraHQ.
