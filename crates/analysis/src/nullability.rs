//! Nullability inside arrays, maps and structs, as declared by Spark. The engine's own types do not
//! have it: in plans every part of a value may be null.

use plan::{DataType, Field};

/// Type and nullability of an argument.
pub(super) type Argument = (DataType, bool);

/// The result type of a call: the engine's type `found`, with Spark's declaration of nested
/// nullability.
pub(super) fn declared(name: &str, args: &[Argument], found: DataType) -> DataType {
    let first = args.first().map(|(data_type, _)| data_type);
    let any_nullable = || args.iter().any(|(_, nullable)| *nullable);
    match (name, found) {
        ("array", found) => elements(found, any_nullable(), args),
        (
            "array_distinct" | "slice" | "shuffle" | "reverse" | "sort_array" | "array_sort"
            | "array_remove" | "array_except" | "map_filter",
            found,
        ) => first.filter(|of| alike(of, &found)).cloned().unwrap_or(found),
        (
            "split" | "sequence" | "map_keys" | "map_entries" | "array_compact" | "collect_list"
            | "collect_set" | "array_agg" | "arrays_zip" | "sentences" | "percentile_approx"
            | "approx_percentile" | "percentile",
            DataType::Array { element, .. },
        ) => DataType::Array {
            element: Box::new(inner(name, first, *element)),
            contains_null: false,
        },
        ("map_values", DataType::Array { element, .. }) => {
            let contains_null =
                !matches!(first, Some(DataType::Map { value_contains_null: false, .. }));
            DataType::Array { element: Box::new(inner(name, first, *element)), contains_null }
        }
        ("array_append" | "array_prepend" | "array_insert", DataType::Array { element, .. }) => {
            let item = args.last().is_some_and(|(_, nullable)| *nullable);
            let contains_null = item || contains_null(first) || name == "array_insert";
            DataType::Array { element, contains_null }
        }
        ("array_repeat", DataType::Array { element, .. }) => {
            let element = first.filter(|of| alike(of, &element)).cloned().unwrap_or(*element);
            let contains_null = args.first().is_none_or(|(_, nullable)| *nullable);
            DataType::Array { element: Box::new(element), contains_null }
        }
        ("concat" | "array_union", found @ DataType::Array { .. }) => merged(found, args),
        ("array_intersect", DataType::Array { element, .. }) => {
            let contains_null = args.iter().all(|(of, _)| contains_null(Some(of)));
            DataType::Array { element, contains_null }
        }
        ("flatten", found) => match first {
            Some(DataType::Array { element, .. }) if alike(element, &found) => (**element).clone(),
            _ => found,
        },
        (name, found) if name.starts_with("map") => of_map(name, args, found),
        (name, found) => of_values(name, args, found),
    }
}

/// The type of a map that a function returns.
fn of_map(name: &str, args: &[Argument], found: DataType) -> DataType {
    let first = args.first().map(|(data_type, _)| data_type);
    match (name, found) {
        ("map", DataType::Map { key, value, .. }) => {
            let values = || args.iter().skip(1).step_by(2);
            let value_contains_null = values().any(|(_, nullable)| *nullable);
            let of_values: Vec<Argument> = values().cloned().collect();
            DataType::Map { key, value: Box::new(merged(*value, &of_values)), value_contains_null }
        }
        ("map_from_arrays", DataType::Map { key, value, .. }) => DataType::Map {
            key,
            value,
            value_contains_null: contains_null(args.get(1).map(|(of, _)| of)),
        },
        ("map_from_entries", DataType::Map { key, value, .. }) => {
            let value_contains_null = match first {
                Some(DataType::Array { element, .. }) => match element.as_ref() {
                    DataType::Struct(pair) => pair.get(1).is_none_or(|field| field.nullable),
                    _ => true,
                },
                _ => true,
            };
            DataType::Map { key, value, value_contains_null }
        }
        ("map_concat", found @ DataType::Map { .. }) => merged(found, args),
        (_, found) => found,
    }
}

/// The type of a value that a function extracts from its arguments.
fn of_values(name: &str, args: &[Argument], found: DataType) -> DataType {
    let first = args.first().map(|(data_type, _)| data_type);
    match (name, found) {
        ("element_at" | "try_element_at" | "get" | "[]", found) => match first {
            Some(DataType::Array { element: part, .. } | DataType::Map { value: part, .. })
                if alike(part, &found) =>
            {
                (**part).clone()
            }
            _ => found,
        },
        (
            "first" | "first_value" | "last" | "last_value" | "any_value" | "max" | "min"
            | "max_by" | "min_by" | "mode" | "lead" | "lag" | "nth_value" | "nullif",
            found,
        ) => first.filter(|of| alike(of, &found)).cloned().unwrap_or(found),
        ("coalesce" | "ifnull" | "nvl" | "greatest" | "least", found) => merged(found, args),
        ("nvl2" | "if", found) => merged(found, args.get(1..).unwrap_or_default()),
        ("when", found) => {
            let pairs = args.len() / 2 * 2;
            let values = args.iter().enumerate().filter(|(i, _)| i % 2 == 1 || *i >= pairs);
            merged(found, &values.map(|(_, arg)| arg.clone()).collect::<Vec<_>>())
        }
        ("-", found @ DataType::DayTimeInterval { .. })
            if args.iter().all(|(of, _)| *of == DataType::Date) =>
        {
            let (start, end) = (plan::IntervalUnit::Day, plan::IntervalUnit::Day);
            if args.len() == 2 { DataType::DayTimeInterval { start, end } } else { found }
        }
        ("+" | "-" | "abs" | "negative" | "positive", found) => {
            if args.iter().all(|(of, _)| alike(of, &found)) { merged(found, args) } else { found }
        }
        (_, found) => found,
    }
}

