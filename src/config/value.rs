//! From a value as written to a typed one: numbers in range, coturn's words for booleans, addresses, peer ranges, users.
//!
//! Every refusal names the option, its place, what was expected and, unless the option holds a secret, what was found.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::error::{Place, nearest};
use super::options::Kind;
use super::raw::{ExternalForm, Placed, Setting, Value};
use super::{ExternalPair, Facility, IpRange, Problem, Profile, RawKeys, SyslogFacility, User, UserSecret};

impl Setting {
    /// `value` with the place of this setting.
    pub(super) fn at<T>(&self, value: T) -> Placed<T> {
        Placed { value, place: self.place.clone() }
    }

    /// A refusal of this setting.
    pub(super) fn problem(&self, message: impl std::fmt::Display) -> Problem {
        Problem::new(&self.place, format!("{}: {message}", self.option.name))
    }

    /// What was found, for an error message.
    fn found(&self) -> String {
        match &self.value {
            Value::Untyped(text) | Value::Text(text) => format!("{text:?}"),
            Value::Bool(on) => format!("the boolean {on}"),
            Value::Integer(number) => format!("the number {number}"),
            Value::Other(what) => (*what).to_owned(),
        }
    }

    fn refuse(&self, expected: impl std::fmt::Display) -> Problem {
        // Of a switch whose name asks for a secret the value may be one.
        if self.option.secret || self.option.name == "use-auth-secret" {
            return self.problem(format_args!("expected {expected}"));
        }
        self.problem(format_args!("expected {expected}, found {}", self.found()))
    }

    pub(super) fn switch(&self) -> Result<bool, Problem> {
        match &self.value {
            Value::Bool(on) => Ok(*on),
            Value::Untyped(text) => switch_word(text).ok_or_else(|| {
                self.refuse("a boolean").hint("on/off, yes/no, true/false, 1/0, or the option alone for on")
            }),
            Value::Text(text) => {
                let problem = self.refuse("true or false");
                Err(match switch_word(text) {
                    Some(on) => problem.hint(format!("{} = {on}, without quotes", self.option.name)),
                    None => problem,
                })
            }
            Value::Integer(_) | Value::Other(_) => Err(self.refuse("true or false")),
        }
    }

    /// An integer in the option's range; the range fits `T`, which the test of the option table holds.
    pub(super) fn integer<T: TryFrom<i64>>(&self) -> Result<T, Problem> {
        let Kind::Integer { min, max, alone } = self.option.kind else {
            return Err(self.refuse("a number"));
        };
        let expected = format!("a number from {min} to {max}");
        let number = match &self.value {
            Value::Integer(number) => *number,
            Value::Untyped(text) => match alone {
                Some(number) if text.is_empty() => number,
                _ => text.parse::<i64>().map_err(|_| self.refuse(&expected))?,
            },
            Value::Text(text) => {
                let problem = self.refuse(&expected);
                return Err(match text.parse::<i64>() {
                    Ok(number) => problem.hint(format!("{} = {number}, without quotes", self.option.name)),
                    Err(_) => problem,
                });
            }
            Value::Bool(_) | Value::Other(_) => return Err(self.refuse(&expected)),
        };
        if !(min..=max).contains(&number) {
            return Err(self.problem(format_args!("expected {expected}, found {number}")));
        }
        T::try_from(number).map_err(|_| self.refuse(&expected))
    }

    pub(super) fn text(&self) -> Result<&str, Problem> {
        match &self.value {
            Value::Untyped(text) | Value::Text(text) => Ok(text),
            Value::Integer(_) | Value::Bool(_) if self.option.secret => Err(self.refuse("a string in quotes")),
            Value::Integer(number) => Err(self.quotes_missing(number)),
            Value::Bool(on) => Err(self.quotes_missing(on)),
            Value::Other(_) => Err(self.refuse("a string")),
        }
    }

    fn quotes_missing(&self, found: impl std::fmt::Display) -> Problem {
        self.refuse("a string").hint(format!("{} = \"{found}\"", self.option.name))
    }

    fn filled(&self) -> Result<&str, Problem> {
        match self.text()? {
            "" => Err(self.problem("the value is empty")),
            text => Ok(text),
        }
    }

    pub(super) fn path(&self) -> Result<PathBuf, Problem> {
        self.filled().map(PathBuf::from)
    }

    pub(super) fn profile(&self) -> Result<Profile, Problem> {
        let name = self.text()?;
        Profile::from_name(name).ok_or_else(|| {
            let problem = self.refuse(Profile::NAMES.join(", "));
            match nearest(name, Profile::NAMES.iter().copied()) {
                Some(near) => problem.hint(format!("did you mean {near}?")),
                None => problem,
            }
        })
    }

    /// One of a few words, in any case.
    pub(super) fn one_of<T>(&self, names: &[&str], parse: impl Fn(&str) -> Option<T>) -> Result<T, Problem> {
        let name = self.text()?.to_ascii_lowercase();
        parse(&name).ok_or_else(|| {
            let problem = self.refuse(names.join(", "));
            match nearest(&name, names.iter().copied()) {
                Some(near) => problem.hint(format!("did you mean {near}?")),
                None => problem,
            }
        })
    }

    pub(super) fn facility(&self) -> Result<SyslogFacility, Problem> {
        let parsed = self.filled()?.parse::<Facility>();
        parsed.map(SyslogFacility).map_err(|()| {
            self.refuse("a facility of the system's log")
                .hint("LOG_DAEMON, LOG_USER, LOG_AUTH or LOG_LOCAL0 to LOG_LOCAL7")
        })
    }

