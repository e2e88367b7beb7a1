//! Identity of a stage: a hash of everything its rows depend on. Equal identities must mean equal
//! rows; plans that compute the same should have equal identities, even if their columns are
//! numbered differently.
//!
//! The hash covers the plan's structure: its encoded message is walked field by field, with the
//! kinds of fields from DataFusion's own descriptor. Columns have opaque names (`#17`); the few
//! fields that contain such names are hashed by the number of the name's first occurrence, all
//! other fields as they are. A field missing from these few costs a reuse, but never gives a wrong
//! answer.

use bytes::Bytes;
use model::Fingerprint;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Everything that a stage's rows depend on.
pub(crate) struct Identity<'a> {
    /// The encoded plan. Its leaves name the shuffles they read, and thereby the identities of the
    /// parents.
    pub(crate) plan: &'a [u8],
    /// Inputs of each task: files by path, size and modification time; rows; numbers.
    pub(crate) bindings: &'a [Bytes],
    /// Number of reader partitions, if it writes a shuffle.
    pub(crate) readers: Option<u32>,
    /// Makes the identity unique: its rows differ from run to run, or reuse across jobs is
    /// disabled.
    pub(crate) nonce: Option<uuid::Uuid>,
}

impl Identity<'_> {
    /// Computes the hash.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut walk = Walk::default();
        walk.part(concat!("firesteel ", env!("CARGO_PKG_VERSION")).as_bytes());
        walk.part(datafusion::DATAFUSION_VERSION.as_bytes());
        walk.message(self.plan, Messages::PLAN).expect("a message decodes with its own descriptor");
        self.bindings.iter().for_each(|binding| walk.part(binding));
        walk.number(self.readers.map_or(u64::MAX, u64::from));
        walk.part(self.nonce.as_ref().map_or(&[], |number| number.as_bytes()));
        Fingerprint(*walk.hash.finalize().as_bytes())
    }
}

/// Fields that contain column names, by message and field.
const NAMES: [(&str, &str); 7] = [
    ("datafusion.PhysicalColumn", "name"),
    ("datafusion.ProjectionExecNode", "expr_name"),
    ("datafusion.ProjectionExpr", "alias"),
    ("datafusion.AggregateExecNode", "group_expr_name"),
    ("datafusion.AggregateExecNode", "aggr_expr_name"),
    ("datafusion.PhysicalWindowExprNode", "name"),
    ("datafusion.PhysicalScalarUdfNode", "return_field_name"),
];

/// A field that is only shown. It has lengths of column names in it, besides the names.
const SHOWN: (&str, &str) = ("datafusion.PhysicalAggregateExprNode", "human_display");

/// The message whose fields are columns. Fields of other fields have user-given names.
const SCHEMA: &str = "datafusion_common.Schema";
const FIELD: &str = "datafusion_common.Field";

/// How a field is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// As it is.
    Plain,
    /// Not at all.
    Shown,
    /// As a column's name.
    Name,
    /// As a message, of this place in `Messages`.
    Message(usize),
    /// As entries, which are messages; their order does not matter.
    Entries(usize),
}

/// The messages of plans, and how their fields are hashed, by number.
struct Messages(Vec<HashMap<u32, Content>>);

static MESSAGES: LazyLock<Messages> = LazyLock::new(|| {
    let described = include_bytes!("../generated/datafusion.binpb");
    let pool =
        DescriptorPool::decode(described.as_slice()).expect("the generated file is complete");
    let plan = pool
        .get_message_by_name("datafusion.PhysicalPlanNode")
        .expect("the generated file describes plans");
    Messages::below(plan)
});

impl Messages {
    /// A physical plan.
    const PLAN: usize = 0;

    /// All messages that one may contain, which is the first. Fields of a schema are columns, and
    /// have a place of their own.
    fn below(root: MessageDescriptor) -> Self {
        let mut found = vec![(root, false)];
        let mut contents = Vec::new();
        while let Some((message, column)) = found.get(contents.len()).cloned() {
            let of = |field: FieldDescriptor| {
                (field.number(), content(&field, &message, column, &mut found))
            };
            contents.push(message.fields().map(of).collect());
        }
        Self(contents)
    }
}

fn content(
    field: &FieldDescriptor,
    message: &MessageDescriptor,
    column: bool,
    found: &mut Vec<(MessageDescriptor, bool)>,
) -> Content {
    let place = (message.full_name(), field.name());
    let Kind::Message(inner) = field.kind() else {
        let named = NAMES.contains(&place) || (column && place == (FIELD, "name"));
        return match (place == SHOWN, named) {
            (true, _) => Content::Shown,
            (false, true) => Content::Name,
            (false, false) => Content::Plain,
        };
    };
    let inner = (inner, message.full_name() == SCHEMA);
    let known = found.iter().position(|known| *known == inner).unwrap_or_else(|| {
        found.push(inner);
        found.len() - 1
    });
    if field.is_map() { Content::Entries(known) } else { Content::Message(known) }
}

/// Walk over a message, in the order in which its fields are encoded.
#[derive(Default)]
struct Walk {
    hash: blake3::Hasher,
    /// Numbers of opaque names, in order of first occurrence.
    names: HashMap<String, u64>,
}

