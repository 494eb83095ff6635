//! `minimum` and `maximum`, for every kind that has them.
//!
//! Called by the kinds when they are built and when they parse. What a bound looks like is the kind's own.

use serde_json::Value as Json;

use crate::collection::FieldSpec;
use crate::problem::Problems;

/// Reads both bounds of `spec` as values of the kind; records what is not one, and a minimum above the maximum.
pub(super) fn read<T: PartialOrd>(
    spec: &FieldSpec,
    problems: &mut Problems,
    mut parse: impl FnMut(&Json, &mut Problems) -> Option<T>,
) -> (Option<T>, Option<T>) {
    let mut bound = |option: &'static str, json: &Option<Json>| {
        json.as_ref().and_then(|json| problems.within(option, |problems| parse(json, problems)))
    };
    let minimum = bound("minimum", &spec.minimum);
    let maximum = bound("maximum", &spec.maximum);
    if let (Some(least), Some(greatest)) = (&minimum, &maximum)
        && least > greatest
    {
        problems.within("minimum", |problems| problems.add("invalid_option", "`minimum` is above `maximum`"));
    }
    (minimum, maximum)
}

/// Records `too_small` or `too_large` when `value` is beyond a bound; `show` appends a bound as people read it.
pub(super) fn judge<T: PartialOrd + Copy>(
    value: T,
    (minimum, maximum): (Option<T>, Option<T>),
    problems: &mut Problems,
    show: impl Fn(T, &mut Vec<u8>),
) {
    let text = |bound: T| {
        let mut out = Vec::new();
        show(bound, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    };
    if let Some(least) = minimum
        && value < least
    {
        problems.add("too_small", format!("must be at least {}", text(least)));
    }
    if let Some(greatest) = maximum
        && value > greatest
    {
        problems.add("too_large", format!("must be at most {}", text(greatest)));
    }
}

/// Records `invalid_option` at `least_name` when a least count is above its greatest.
pub(super) fn counts(least_name: &str, least: Option<u32>, greatest: Option<u32>, problems: &mut Problems) {
    if let (Some(least), Some(greatest)) = (least, greatest)
        && least > greatest
    {
        let message = format!("{least} is above the greatest count, which is {greatest}");
        problems.within(least_name, |problems| problems.add("invalid_option", message));
    }
}
