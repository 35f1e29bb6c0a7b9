//! Addresses in attributes, plain and XORed with cookie and transaction id (RFC 8489 sections 14.1 and 14.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::header::{MAGIC_COOKIE, TransactionId};

/// The code of an IPv4 address.
pub const FAMILY_IPV4: u8 = 0x01;
/// The code of an IPv6 address.
pub const FAMILY_IPV6: u8 = 0x02;

/// The value of an address attribute was of no known family, or not of that family's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed address attribute")]
pub struct BadAddress;

/// Reads the value of an XORed address attribute; the first byte is ignored, as RFC 8489 section 14.1 says.
pub fn decode_xor(value: &[u8], id: &TransactionId) -> Result<SocketAddr, BadAddress> {
    let plain = decode(value)?;
    let port = plain.port() ^ (MAGIC_COOKIE >> 16) as u16;
    Ok(SocketAddr::new(xor_ip(plain.ip(), id), port))
}

/// Reads the value of MAPPED-ADDRESS and ALTERNATE-SERVER.
pub fn decode(value: &[u8]) -> Result<SocketAddr, BadAddress> {
    let (&[_, family, port_high, port_low], ip) = value.split_first_chunk::<4>().ok_or(BadAddress)?;
    let port = u16::from_be_bytes([port_high, port_low]);
    let ip = match family {
        FAMILY_IPV4 => IpAddr::from(<[u8; 4]>::try_from(ip).map_err(|_| BadAddress)?),
        FAMILY_IPV6 => IpAddr::from(<[u8; 16]>::try_from(ip).map_err(|_| BadAddress)?),
        _ => return Err(BadAddress),
    };
    Ok(SocketAddr::new(ip, port))
}

/// Writes the value of an XORed address attribute and returns its length, 8 or 20.
pub fn encode_xor(address: SocketAddr, id: &TransactionId, value: &mut [u8; 20]) -> usize {
    let port = address.port() ^ (MAGIC_COOKIE >> 16) as u16;
    encode(SocketAddr::new(xor_ip(address.ip(), id), port), value)
}

/// Writes the value of a plain address attribute and returns its length, 8 or 20.
pub fn encode(address: SocketAddr, value: &mut [u8; 20]) -> usize {
    value[0] = 0;
    value[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            value[1] = FAMILY_IPV4;
            value[4..8].copy_from_slice(&ip.octets());
            8
        }
        IpAddr::V6(ip) => {
            value[1] = FAMILY_IPV6;
            value[4..20].copy_from_slice(&ip.octets());
            20
        }
    }
}

fn xor_ip(ip: IpAddr, id: &TransactionId) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from(u32::from(ip) ^ MAGIC_COOKIE).into(),
        IpAddr::V6(ip) => {
            let mut pad = [0; 16];
            pad[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
            pad[4..].copy_from_slice(&id.0);
            Ipv6Addr::from(u128::from(ip) ^ u128::from_be_bytes(pad)).into()
        }
    }
}
