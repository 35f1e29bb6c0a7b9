//! Choices where clients, coturn and the RFCs differ.

use super::{BASE, Category, Definition, Preset, by_profile};

const PROTOCOL: Definition = Definition { category: Category::Protocol, reloadable: true, ..BASE };

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "stun-only",
        short: Some('S'),
        doc: "Answer Binding requests only: no allocations, whoever asks.",
        more: "Users and secrets matter to secure-stun alone then. Other requests are met with silence.",
        apply: |raw, it| it.switch().map(|on| raw.stun_only = it.at(on)),
        ..PROTOCOL
    },
    Definition {
        name: "no-stun",
        doc: "Do not answer Binding requests.",
        more: "Clients learn their address from Allocate as well. Some also send Binding requests to see whether the \
               server is there.",
        apply: |raw, it| it.switch().map(|on| raw.no_stun = it.at(on)),
        ..PROTOCOL
    },
    Definition {
        name: "secure-stun",
        doc: "Ask for credentials before a Binding request is answered.",
        more: "Browsers send none with Binding requests, and get no address then.",
        apply: |raw, it| it.switch().map(|on| raw.secure_stun = it.at(on)),
        ..PROTOCOL
    },
    Definition {
        name: "rfc5766-channel-numbers",
        default: by_profile("false", "true", "false"),
        doc: "Take channel numbers up to 0x7FFF instead of 0x4FFF.",
        more: "RFC 8656 gave the upper ones to other protocols; clients from before it use them.",
        apply: |raw, it| it.switch().map(|on| raw.rfc5766_channel_numbers = it.at(on)),
        ..PROTOCOL
    },
    Definition {
        name: "channel-extends-permission",
        default: by_profile("false", "true", "false"),
        doc: "Keep the permission of a channel's peer as long as the channel.",
        more: "RFC 8656 ends it after permission-lifetime unless it is renewed; aioice counts on the longer one.",
        apply: |raw, it| it.switch().map(|on| raw.channel_extends_permission = it.at(on)),
        ..PROTOCOL
    },
    Definition {
        name: "fingerprint",
        short: Some('f'),
        doc: "Put FINGERPRINT on every message, not only on answers to requests that carry one.",
        apply: |raw, it| it.switch().map(|on| raw.fingerprint = it.at(on)),
        ..PROTOCOL
    },
    Definition {
        name: "software-attribute",
        doc: "Put the server's name and version into every answer.",
        apply: |raw, it| it.switch().map(|on| raw.software_attribute = it.at(on)),
        ..PROTOCOL
    },
    Definition {
        name: "include-reason-string",
        default: [
            Preset::Described("only in errors that an authenticated client gets"),
            Preset::Described("false"),
            Preset::Described("false"),
        ],
        example: &["true"],
        doc: "Put a reason phrase into error answers: true in all, false in none.",
        apply: |raw, it| it.switch().map(|on| raw.include_reason_string = Some(it.at(on))),
        ..PROTOCOL
    },
];
