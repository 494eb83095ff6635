//! Aggregates: counts, sums, means and extremes of the records that the caller may read.
//!
//! Called by the transports. Sums and means of integers and decimals are exact and the same on both databases; those of
//! `number` are not promised to the last digit.

use mainstay_crds::filter::Filter;
use mainstay_crds::json::{MAX_SAFE_INTEGER, write_double, write_integer, write_string};
use mainstay_crds::schema::{Collection, Field};
use mainstay_crds::sql::ColumnType;

use super::access::{self, Action};
use super::read::context;
use super::{Target, Tx};
use crate::query::aggregate::{AggregateQuery, aggregate as read_query};
use crate::service::{Code, Ctx, Error, Service};
use crate::store::Conn;
use crate::store::records::aggregate::{Aggregate, Group, Measure, Measured, aggregate as load};

/// At most this many groups.
pub const MAX_GROUPS: usize = 1000;
/// A mean has this many places more than its field.
const MEAN_PLACES: usize = 6;

/// `GET /api/v1/{collection}/aggregate`: an array of groups, as JSON.
///
/// Errors: 401, 403; 400 with every problem of the parameters; 409 for too many groups; 422 for a sum that JSON's numbers
/// cannot hold.
pub async fn aggregate(service: &Service, ctx: &Ctx, name: &str, raw: &str) -> Result<Vec<u8>, Error> {
    let target = service.target(name)?;
    let readable = access::require(ctx, &target.collection, Action::Read)?.into_filter();
    let asked = read_query(raw, context(service, &target, &|c, f| access::may_read(ctx, &c.fields[f])));
    let mut asked = asked.map_err(Error::invalid)?;
    let filters: Vec<Filter> = asked.filter.take().into_iter().chain(readable).collect();
    let work = Work { target, filter: (!filters.is_empty()).then_some(Filter::And(filters)), asked };
    service.read(move |conn| work.run(conn)).await
}

struct Work {
    target: Target,
    filter: Option<Filter>,
    asked: AggregateQuery,
}

impl Work {
    fn run(&self, conn: &mut Conn) -> Tx<Vec<u8>> {
        let Work { target: Target { schema, collection }, filter, asked } = self;
        let measures = measures(asked);
        let (filter, group) = (filter.clone(), asked.group.clone());
        // One more than is answered tells whether there are more.
        let limit = u32::try_from(MAX_GROUPS + 1).unwrap_or(u32::MAX);
        let aggregate = Aggregate { collection, filter, group, measures, limit };
        let groups = load(conn, schema, &aggregate)?;
        if groups.len() > MAX_GROUPS {
            let message = format!("there are more than {MAX_GROUPS} groups; filter, or group by less");
            return Err(Error::at(Code::Conflict, "?group".to_owned(), "too_many", message).into());
        }
        let mut out = vec![b'['];
        for (index, group) in groups.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"{" } else { b",{" });
            let written = Writer { collection, asked, measures: &aggregate.measures, group, out: &mut out };
            written.group()?;
            out.push(b'}');
        }
        out.push(b']');
        Ok(out)
    }
}

/// Each measure once: a sum and a mean come from the same total.
fn measures(asked: &AggregateQuery) -> Vec<Measure> {
    let mut totals: Vec<usize> = asked.sum.iter().chain(&asked.avg).copied().collect();
    totals.sort_unstable();
    totals.dedup();
    let least = asked.min.iter().copied().map(Measure::Least);
    let greatest = asked.max.iter().copied().map(Measure::Greatest);
    totals.into_iter().map(Measure::Total).chain(least).chain(greatest).collect()
}