/// The result type of a higher-order function. The last of `args` is the result of the first
/// lambda.
pub(super) fn of_lambda(
    name: &str,
    values: &[DataType],
    result: &Argument,
    found: DataType,
) -> DataType {
    let (made, nullable) = result;
    let first = values.first();
    match (name, found) {
        ("transform" | "zip_with", DataType::Array { element, .. }) => {
            let element = if alike(made, &element) { made.clone() } else { *element };
            DataType::Array { element: Box::new(element), contains_null: *nullable }
        }
        ("filter" | "array_sort" | "map_filter", found) => {
            first.filter(|of| alike(of, &found)).cloned().unwrap_or(found)
        }
        ("transform_values" | "map_zip_with", DataType::Map { key, value, .. }) => {
            let value = if alike(made, &value) { made.clone() } else { *value };
            DataType::Map { key, value: Box::new(value), value_contains_null: *nullable }
        }
        ("transform_keys", DataType::Map { key, value, .. }) => {
            let key = if alike(made, &key) { made.clone() } else { *key };
            match first {
                Some(DataType::Map { value: old, value_contains_null, .. }) => DataType::Map {
                    key: Box::new(key),
                    value: old.clone(),
                    value_contains_null: *value_contains_null,
                },
                _ => DataType::Map { key: Box::new(key), value, value_contains_null: true },
            }
        }
        (_, found) => found,
    }
}

/// Spark's nullability and type of each parameter of a lambda. `found` has the engine's types.
pub(super) fn parameters(
    (function, index): (&str, usize),
    values: &[DataType],
    found: Vec<DataType>,
) -> Vec<Argument> {
    let part = |at: usize| match values.get(at) {
        Some(DataType::Array { element, contains_null }) => {
            Some(((**element).clone(), *contains_null))
        }
        Some(DataType::Map { value, value_contains_null, .. }) => {
            Some(((**value).clone(), *value_contains_null))
        }
        _ => None,
    };
    let key = match values.first() {
        Some(DataType::Map { key, .. }) => Some(((**key).clone(), false)),
        _ => None,
    };
    let known: Vec<Option<Argument>> = match (function, index) {
        ("transform" | "filter", _) => vec![part(0), Some((DataType::Integer, false))],
        ("exists" | "forall", _) => vec![part(0)],
        ("array_sort", _) => vec![part(0), part(0)],
        ("aggregate" | "reduce", 2) => vec![None, part(0)],
        ("map_filter" | "transform_keys" | "transform_values", _) => vec![key, part(0)],
        ("map_zip_with", _) => vec![key, None, None],
        _ => Vec::new(),
    };
    let mut known = known.into_iter();
    let one = |found: DataType| match known.next().flatten() {
        Some((data_type, nullable)) if alike(&data_type, &found) => (data_type, nullable),
        _ => (found, true),
    };
    found.into_iter().map(one).collect()
}

/// Whether two types differ at most in nullability.
pub(super) fn alike(left: &DataType, right: &DataType) -> bool {
    formats::types::to_arrow(left) == formats::types::to_arrow(right)
}

fn contains_null(array: Option<&DataType>) -> bool {
    !matches!(array, Some(DataType::Array { contains_null: false, .. }))
}

/// The type of an array whose elements have the types of the arguments.
fn elements(found: DataType, contains_null: bool, args: &[Argument]) -> DataType {
    let DataType::Array { element, .. } = found else { return found };
    DataType::Array { element: Box::new(merged(*element, args)), contains_null }
}

/// The element type of an array that was extracted from another value.
fn inner(name: &str, of: Option<&DataType>, found: DataType) -> DataType {
    match (name, of) {
        ("map_keys", Some(DataType::Map { key, .. })) => (**key).clone(),
        ("map_values", Some(DataType::Map { value, .. })) => (**value).clone(),
        ("map_entries", Some(DataType::Map { key, value, value_contains_null })) => {
            DataType::Struct(vec![
                Field::new("key", (**key).clone(), false),
                Field::new("value", (**value).clone(), *value_contains_null),
            ])
        }
        ("array_compact", Some(DataType::Array { element, .. })) => (**element).clone(),
        ("collect_list" | "collect_set" | "array_agg", Some(of)) if alike(of, &found) => of.clone(),
        _ => found,
    }
}

