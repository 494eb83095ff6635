//! What is read of a caller's trace, and written of ours.

use super::*;

fn read(parent: &str) -> Option<String> {
    parent::read([parent].into_iter(), std::iter::empty()).map(|known| parent::write(&known))
}

#[test]
fn a_caller_s_trace_is_read_strictly() {
    let right = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (given, told) in [
        (right, Some(right)),
        (
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
        ),
        // Other flags mean nothing to us, and a later version may go on.
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff", Some(right)),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", Some(right)),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", None),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", None),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", None),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None),
        ("00-af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
        ("00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", None),
        ("00-0af7651916cd43dd8448eb211c80319c", None),
        ("", None),
        ("\u{fc}-\u{fc}-\u{fc}-\u{fc}", None),
    ] {
        assert_eq!(read(given).as_deref(), told, "{given}");
    }
    assert!(parent::read([right, right].into_iter(), std::iter::empty()).is_none(), "which of them?");
    let known = parent::read([right].into_iter(), ["a=1", "b=2"].into_iter()).unwrap();
    assert_eq!(known.trace_state().header(), "a=1,b=2");
    let known = parent::read([right].into_iter(), ["a list that is none"].into_iter()).unwrap();
    assert_eq!(known.trace_state().header(), "", "a list that cannot be read is left out, the trace is not");
}

#[test]
fn without_an_endpoint_a_caller_s_trace_is_told_on() {
    let right = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = Request::begin(None, parent::read([right].into_iter(), std::iter::empty()));
    assert_eq!(request.header().as_deref(), Some(right));
    assert_eq!(request.id().as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    assert!(!request.is_kept());
    assert_eq!(Request::begin(None, None).header(), None);
}