/// One group on its way into the answer.
struct Writer<'a> {
    collection: &'a Collection,
    asked: &'a AggregateQuery,
    measures: &'a [Measure],
    group: &'a Group,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn group(mut self) -> Result<(), Error> {
        let (asked, group, collection) = (self.asked, self.group, self.collection);
        let mut empty = true;
        for (position, value) in asked.group.iter().zip(&group.values) {
            let field = &collection.fields[*position];
            self.name(field.name.as_str(), &mut empty);
            write_value(field, value, self.out);
        }
        if asked.count {
            self.name("count", &mut empty);
            write_integer(group.records, self.out);
        }
        type Measures<'a> = (&'static str, &'a [usize], fn(usize) -> Measure);
        let functions: [Measures<'_>; 4] = [
            ("sum", &asked.sum, Measure::Total),
            ("avg", &asked.avg, Measure::Total),
            ("min", &asked.min, Measure::Least),
            ("max", &asked.max, Measure::Greatest),
        ];
        for (function, fields, measure) in functions.into_iter().filter(|(_, fields, _)| !fields.is_empty()) {
            self.name(function, &mut empty);
            self.out.push(b'{');
            let mut first = true;
            for position in fields {
                let field = &collection.fields[*position];
                self.name(field.name.as_str(), &mut first);
                self.measured(function, field, measure(*position))?;
            }
            self.out.push(b'}');
        }
        Ok(())
    }

    /// The names of fields and functions need no escapes.
    fn name(&mut self, name: &str, first: &mut bool) {
        self.out.extend_from_slice(if std::mem::take(first) { b"\"" } else { b",\"" });
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn measured(&mut self, function: &'static str, field: &Field, measure: Measure) -> Result<(), Error> {
        let place = self.measures.iter().position(|known| *known == measure);
        let Some(measured) = place.and_then(|place| self.group.measured.get(place)) else {
            return Err(Error::bug(format!("{function} of {} was not measured", field.name)));
        };
        let out = &mut *self.out;
        let outside = || {
            let message = format!("the sum of `{}` is greater than a JSON number can be; ask for less", field.name);
            Error::at(Code::Unprocessable, format!("?{function}"), "out_of_range", message)
        };
        let scale =
            if let ColumnType::Decimal { scale, .. } = field.kind.column() { Some(usize::from(scale)) } else { None };
        match measured {
            Measured::One(value) => write_value(field, value, out),
            // Nothing has no sum, as in SQL.
            Measured::Exact(_, 0) | Measured::Approximate(_, 0) => out.extend_from_slice(b"null"),
            Measured::Exact(sum, values) if function == "avg" => {
                let mean = half_even(*sum * 10_i128.pow(MEAN_PLACES as u32), i128::from(*values));
                write_string(&places(mean, scale.unwrap_or(0) + MEAN_PLACES), out);
            }
            Measured::Exact(sum, _) => match (scale, i64::try_from(*sum)) {
                (Some(scale), _) => write_string(&places(*sum, scale), out),
                (None, Ok(sum)) if sum.abs() <= MAX_SAFE_INTEGER => write_integer(sum, out),
                (None, _) => return Err(outside()),
            },
            Measured::Approximate(sum, _) if !sum.is_finite() => return Err(outside()),
            Measured::Approximate(sum, values) if function == "avg" => write_double(sum / *values as f64, out),
            Measured::Approximate(sum, _) => write_double(*sum, out),
        }
        Ok(())
    }
}

fn write_value(field: &Field, value: &mainstay_crds::Value<'_>, out: &mut Vec<u8>) {
    match value.is_null() {
        true => out.extend_from_slice(b"null"),
        false => field.kind.write_json(value, out),
    }
}

/// The quotient as an integer; a half goes to the even neighbour.
fn half_even(dividend: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    let up = match (rest.abs() * 2).cmp(&divisor.abs()) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => quotient % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    if up { quotient + dividend.signum() * divisor.signum() } else { quotient }
}

/// `unscaled` ÷ 10^places as text with exactly so many places.
fn places(unscaled: i128, places: usize) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let sign = if unscaled < 0 { "-" } else { "" };
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (dividend, divisor, quotient) in [
            (1, 2, 0),
            (3, 2, 2),
            (5, 2, 2),
            (-1, 2, 0),
            (-3, 2, -2),
            (-5, 2, -2),
            (2, 3, 1),
            (-2, 3, -1),
            (7, 7, 1),
            (0, 9, 0),
        ] {
            assert_eq!(half_even(dividend, divisor), quotient, "{dividend} / {divisor}");
        }
    }

    #[test]
    fn texts_have_their_places() {
        for (unscaled, scale, text) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (-5, 2, "-0.05"),
            (12345, 2, "123.45"),
            (-12345, 0, "-12345"),
            (170_141_183_460_469_231_731_687_303_715_884_105_727, 24, "170141183460469.231731687303715884105727"),
        ] {
            assert_eq!(places(unscaled, scale), text);
        }
    }
}
