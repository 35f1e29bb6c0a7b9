//! Messages put together byte by byte, without the codec under test and with whatever flaw a test wants.
#![allow(dead_code, reason = "each suite uses what concerns it")]

/// A Binding request's type.
pub(crate) const BINDING_REQUEST: u16 = 0x0001;
/// The transaction id of every message built here.
pub(crate) const ID: [u8; 12] = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";

/// A header with any type and length, and a body.
pub(crate) fn message(bits: u16, length: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = bits.to_be_bytes().to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.extend([0x21, 0x12, 0xA4, 0x42]);
    bytes.extend(ID);
    bytes.extend(body);
    bytes
}

/// A Binding request whose body has the right length.
pub(crate) fn binding(body: &[u8]) -> Vec<u8> {
    message(BINDING_REQUEST, u16::try_from(body.len()).expect("16 bits hold a body's length"), body)
}

/// Attributes one after the other, padded with `pad`.
pub(crate) fn body_padded_with(pad: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(kind.to_be_bytes());
        body.extend(u16::try_from(value.len()).expect("16 bits hold a value's length").to_be_bytes());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), pad);
    }
    body
}

/// Attributes one after the other, padded with zeros.
pub(crate) fn body(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    body_padded_with(0, attributes)
}
