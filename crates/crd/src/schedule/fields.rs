//! The five fields of a cron schedule.

use super::BadSchedule;
use jiff::civil::Date;

/// Values of one field, as a bit set.
type Set = u64;

/// The five fields, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
    /// Whether `days` or `weekdays` was left open with `*` or `?`: then the other one alone
    /// decides.
    any_day: bool,
}

/// The range of a field's values.
struct Range {
    what: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const MINUTES: Range = Range { what: "the minutes", min: 0, max: 59, names: &[] };
const HOURS: Range = Range { what: "the hours", min: 0, max: 23, names: &[] };
const DAYS: Range = Range { what: "the days of the month", min: 1, max: 31, names: &[] };
const MONTHS: Range = Range {
    what: "the months",
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Range = Range {
    what: "the days of the week",
    min: 0,
    max: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl Fields {
    /// Reads five fields separated by space.
    pub(super) fn parse(text: &str) -> Result<Self, BadSchedule> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = parts.as_slice() else {
            return Err(BadSchedule::Form(text.to_owned()));
        };
        let (days, any_day) = DAYS.parse(days)?;
        let (weekdays, any_weekday) = WEEKDAYS.parse(weekdays)?;
        Ok(Self {
            minutes: MINUTES.parse(minutes)?.0,
            hours: HOURS.parse(hours)?.0,
            days,
            months: MONTHS.parse(months)?.0,
            weekdays,
            any_day: any_day || any_weekday,
        })
    }

    /// Whether the schedule is due on a day.
    pub(super) fn is_on(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let matches = if self.any_day { day && weekday } else { day || weekday };
        matches && has(self.months, date.month())
    }

    /// The hours and minutes, in order.
    pub(super) fn times(&self) -> impl Iterator<Item = (i8, i8)> {
        (0..24).filter(|hour| has(self.hours, *hour)).flat_map(move |hour| {
            (0..60)
                .filter(move |minute| has(self.minutes, *minute))
                .map(move |minute| (hour, minute))
        })
    }
}

fn has(set: Set, value: i8) -> bool {
    set & (1 << value) != 0
}

impl Range {
    /// Reads a field; also returns whether it is left open.
    fn parse(&self, text: &str) -> Result<(Set, bool), BadSchedule> {
        let mut set = 0;
        let mut open = false;
        for part in text.split(',') {
            let (values, part_open) = self.part(part).map_err(|problem| BadSchedule::Field {
                field: self.what,
                text: text.to_owned(),
                problem,
            })?;
            set |= values;
            open |= part_open;
        }
        Ok((set, open))
    }

    /// Reads `*`, `5` or `mon-fri`, each with an optional `/step`.
    fn part(&self, text: &str) -> Result<(Set, bool), String> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step_of(step)?)),
            None => (text, None),
        };
        let open = matches!(range, "*" | "?");
        let (from, to) = if open {
            (self.min, self.max)
        } else if let Some((from, to)) = range.split_once('-') {
            (self.value(from)?, self.value(to)?)
        } else {
            let from = self.value(range)?;
            // `5/10` starts at 5 and goes on to the maximum.
            (from, if step.is_some() { self.max } else { from })
        };
        if from > to {
            return Err(format!("{from} comes after {to}"));
        }
        let step = step.unwrap_or(1);
        let set = (from..=to).step_by(step).fold(0, |set, value| set | (1 << value));
        Ok((set, open && step == 1))
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let lower = text.to_ascii_lowercase();
        if let Some(index) = self.names.iter().position(|name| *name == lower) {
            return Ok(self.min + u32::try_from(index).unwrap_or_default());
        }
        let value: u32 = text
            .parse()
            .ok()
            .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| format!("`{text}` is not a number{}", self.or_name()))?;
        if !(self.min..=self.max).contains(&value) {
            return Err(format!("{value} is not between {} and {}", self.min, self.max));
        }
        Ok(value)
    }

    fn or_name(&self) -> String {
        self.names.first().map_or_else(String::new, |name| format!(" or a name such as `{name}`"))
    }
}

fn step_of(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(step) if step > 0 => Ok(step),
        _ => Err(format!("`{text}` is not a step")),
    }
}
