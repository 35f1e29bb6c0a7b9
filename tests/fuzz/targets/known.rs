//! The attributes that the codec knows, for whoever looks at each of them.

use turnserver::stun::AttributeType;

/// Every type that a message gives direct access to. Inputs kept for the fuzzers name them by their places.
pub(crate) const KNOWN: [AttributeType; 27] = [
    AttributeType::MAPPED_ADDRESS,
    AttributeType::USERNAME,
    AttributeType::MESSAGE_INTEGRITY,
    AttributeType::ERROR_CODE,
    AttributeType::UNKNOWN_ATTRIBUTES,
    AttributeType::CHANNEL_NUMBER,
    AttributeType::LIFETIME,
    AttributeType::XOR_PEER_ADDRESS,
    AttributeType::DATA,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::XOR_RELAYED_ADDRESS,
    AttributeType::REQUESTED_ADDRESS_FAMILY,
    AttributeType::EVEN_PORT,
    AttributeType::REQUESTED_TRANSPORT,
    AttributeType::DONT_FRAGMENT,
    AttributeType::MESSAGE_INTEGRITY_SHA256,
    AttributeType::PASSWORD_ALGORITHM,
    AttributeType::USERHASH,
    AttributeType::XOR_MAPPED_ADDRESS,
    AttributeType::RESERVATION_TOKEN,
    AttributeType::ADDITIONAL_ADDRESS_FAMILY,
    AttributeType::ADDRESS_ERROR_CODE,
    AttributeType::PASSWORD_ALGORITHMS,
    AttributeType::SOFTWARE,
    AttributeType::ALTERNATE_SERVER,
    AttributeType::FINGERPRINT,
];