impl Walk {
    fn number(&mut self, number: u64) {
        self.hash.update(&number.to_le_bytes());
    }

    /// Hashes bytes with a length prefix, so that they are unambiguous.
    fn part(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.hash.update(bytes);
    }

    /// Hashes a message; `None` if it is none.
    fn message(&mut self, mut message: &[u8], kind: usize) -> Option<()> {
        self.number(kind as u64);
        let mut entries: Vec<(u32, usize, &[u8])> = Vec::new();
        while !message.is_empty() {
            let (field, wire) = decode_key(&mut message).ok()?;
            let content = MESSAGES.0[kind].get(&field).copied().unwrap_or(Content::Plain);
            let value = value(&mut message, (field, wire))?;
            match content {
                Content::Shown => {}
                Content::Entries(kind) => entries.push((field, kind, value)),
                Content::Plain => {
                    self.number(u64::from(field));
                    self.part(value);
                }
                Content::Name => {
                    self.number(u64::from(field));
                    self.name(&String::from_utf8_lossy(value));
                }
                Content::Message(kind) => {
                    self.number(u64::from(field));
                    self.message(value, kind)?;
                }
            }
        }
        // Maps are encoded in any order.
        entries.sort_unstable();
        for (field, kind, value) in entries {
            self.number(u64::from(field));
            self.message(value, kind)?;
        }
        self.number(u64::MAX);
        Some(())
    }

    /// Hashes a column name. DataFusion builds names from others (`sum(#7)`): the opaque names
    /// inside are numbered, the text around them stays.
    fn name(&mut self, text: &str) {
        self.number(text.matches('#').count() as u64);
        let mut rest = text;
        while let Some(start) = rest.find('#') {
            let (before, from) = rest.split_at(start);
            let end = from[1..].find(|c: char| !c.is_ascii_digit()).map_or(from.len(), |at| at + 1);
            self.part(before.as_bytes());
            if end > 1 {
                let next = self.names.len() as u64;
                let number = *self.names.entry(from[..end].to_owned()).or_insert(next);
                self.number(number);
            } else {
                self.part(b"#");
            }
            rest = &from[end..];
        }
        self.part(rest.as_bytes());
    }
}

/// Takes a field's value: the content of strings, bytes and messages, the encoding of numbers.
fn value<'a>(rest: &mut &'a [u8], (field, wire): (u32, WireType)) -> Option<&'a [u8]> {
    if wire == WireType::LengthDelimited {
        let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
        let (value, after) = rest.split_at_checked(length)?;
        *rest = after;
        return Some(value);
    }
    let start = *rest;
    skip_field(wire, field, rest, DecodeContext::default()).ok()?;
    Some(&start[..start.len() - rest.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::common::ScalarValue;
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::physical_plan::filter::FilterExec;
    use datafusion::physical_plan::projection::ProjectionExec;
    use prost::Message;
    use std::collections::HashMap as Metadata;
    use std::sync::Arc;

    /// `SELECT first = text AS second` over a column with metadata.
    fn hash(first: &str, text: &str, second: &str, metadata: &[(&str, &str)]) -> Fingerprint {
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        let metadata: Metadata<_, _> = metadata.iter().map(owned).collect();
        let field = Field::new(first, DataType::Utf8, true).with_metadata(metadata);
        let input = Arc::new(EmptyExec::new(Arc::new(Schema::new(vec![field]))));
        let value = Arc::new(Literal::new(ScalarValue::Utf8(Some(text.to_owned()))));
        let column = Arc::new(Column::new(first, 0));
        let compared = Arc::new(BinaryExpr::new(column, Operator::Eq, value));
        let rows = FilterExec::try_new(Arc::clone(&compared) as _, input).unwrap();
        let exprs = vec![(compared as _, second.to_owned())];
        let plan = ProjectionExec::try_new(exprs, Arc::new(rows)).unwrap();
        let plan = task::codec::plan_message(Arc::new(plan)).unwrap().encode_to_vec();
        Identity { plan: &plan, bindings: &[], readers: Some(1), nonce: None }.fingerprint()
    }

    #[test]
    fn column_numbers_do_not_matter_and_everything_else_does() {
        let base = hash("#1", "#1", "#2", &[]);
        assert_eq!(hash("#7", "#1", "#9", &[]), base);
        let others = [
            ("a value that looks like a column", hash("#1", "#2", "#2", &[])),
            ("a column used twice", hash("#1", "#1", "#1", &[])),
            ("another name", hash("#1", "#1", "x", &[])),
            ("metadata", hash("#1", "#1", "#2", &[("k", "v")])),
        ];
        for (what, other) in others {
            assert_ne!(other, base, "{what}");
        }
    }

    #[test]
    fn the_order_of_a_map_does_not_matter() {
        let entries: Vec<(String, String)> =
            (0..20).map(|n| (format!("k{n}"), format!("v{n}"))).collect();
        let entries: Vec<_> = entries.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let base = hash("#1", "x", "#2", &entries);
        for _ in 0..8 {
            assert_eq!(hash("#1", "x", "#2", &entries), base);
        }
    }
}
