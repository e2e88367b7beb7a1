//! Alignment of values and types by field name: `unionByName`, and `to`.

use super::typed::Typed;
use super::{Resolver, Result, error};
use errors::condition;
use plan::{DataType, Field};

impl Resolver<'_> {
    /// A value with the fields of a type; anything but structs keeps its own type.
    pub(super) fn in_shape(&self, value: Typed, to: DataType) -> Result<Typed> {
        let arrow = formats::types::to_arrow(&to);
        if value.arrow() == arrow {
            return Ok(Typed { data_type: to, ..value });
        }
        let expr = functions::in_shape(value.expr, &arrow, self.context.case_sensitive)?;
        Ok(Typed { expr, data_type: to, aliased: true, ..value })
    }

    /// The first type, extended with the fields of the second one (which come last) if `all` is
    /// set. Anything but structs keeps the first type.
    pub(super) fn with_fields_of(&self, one: &DataType, other: &DataType, all: bool) -> DataType {
        match (one, other) {
            (DataType::Struct(fields), DataType::Struct(others)) => {
                let find = |name: &str, of: &[Field]| {
                    of.iter().find(|field| self.context.same(&field.name, name)).cloned()
                };
                let mut made: Vec<Field> = Vec::new();
                for field in fields {
                    made.push(match find(&field.name, others) {
                        Some(same) => Field {
                            data_type: self.with_fields_of(&field.data_type, &same.data_type, all),
                            ..field.clone()
                        },
                        None => field.clone(),
                    });
                }
                let missing = others.iter().filter(|field| find(&field.name, fields).is_none());
                if all {
                    made.extend(missing.map(|field| Field { nullable: true, ..field.clone() }));
                }
                DataType::Struct(made)
            }
            (
                DataType::Array { element, contains_null },
                DataType::Array { element: other, .. },
            ) => DataType::Array {
                element: Box::new(self.with_fields_of(element, other, all)),
                contains_null: *contains_null,
            },
            (
                DataType::Map { key, value, value_contains_null },
                DataType::Map { key: other_key, value: other, .. },
            ) => DataType::Map {
                key: Box::new(self.with_fields_of(key, other_key, all)),
                value: Box::new(self.with_fields_of(value, other, all)),
                value_contains_null: *value_contains_null,
            },
            _ => one.clone(),
        }
    }

    /// The second type, with its fields in the order of the first one, which may have more. `None`
    /// if the second one has fields that the first lacks.
    pub(super) fn ordered_as(&self, one: &DataType, other: &DataType) -> Option<DataType> {
        match (one, other) {
            (DataType::Struct(fields), DataType::Struct(others)) => {
                let same =
                    |field: &Field, other: &Field| self.context.same(&field.name, &other.name);
                if !others.iter().all(|other| fields.iter().any(|field| same(field, other))) {
                    return None;
                }
                let ordered = fields.iter().map(|field| {
                    match others.iter().find(|other| same(field, other)) {
                        Some(other) => Some(Field {
                            name: field.name.clone(),
                            data_type: self.ordered_as(&field.data_type, &other.data_type)?,
                            ..other.clone()
                        }),
                        None => Some(Field { nullable: true, ..field.clone() }),
                    }
                });
                Some(DataType::Struct(ordered.collect::<Option<_>>()?))
            }
            (
                DataType::Array { element, .. },
                DataType::Array { element: other, contains_null },
            ) => Some(DataType::Array {
                element: Box::new(self.ordered_as(element, other)?),
                contains_null: *contains_null,
            }),
            (
                DataType::Map { key, value, .. },
                DataType::Map { key: other_key, value: other, value_contains_null },
            ) => Some(DataType::Map {
                key: Box::new(self.ordered_as(key, other_key)?),
                value: Box::new(self.ordered_as(value, other)?),
                value_contains_null: *value_contains_null,
            }),
            _ => Some(other.clone()),
        }
    }

    /// A value as a column of a given type, like `to`: fields are matched by name, other types by
    /// store assignment.
    pub(super) fn stored_as(&self, value: Typed, to: &DataType, path: &str) -> Result<Typed> {
        let shape = self.storable(&value.data_type, to, path)?;
        let value = self.in_shape(value, shape)?;
        self.coerced(value, to)
    }

    /// The wanted type, with everything but structs replaced by the existing type.
    fn storable(&self, from: &DataType, to: &DataType, path: &str) -> Result<DataType> {
        let inner = |name: &str| format!("{path}.{}", plan::quote_name(name));
        match (from, to) {
            (DataType::Struct(fields), DataType::Struct(wanted)) => {
                let mut made = Vec::new();
                for want in wanted {
                    let found = fields.iter().find(|f| self.context.same(&f.name, &want.name));
                    let Some(found) = found else {
                        if !want.nullable {
                            return Err(no_field(&want.name, path, fields));
                        }
                        made.push(want.clone());
                        continue;
                    };
                    if found.nullable && !want.nullable {
                        return Err(nullable(&inner(&want.name)));
                    }
                    let data_type =
                        self.storable(&found.data_type, &want.data_type, &inner(&want.name))?;
                    made.push(Field { data_type, nullable: found.nullable, ..want.clone() });
                }
                Ok(DataType::Struct(made))
            }
            (
                DataType::Array { element, contains_null },
                DataType::Array { element: wanted, contains_null: may },
            ) => {
                if *contains_null && !may {
                    return Err(nullable_element(path));
                }
                let element = Box::new(self.storable(element, wanted, &inner("element"))?);
                Ok(DataType::Array { element, contains_null: *contains_null })
            }
            (
                DataType::Map { key, value, value_contains_null },
                DataType::Map { key: wanted_key, value: wanted, value_contains_null: may },
            ) => {
                if *value_contains_null && !may {
                    return Err(nullable_value(path));
                }
                Ok(DataType::Map {
                    key: Box::new(self.storable(key, wanted_key, &inner("key"))?),
                    value: Box::new(self.storable(value, wanted, &inner("value"))?),
                    value_contains_null: *value_contains_null,
                })
            }
            _ if from == to || may_be_stored(from, to) => Ok(from.clone()),
            _ => {
                let (shown, wanted) = (format!("\"{}\"", from.sql()), format!("\"{}\"", to.sql()));
                let message = format!(
                    "Column or field {path} is of type {shown} while it's required to be {wanted}."
                );
                let parameters =
                    [("name", path), ("type", shown.as_str()), ("expectedType", wanted.as_str())];
                Err(error::analysis(
                    condition::INVALID_COLUMN_OR_FIELD_DATA_TYPE,
                    message,
                    &parameters,
                ))
            }
        }
    }
}

