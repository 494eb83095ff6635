//! Whose address a request is counted and logged by: the connection's, or what trusted proxies say of it.
//!
//! Called by the HTTP middleware. Pure: header values and the peer's address in, an address out. A header is believed
//! only as far as the chain of proxies that are trusted reaches, from the right; what a client wrote itself stands
//! further left and is never read.

use std::net::IpAddr;

use mainstay_crds::backend::ForwardedHeader;

mod forwarded;
mod range;

pub use range::{Range, Ranges};

/// Who stands between clients and the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies {
    /// Who is believed; nobody by default.
    pub trusted: Ranges,
    /// Where they write. The other header is not read: a proxy that writes one passes the other on as the client sent it.
    pub header: ForwardedHeader,
}

impl Default for Proxies {
    fn default() -> Self {
        Proxies { trusted: Ranges::default(), header: ForwardedHeader::XForwardedFor }
    }
}

impl Proxies {
    /// The name of the header to read.
    pub fn header_name(&self) -> &'static str {
        match self.header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        }
    }

    /// The client's address: the right-most one that is no trusted proxy. `lines` are the values of the header, in the
    /// order of their arrival. Where the chain cannot be read on, it is the last proxy that could be.
    pub fn client<'a>(&self, peer: IpAddr, lines: impl DoubleEndedIterator<Item = &'a [u8]>) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusted.contains(client) {
            return client;
        }
        for line in lines.rev() {
            let Some(nodes) = std::str::from_utf8(line).ok().and_then(|line| self.nodes(line)) else { return client };
            for node in nodes.into_iter().rev() {
                let Some(address) = address(node) else { return client };
                client = address;
                if !self.trusted.contains(client) {
                    return client;
                }
            }
        }
        client
    }

    /// Who called, as each proxy wrote it. `None` where a line breaks the grammar.
    fn nodes<'a>(&self, line: &'a str) -> Option<Vec<&'a str>> {
        match self.header {
            ForwardedHeader::XForwardedFor => Some(
                line.split(',').map(|node| node.trim_matches([' ', '\t'])).filter(|node| !node.is_empty()).collect(),
            ),
            ForwardedHeader::Forwarded => forwarded::nodes(line),
        }
    }
}

/// The address of a node: of IPv4 or IPv6, bare or in brackets, with or without a port. Names, `unknown` and hidden
/// nodes (RFC 7239, section 6) have none.
fn address(node: &str) -> Option<IpAddr> {
    let (host, port) = match node.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
            // Brackets are for IPv6 alone.
            (host.contains(':').then_some(host)?, port)
        }
        None if node.matches(':').count() == 1 => node.split_once(':').map(|(host, port)| (host, Some(port)))?,
        None => (node, None),
    };
    if !port.is_none_or(is_port) {
        return None;
    }
    host.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// One to five digits, or a hidden port.
fn is_port(port: &str) -> bool {
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    let hidden = port.strip_prefix('_').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    });
    digits || hidden
}

#[cfg(test)]
mod tests;