/// The common type of types that differ at most in nullability and in the fields of intervals.
pub(super) fn common(types: &[DataType]) -> Option<DataType> {
    let (first, rest) = types.split_first()?;
    rest.iter().all(|other| alike(first, other)).then(|| rest.iter().fold(first.clone(), either))
}

/// The type that can hold values of all of these, which differ at most in nullability.
fn merged(found: DataType, args: &[Argument]) -> DataType {
    let mut types = args.iter().map(|(of, _)| of).filter(|of| **of != DataType::Null);
    let Some(first) = types.next() else { return found };
    if !args.iter().all(|(of, _)| *of == DataType::Null || alike(of, &found)) {
        return found;
    }
    types.fold(first.clone(), either)
}

fn either(left: DataType, right: &DataType) -> DataType {
    match (left, right) {
        (
            DataType::Array { element, contains_null },
            DataType::Array { element: other, contains_null: or },
        ) => DataType::Array {
            element: Box::new(either(*element, other)),
            contains_null: contains_null || *or,
        },
        (
            DataType::Map { key, value, value_contains_null },
            DataType::Map { key: other_key, value: other, value_contains_null: or },
        ) => DataType::Map {
            key: Box::new(either(*key, other_key)),
            value: Box::new(either(*value, other)),
            value_contains_null: value_contains_null || *or,
        },
        (DataType::Struct(fields), DataType::Struct(others)) => DataType::Struct(
            fields
                .into_iter()
                .zip(others)
                .map(|(field, other)| Field {
                    data_type: either(field.data_type, &other.data_type),
                    nullable: field.nullable || other.nullable,
                    ..field
                })
                .collect(),
        ),
        (left, right) => wider_interval(&left, right).unwrap_or(left),
    }
}

/// An interval with the fields of both.
fn wider_interval(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::{DayTimeInterval, YearMonthInterval};
    Some(match (left, right) {
        (DayTimeInterval { start, end }, DayTimeInterval { start: from, end: to }) => {
            DayTimeInterval { start: *start.min(from), end: *end.max(to) }
        }
        (YearMonthInterval { start, end }, YearMonthInterval { start: from, end: to }) => {
            YearMonthInterval { start: *start.min(from), end: *end.max(to) }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(contains_null: bool) -> DataType {
        DataType::Array { element: Box::new(DataType::Long), contains_null }
    }

    fn map(value_contains_null: bool) -> DataType {
        DataType::Map {
            key: Box::new(DataType::String),
            value: Box::new(DataType::Long),
            value_contains_null,
        }
    }

    #[test]
    fn nested_nullability_is_declared_as_by_spark() {
        let long = |nullable| (DataType::Long, nullable);
        let text = (DataType::String, false);
        let date = (DataType::Date, false);
        let day = plan::IntervalUnit::Day;
        let days = DataType::DayTimeInterval { start: day, end: day };
        let cases = [
            ("array", vec![long(false), long(false)], array(true), array(false)),
            ("array", vec![long(false), long(true)], array(true), array(true)),
            ("array_append", vec![(array(false), true), long(true)], array(true), array(true)),
            ("array_append", vec![(array(false), true), long(false)], array(true), array(false)),
            (
                "array_union",
                vec![(array(false), true), (array(true), true)],
                array(true),
                array(true),
            ),
            ("map", vec![text.clone(), long(false)], map(true), map(false)),
            ("map", vec![text.clone(), long(true)], map(true), map(true)),
            ("map_values", vec![(map(false), false)], array(true), array(false)),
            ("sort_array", vec![(array(false), true)], array(true), array(false)),
            (
                "coalesce",
                vec![(array(false), true), (array(true), false)],
                array(true),
                array(true),
            ),
            ("collect_list", vec![long(true)], array(true), array(false)),
            ("element_at", vec![(array(false), true), long(false)], DataType::Long, DataType::Long),
            ("array_join", vec![(array(false), true), text], DataType::String, DataType::String),
            ("-", vec![date.clone(), date], DataType::DAY_TIME, days.clone()),
            (
                "+",
                vec![(days.clone(), true), (DataType::DAY_TIME, true)],
                DataType::DAY_TIME,
                DataType::DAY_TIME,
            ),
            ("-", vec![(days.clone(), true)], DataType::DAY_TIME, days),
        ];
        for (name, args, found, expected) in cases {
            assert_eq!(declared(name, &args, found), expected, "{name} of {args:?}");
        }
        let mapped = of_lambda("transform", &[array(true)], &(DataType::Long, false), array(true));
        assert_eq!(mapped, array(false));
        let given =
            parameters(("transform", 1), &[array(false)], vec![DataType::Long, DataType::Integer]);
        assert_eq!(given, [(DataType::Long, false), (DataType::Integer, false)]);
    }
}