    pub(super) fn character(&self) -> Result<char, Problem> {
        let mut characters = self.text()?.chars();
        match (characters.next(), characters.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(self.refuse("exactly one character")),
        }
    }

    pub(super) fn ip(&self) -> Result<IpAddr, Problem> {
        let text = self.filled()?;
        parse_ip(text)
            .ok_or_else(|| self.refuse("an IP address").hint("192.0.2.1 or 2001:db8::1; host names are not looked up"))
    }

    /// A server's address; `port` where none is written.
    pub(super) fn server(&self, port: u16) -> Result<SocketAddr, Problem> {
        let text = self.filled()?;
        let server = match parse_ip(text) {
            Some(ip) => Some(SocketAddr::new(ip, port)),
            None => text.parse::<SocketAddr>().ok(),
        };
        let server = server.ok_or_else(|| {
            self.refuse("IP or IP:PORT").hint("192.0.2.1:3478 or [2001:db8::1]:3478; host names are not looked up")
        })?;
        Ok(SocketAddr::new(server.ip().to_canonical(), server.port()))
    }

    pub(super) fn external(&self) -> Result<ExternalForm, Problem> {
        let expected = || {
            let problem = self.refuse("PUBLIC or PUBLIC/PRIVATE, each an IP address");
            problem.hint("203.0.113.1/10.0.0.1; host names are not looked up")
        };
        let Some((public, private)) = self.filled()?.split_once('/') else {
            return self.ip().map(ExternalForm::Single);
        };
        let public = parse_ip(public).ok_or_else(expected)?;
        let private = parse_ip(private).ok_or_else(expected)?;
        if public.is_ipv4() != private.is_ipv4() {
            return Err(self.problem(format_args!("{public} and {private} are of different families")));
        }
        Ok(ExternalForm::Pair(ExternalPair { public, private }))
    }

    pub(super) fn range(&self) -> Result<IpRange, Problem> {
        let text = self.filled()?;
        let (first, last) = match (text.parse::<IpNet>(), text.split_once('-')) {
            (Ok(net), _) => (Some(net.network()), Some(net.broadcast())),
            (_, Some((first, last))) => (parse_ip(first.trim()), parse_ip(last.trim())),
            (_, None) => (parse_ip(text), parse_ip(text)),
        };
        let (Some(first), Some(last)) = (first, last) else {
            return Err(self.refuse("IP, IP-IP or CIDR").hint("10.0.0.1, 10.0.0.0-10.0.0.255 or 10.0.0.0/24"));
        };
        let range = canonical(IpRange { first, last });
        if range.first.is_ipv4() != range.last.is_ipv4() {
            return Err(self.problem(format_args!("the ends of {text} are of different families")));
        }
        if range.first > range.last {
            return Err(self
                .problem(format_args!("the range {text} ends before it starts"))
                .hint(format!("{last}-{first}")));
        }
        Ok(range)
    }

    /// `name:password` or `name:0xKEY`. Of a refused value only the name is ever shown.
    pub(super) fn user(&self) -> Result<User, Problem> {
        let Some((name, secret)) = self.text()?.split_once(':') else {
            return Err(self.problem("expected NAME:PASSWORD or NAME:0xKEY, found no colon"));
        };
        // RFC 8489 section 14.3: a USERNAME is shorter than 509 bytes.
        if name.is_empty() || name.len() > 508 {
            return Err(self.problem("expected a name of 1 to 508 bytes before the first colon"));
        }
        if secret.is_empty() {
            return Err(self.problem(format_args!("the password of {name:?} is empty")));
        }
        let secret = match secret.strip_prefix("0x") {
            None => UserSecret::Password(secret.to_owned().into()),
            Some(digits) => UserSecret::Keys(vec![key(digits).map(RawKeys::md5_only).ok_or_else(|| {
                self.problem(format_args!("the key of {name:?} is not exactly 32 hex digits after 0x"))
                    .hint("the key is MD5(name:realm:password); a password must not start with 0x")
            })?]),
        };
        Ok(User { name: name.to_owned(), secret })
    }
}

impl<T> Placed<T> {
    /// Whether somebody wrote the value.
    pub(super) fn is_set(&self) -> bool {
        self.place != Place::Unset
    }
}

/// coturn's words for a boolean: nothing means on, else the first character decides, but for the words on and off.
pub(super) fn switch_word(text: &str) -> Option<bool> {
    match text {
        "on" | "On" | "ON" => return Some(true),
        "off" | "Off" | "OFF" => return Some(false),
        _ => {}
    }
    match text.chars().next() {
        None | Some('y' | 'Y' | 't' | 'T' | '1'..='9') => Some(true),
        Some('0' | 'n' | 'N' | 'f' | 'F') => Some(false),
        Some(_) => None,
    }
}

/// An address, with or without the brackets that IPv6 has before a port.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|inner| inner.contains(':'));
    bare.unwrap_or(text).parse().ok()
}

/// An IPv4-mapped range as the IPv4 range it stands for, since peers are judged by their canonical address.
fn canonical(range: IpRange) -> IpRange {
    let mapped = IpRange { first: range.first.to_canonical(), last: range.last.to_canonical() };
    if mapped.first.is_ipv4() && mapped.last.is_ipv4() { mapped } else { range }
}

fn key(digits: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = digits.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let mut key = [0; 16];
    if digits.len() != 2 * key.len() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Some(key)
}
