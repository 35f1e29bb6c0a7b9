//! The system calls that take raw pointers: many datagrams in one call, one datagram from several pieces.
//!
//! Each `unsafe` block does one thing; what goes in are borrowed slices and owned arrays, what comes out is checked.
#![allow(unsafe_code, reason = "recvmmsg and sendmsg take raw pointers; this is their only home")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use socket2::SockAddr;

/// Datagrams taken by one call.
pub(super) const BATCH_MAX: usize = 64;
/// Room for the largest datagram.
const SLOT_LEN: usize = 64 * 1024;

/// Room for [`BATCH_MAX`] datagrams and where they came from; made once per worker, used for every socket.
pub(super) struct Arena {
    bytes: Box<[u8]>,
    names: Box<[libc::sockaddr_storage]>,
    lens: [usize; BATCH_MAX],
}

impl Arena {
    pub(super) fn new() -> Arena {
        // SAFETY: sockaddr_storage is plain data; all zeros is a value of it.
        let name: libc::sockaddr_storage = unsafe { MaybeUninit::zeroed().assume_init() };
        Arena {
            bytes: vec![0; SLOT_LEN * BATCH_MAX].into_boxed_slice(),
            names: vec![name; BATCH_MAX].into_boxed_slice(),
            lens: [0; BATCH_MAX],
        }
    }

    /// Takes what a socket has, up to [`BATCH_MAX`] datagrams, without waiting.
    pub(super) fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        let mut iovecs = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: SLOT_LEN }; BATCH_MAX];
        // SAFETY: mmsghdr is plain data; all zeros (null pointers, zero lengths) is a value of it.
        let mut headers: [libc::mmsghdr; BATCH_MAX] = unsafe { MaybeUninit::zeroed().assume_init() };
        let slots = self.bytes.chunks_exact_mut(SLOT_LEN).zip(self.names.iter_mut());
        for ((iovec, header), (slot, name)) in iovecs.iter_mut().zip(headers.iter_mut()).zip(slots) {
            iovec.iov_base = slot.as_mut_ptr().cast();
            header.msg_hdr.msg_iov = iovec;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (name as *mut libc::sockaddr_storage).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        }
        let fd = socket.as_fd().as_raw_fd();
        // SAFETY: every header points to one slot, one name and one iovec that live until the call returns and are not
        // borrowed otherwise; the lengths are theirs.
        let received = unsafe {
            libc::recvmmsg(fd, headers.as_mut_ptr(), BATCH_MAX as u32, libc::MSG_DONTWAIT, std::ptr::null_mut())
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (len, header) in self.lens.iter_mut().zip(&headers[..received]) {
            *len = header.msg_len as usize;
        }
        Ok(received)
    }

    /// A datagram that the last [`Arena::receive`] took.
    pub(super) fn datagram(&self, slot: usize) -> &[u8] {
        &self.bytes[slot * SLOT_LEN..][..self.lens[slot]]
    }

    /// Where it came from; none when its family is not IP.
    pub(super) fn source(&self, slot: usize) -> Option<SocketAddr> {
        let name = &self.names[slot];
        match i32::from(name.ss_family) {
            libc::AF_INET => {
                // SAFETY: the storage is large and aligned enough for every address, and the family says it is this one.
                let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
                Some(SocketAddr::new(ip.into(), u16::from_be(name.sin_port)))
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
                let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
                Some(SocketAddr::new(ip.into(), u16::from_be(name.sin6_port)))
            }
            _ => None,
        }
    }
}

/// Sends one datagram made of `pieces`.
pub(super) fn send(socket: impl AsFd, to: SocketAddr, pieces: [&[u8]; 3]) -> io::Result<()> {
    let name = SockAddr::from(to);
    let mut iovecs =
        pieces.map(|piece| libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: piece.len() });
    // SAFETY: msghdr is plain data; all zeros is a value of it.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_name = name.as_ptr().cast_mut().cast();
    header.msg_namelen = name.len();
    header.msg_iov = iovecs.as_mut_ptr();
    header.msg_iovlen = iovecs.len() as _;
    // SAFETY: the header points to a name and to iovecs over borrowed slices, all alive until the call returns; sendmsg
    // reads them only.
    let sent = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &header, libc::MSG_DONTWAIT) };
    usize::try_from(sent).map(drop).map_err(|_| io::Error::last_os_error())
}

/// Has IPv4 datagrams of a socket carry DF, or not; there is no such choice per datagram.
pub(super) fn set_dont_fragment(socket: impl AsFd, dont_fragment: bool) -> io::Result<()> {
    let mode = if dont_fragment { libc::IP_PMTUDISC_PROBE } else { libc::IP_PMTUDISC_DONT };
    set_int(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, mode)
}

/// The same for IPv6, where it decides whether the sender fragments.
pub(super) fn set_dont_fragment_v6(socket: impl AsFd, dont_fragment: bool) -> io::Result<()> {
    let mode = if dont_fragment { libc::IPV6_PMTUDISC_PROBE } else { libc::IPV6_PMTUDISC_DONT };
    set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, mode)
}

/// Asks for a receive buffer beyond the system's limit, which takes a capability.
pub(super) fn force_receive_buffer(socket: impl AsFd, bytes: usize) -> io::Result<()> {
    set_int(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, i32::try_from(bytes).unwrap_or(i32::MAX))
}

/// Datagrams that came faster than the socket was read, since it was opened; 0 where the system does not tell.
pub(super) fn receive_overflows(socket: impl AsFd) -> u32 {
    // include/uapi/linux/sock_diag.h: the last of nine counts.
    let mut counts = [0u32; 9];
    let mut len = size_of_val(&counts) as libc::socklen_t;
    // SAFETY: the counts live until the call returns, and the length is theirs; the system writes no more than that.
    let done = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            (&raw mut counts).cast(),
            &raw mut len,
        )
    };
    if done == 0 { counts[8] } else { 0 }
}

fn set_int(socket: impl AsFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the option value is an int that lives until the call returns, and the length is its.
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
