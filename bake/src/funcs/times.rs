//! Times.

use super::{Function, whole};
use crate::error::Error;
use crate::value::Value;
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(super) const TABLE: &[Function] = &[
    ("timestamp", 0, 0, |_, facts| {
        let now = Timestamp::from_second(facts.now).map_err(|error| Error::new(error.to_string()))?;
        Ok(Value::String(now.to_string()))
    }),
    ("unixtimestampparse", 1, 1, |a, _| {
        let time = Timestamp::from_second(whole(&a[0])?).map_err(|error| Error::new(error.to_string()))?;
        let at = time.to_zoned(TimeZone::UTC);
        let week = at.date().iso_week_date();
        let month = at.strftime("%B").to_string();
        let weekday = at.strftime("%A").to_string();
        let number = |of: i16| Value::Number(f64::from(of));
        Ok(Value::Object(
            [
                ("year", number(at.year())),
                ("year_day", number(at.day_of_year())),
                ("day", number(at.day().into())),
                ("month", number(at.month().into())),
                ("month_name", Value::String(month)),
                ("weekday", number(at.weekday().to_sunday_zero_offset().into())),
                ("weekday_name", Value::String(weekday)),
                ("hour", number(at.hour().into())),
                ("minute", number(at.minute().into())),
                ("second", number(at.second().into())),
                ("rfc3339", Value::String(time.to_string())),
                ("iso_year", number(week.year())),
                ("iso_week", number(week.week().into())),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        ))
    }),
];