/// Whether Spark implicitly casts a value when it is stored as another type.
fn may_be_stored(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Array, Char, Date, DayTimeInterval, Map, Null, String, Struct, Timestamp, TimestampNtz,
        Varchar, YearMonthInterval,
    };
    let is_number = |of: &DataType| {
        of.is_integral()
            || matches!(of, DataType::Float | DataType::Double | DataType::Decimal { .. })
    };
    match (from, to) {
        (Null, _) => true,
        (Array { .. } | Map { .. } | Struct(_), _) => false,
        (_, String | Char(_) | Varchar(_)) => true,
        (Date | Timestamp | TimestampNtz, Date | Timestamp | TimestampNtz) => true,
        (YearMonthInterval { .. }, YearMonthInterval { .. })
        | (DayTimeInterval { .. }, DayTimeInterval { .. }) => true,
        (from, to) => is_number(from) && is_number(to),
    }
}

fn nullable(path: &str) -> super::Stop {
    let message =
        format!("Column or field {path} is nullable while it's required to be non-nullable.");
    error::analysis(condition::NULLABLE_COLUMN_OR_FIELD, message, &[("name", path)])
}

fn nullable_element(path: &str) -> super::Stop {
    let message = format!(
        "Assigning a NULL is not allowed here. The array {path} is defined to contain only elements that are NOT NULL."
    );
    let condition = condition::NOT_NULL_CONSTRAINT_VIOLATION_ARRAY_ELEMENT;
    error::analysis(condition, message, &[("columnPath", path)])
}

fn nullable_value(path: &str) -> super::Stop {
    let message = format!(
        "Assigning a NULL is not allowed here. The map {path} is defined to contain only values that are NOT NULL."
    );
    let condition = condition::NOT_NULL_CONSTRAINT_VIOLATION_MAP_VALUE;
    error::analysis(condition, message, &[("columnPath", path)])
}

fn no_field(name: &str, path: &str, fields: &[Field]) -> super::Stop {
    let shown = plan::quote_name(name);
    let known: Vec<_> = fields.iter().map(|field| plan::quote_name(&field.name)).collect();
    let list = known.join(", ");
    let message = format!(
        "A field with name {shown} cannot be resolved with the struct-type column {path}. Did you mean one of the following? [{list}]."
    );
    let parameters = [("fieldName", shown.as_str()), ("columnPath", path), ("proposal", &list)];
    error::analysis(condition::UNRESOLVED_FIELD_WITH_SUGGESTION, message, &parameters)
}
