//! Tables of chains, honest and hostile, and that no input panics.

use proptest::prelude::*;

use super::*;

fn proxies(header: ForwardedHeader) -> Proxies {
    let trusted = ["10.0.0.0/8", "192.0.2.1", "fd00::/8"].map(|range| range.parse().unwrap());
    Proxies { trusted: Ranges(trusted.to_vec()), header }
}

#[track_caller]
fn check(header: ForwardedHeader, cases: &[(&str, &[&str], &str)]) {
    for (peer, lines, client) in cases {
        let found = proxies(header).client(peer.parse().unwrap(), lines.iter().map(|line| line.as_bytes()));
        assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} with {lines:?}");
    }
}

#[test]
fn x_forwarded_for_is_read_from_the_right() {
    check(
        ForwardedHeader::XForwardedFor,
        &[
            // Who is not trusted is not believed.
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            // What the client wrote stands further left.
            ("10.0.0.1", &["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["10.9.9.9, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1", &["1.2.3.4", "203.0.113.9", "10.0.0.2"], "203.0.113.9"),
            // Trusted from end to end: a request from inside.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // Forms of addresses.
            ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("fd00::1", &["203.0.113.9"], "203.0.113.9"),
            // Empty elements are none.
            ("10.0.0.1", &[", 203.0.113.9 ,\t,"], "203.0.113.9"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ],
    );
}

#[test]
fn a_chain_that_cannot_be_read_on_ends_at_its_last_proxy() {
    for node in [
        "unknown",
        "_hidden",
        "localhost",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "256.1.1.1",
        "1.2.3.4:",
        "1.2.3.4:port",
        "1.2.3.4:123456",
        "[1.2.3.4]",
        "[::1",
        "::1]",
        "[::1]x",
        "[::1]:",
        "fe80::1%eth0",
        "[fe80::1%25eth0]",
        "\"1.2.3.4\"",
        "for=1.2.3.4",
        "1.2.3.4 5",
        "0x7f000001",
        "2130706433",
        "é",
        "1.2.3.4;5",
    ] {
        let line = format!("203.0.113.9, {node}, 10.0.0.2");
        check(ForwardedHeader::XForwardedFor, &[("10.0.0.1", &[line.as_str()], "10.0.0.2")]);
        check(ForwardedHeader::XForwardedFor, &[("10.0.0.1", &[node], "10.0.0.1")]);
    }
    let bytes: [&[u8]; 2] = [b"203.0.113.9", b"\xff"];
    let found = proxies(ForwardedHeader::XForwardedFor).client("10.0.0.1".parse().unwrap(), bytes.into_iter());
    assert_eq!(found.to_string(), "10.0.0.1");
}

#[test]
fn forwarded_is_read_by_its_grammar() {
    check(
        ForwardedHeader::Forwarded,
        &[
            ("10.0.0.1", &["for=203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["For=\"203.0.113.9:80\";proto=https;by=10.0.0.1"], "203.0.113.9"),
            ("10.0.0.1", &["for=1.2.3.4, proto=http ; FOR=\"[2001:db8::7]:4711\", for=10.0.0.2"], "2001:db8::7"),
            ("10.0.0.1", &["for=1.2.3.4", "for=203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["for=203.0.113.9;host=\"a,b;for=1.2.3.4\""], "203.0.113.9"),
            // An element that does not say who.
            ("10.0.0.1", &["for=203.0.113.9, proto=https"], "10.0.0.1"),
            ("10.0.0.1", &["for=203.0.113.9, for=unknown"], "10.0.0.1"),
            ("10.0.0.1", &["for=203.0.113.9, for=_gazonk, for=10.0.0.2"], "10.0.0.2"),
        ],
    );
    // A client's open quote swallows nothing: the line has no grammar any more.
    for forged in [
        "for=6.6.6.6;x=\"",
        "for=\"",
        "for=6.6.6.6;x=\"\\",
        "for=6.6.6.6,x",
        "=",
        "for",
        "for=",
        "for=a=b",
        "for=1.1.1.1;;",
        "for=6.6.6.6 for=7.7.7.7",
        "\"",
    ] {
        for own in ["for=203.0.113.9", "for=\"[2001:db8::7]:4711\";by=\"_p\""] {
            let line = format!("{forged}, {own}");
            check(ForwardedHeader::Forwarded, &[("10.0.0.1", &[line.as_str()], "10.0.0.1")]);
            // A line of the proxy's own is read before it.
            let honest = if own.contains("203") { "203.0.113.9" } else { "2001:db8::7" };
            check(ForwardedHeader::Forwarded, &[("10.0.0.1", &[forged, own], honest)]);
        }
    }
}

#[test]
fn the_other_header_is_not_read() {
    assert_eq!(proxies(ForwardedHeader::Forwarded).header_name(), "forwarded");
    assert_eq!(proxies(ForwardedHeader::XForwardedFor).header_name(), "x-forwarded-for");
}

proptest! {
    /// Whatever a client sends in front of what the proxy adds, the answer is what the proxy said, or the proxy.
    #[test]
    fn a_client_cannot_choose_its_address(forged in "[ -~\t]{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..40), forwarded: bool) {
        let header = if forwarded { ForwardedHeader::Forwarded } else { ForwardedHeader::XForwardedFor };
        let own = if forwarded { "for=203.0.113.9" } else { "203.0.113.9" };
        let joined = format!("{forged}, {own}");
        let (peer, honest): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "203.0.113.9".parse().unwrap());
        let found = proxies(header).client(peer, [joined.as_bytes()].into_iter());
        prop_assert!(found == honest || found == peer, "{joined}: {found}");
        let found = proxies(header).client(peer, [bytes.as_slice(), own.as_bytes()].into_iter());
        prop_assert_eq!(found, honest);
        proxies(header).client(peer, [bytes.as_slice()].into_iter());
    }
}
