//! Encoding of a stage's template (a plan whose leaves are placeholders, in DataFusion's format
//! with our nodes added) and of a task's binding (the input of each leaf). Driver and executors
//! have the same version, so the format need not be stable.
//!
//! A template is a JSON header, prefixed with its length, followed by the plan. The plan of a map
//! stage has a `RepartitionExec` on top, which describes the routing of rows and is never run. A
//! binding lists the inputs in the order in which a pre-order walk meets the leaves.

use crate::nodes::{BranchExec, ConcatExec, Equivalences, LeafExec, LeafKind, SampleExec};
use crate::python::{PythonExec, PythonSpec};
use bytes::Bytes;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, not_impl_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::WindowUDF;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{
    AsExecutionPlan, PhysicalExtensionCodec, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::PhysicalPlanNode;
use model::ShuffleId;
use prost::Message;
use serde::{Deserialize, Serialize};
use sources::{Run, WriteExec};
use std::sync::Arc;

/// Properties of a stage that its tasks need besides the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Number of reader partitions of the shuffle that the stage writes; `None` for a result stage.
    pub readers: Option<u32>,
    /// Compression of the blocks it writes.
    pub compression: Compression,
    /// The shuffles that the leaves read.
    pub inputs: Vec<ShuffleId>,
    /// Number of tasks of the stage.
    pub tasks: u32,
}

/// Compression of shuffle blocks. Readers learn it from the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// No compression.
    None,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// The input of a task at one leaf (or union, `coalesce` or Python node) of its plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// At a union: the index of the branch to run.
    Branch(u32),
    /// At a `coalesce`: the number of copies of its child; their inputs follow, one copy after the
    /// other.
    Copies(u32),
    /// Blocks of a range of reader partitions.
    Blocks {
        /// First reader partition.
        from: u32,
        /// End of the range, exclusive.
        to: u32,
    },
    /// Of a range of reader partitions, the blocks that some maps wrote.
    Part {
        /// First reader partition, and the end of the range, exclusive.
        readers: (u32, u32),
        /// First map, and the end of the range, exclusive.
        maps: (u32, u32),
    },
    /// At a Python node: the number of its partition, whatever task computes it.
    Number(u32),
    /// At no leaf: the number of the partition for functions that depend on it, if it is not the
    /// task's own.
    Task(u32),
    /// The one block of a single map output.
    Output(u32),
    /// Numbers of a range.
    Run(Run),
    /// Rows as an Arrow IPC stream.
    Rows(Bytes),
    /// A partition, as encoded by the source.
    Partition(Bytes),
}

/// Serialised form of `Input`: bytes are represented by their length, and follow the header.
#[derive(Serialize, Deserialize)]
enum Sent {
    B(u32),
    C(u32),
    S(u32, u32),
    Q((u32, u32), (u32, u32)),
    M(u32),
    I(u32),
    T(u32),
    N(Run),
    R(usize),
    P(usize),
}

/// A decoding error. As both sides have the same version, it means a bug or corruption.
pub(crate) fn bad(what: &str) -> DataFusionError {
    exec_datafusion_err!("cannot decode a {what}")
}

/// Puts a JSON header before a body.
fn framed<T: Serialize>(head: &T, body: &[&[u8]]) -> Result<Bytes> {
    let head = serde_json::to_vec(head).map_err(|e| DataFusionError::External(Box::new(e)))?;
    let length = u32::try_from(head.len()).map_err(|_| bad("header of more than 4 GiB"))?;
    let mut out = length.to_le_bytes().to_vec();
    out.extend_from_slice(&head);
    for part in body {
        out.extend_from_slice(part);
    }
    Ok(out.into())
}

/// The header, and the offset of the body.
fn unframed<T: for<'a> Deserialize<'a>>(bytes: &[u8], what: &str) -> Result<(T, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| bad(what))?;
    let length = u32::from_le_bytes(*length) as usize;
    let head = rest.get(..length).ok_or_else(|| bad(what))?;
    Ok((serde_json::from_slice(head).map_err(|_| bad(what))?, 4 + length))
}

/// Encodes a task's binding.
pub fn encode_binding(inputs: &[Input]) -> Result<Bytes> {
    let mut blobs: Vec<&[u8]> = Vec::new();
    let mut head = Vec::with_capacity(inputs.len());
    for input in inputs {
        head.push(match input {
            Input::Branch(number) => Sent::B(*number),
            Input::Copies(number) => Sent::C(*number),
            Input::Blocks { from, to } => Sent::S(*from, *to),
            Input::Part { readers, maps } => Sent::Q(*readers, *maps),
            Input::Output(map) => Sent::M(*map),
            Input::Number(number) => Sent::I(*number),
            Input::Task(number) => Sent::T(*number),
            Input::Run(run) => Sent::N(*run),
            Input::Rows(bytes) => {
                blobs.push(bytes);
                Sent::R(bytes.len())
            }
            Input::Partition(bytes) => {
                blobs.push(bytes);
                Sent::P(bytes.len())
            }
        });
    }
    framed(&head, &blobs)
}

/// Decodes a task's binding.
pub fn decode_binding(binding: &Bytes) -> Result<Vec<Input>> {
    let (head, mut at): (Vec<Sent>, usize) = unframed(binding, "binding")?;
    let mut blob = |length: usize| {
        let end = at.checked_add(length).filter(|end| *end <= binding.len());
        let end = end.ok_or_else(|| bad("binding"))?;
        let bytes = binding.slice(at..end);
        at = end;
        Ok::<_, DataFusionError>(bytes)
    };
    let input = |sent| {
        Ok(match sent {
            Sent::B(number) => Input::Branch(number),
            Sent::C(number) => Input::Copies(number),
            Sent::S(from, to) => Input::Blocks { from, to },
            Sent::Q(readers, maps) => Input::Part { readers, maps },
            Sent::M(map) => Input::Output(map),
            Sent::I(number) => Input::Number(number),
            Sent::T(number) => Input::Task(number),
            Sent::N(run) => Input::Run(run),
            Sent::R(length) => Input::Rows(blob(length)?),
            Sent::P(length) => Input::Partition(blob(length)?),
        })
    };
    head.into_iter().map(input).collect()
}

/// Converts a plan to DataFusion's message.
pub fn plan_message(plan: Arc<dyn ExecutionPlan>) -> Result<PhysicalPlanNode> {
    PhysicalPlanNode::try_from_physical_plan(plan, &Codec)
}

/// Encodes a stage's template around its encoded plan.
pub fn encode_template(template: &Template, plan: &[u8]) -> Result<Bytes> {
    framed(template, &[plan])
}

/// Decodes a template and its plan. Functions are looked up by name in `context`.
pub fn decode_template(
    bytes: &[u8],
    context: &TaskContext,
) -> Result<(Template, Arc<dyn ExecutionPlan>)> {
    let (template, start) = unframed(bytes, "template")?;
    let node = PhysicalPlanNode::decode(&bytes[start..]).map_err(|_| bad("plan"))?;
    Ok((template, node.try_into_physical_plan(context, &Codec)?))
}

/// Encodes our own nodes within DataFusion's format.
#[derive(Debug)]
pub struct Codec;

/// One of our nodes; DataFusion encodes its children.
#[derive(Serialize, Deserialize)]
enum Node {
    Leaf(LeafKind, Equivalences),
    Branch(Equivalences),
    Concat(Equivalences),
    /// Sample size, and number of keys.
    Sample(u32, u32),
    /// A Python node, as it encodes itself.
    Python(String),
    /// A write: the name of the sink, and the specification shared by all tasks.
    Write(String, String),
}

impl PhysicalExtensionCodec for Codec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let node = serde_json::from_slice(bytes).map_err(|_| bad("plan node"))?;
        let last = inputs.last().map(Arc::clone).ok_or_else(|| bad("plan node without input"))?;
        let others = || inputs[..inputs.len() - 1].to_vec();
        Ok(match node {
            Node::Leaf(kind, equivalences) => Arc::new(LeafExec::new(kind, last, equivalences)),
            Node::Branch(equivalences) => Arc::new(BranchExec::new(others(), last, equivalences)),
            Node::Concat(equivalences) => {
                Arc::new(ConcatExec::new(last.schema(), vec![last], equivalences))
            }
            Node::Python(spec) => {
                let spec = Arc::new(PythonSpec::decode(&spec)?);
                Arc::new(PythonExec::new(spec, others(), last.schema()).templated(last))
            }
            Node::Sample(rows, keys) => Arc::new(SampleExec::new(last, rows, keys)),
            Node::Write(source, spec) => Arc::new(WriteExec::new(last, &source, &spec)),
        })
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        out: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let message = if let Some(leaf) = node.downcast_ref::<LeafExec>() {
            Node::Leaf(leaf.kind().clone(), leaf.equivalences().clone())
        } else if let Some(union) = node.downcast_ref::<BranchExec>() {
            Node::Branch(union.equivalences().clone())
        } else if let Some(concat) = node.downcast_ref::<ConcatExec>() {
            Node::Concat(concat.equivalences().clone())
        } else if let Some(sample) = node.downcast_ref::<SampleExec>() {
            Node::Sample(sample.rows(), sample.keys())
        } else if let Some(python) = node.downcast_ref::<PythonExec>() {
            Node::Python(python.spec().encode())
        } else if let Some(write) = node.downcast_ref::<WriteExec>() {
            Node::Write(write.source().to_owned(), write.spec().to_owned())
        } else {
            return not_impl_err!("{} in a plan", node.name());
        };
        serde_json::to_writer(out, &message).map_err(|e| DataFusionError::External(Box::new(e)))
    }

    fn try_decode_udwf(&self, _: &str, bytes: &[u8]) -> Result<Arc<WindowUDF>> {
        functions::decode_window(bytes, |name| {
            let all = functions::all_udafs();
            let found = all.into_iter().find(|function| function.name() == name);
            found.ok_or_else(|| bad("window function"))
        })
    }

    fn try_encode_udwf(&self, function: &WindowUDF, out: &mut Vec<u8>) -> Result<()> {
        out.extend(functions::encode_window(function)?.unwrap_or_default());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_survives_encoding() {
        let inputs = vec![
            Input::Branch(2),
            Input::Copies(3),
            Input::Rows(Bytes::from_static(b"rows")),
            Input::Blocks { from: 1, to: 7 },
            Input::Part { readers: (1, 2), maps: (3, 8) },
            Input::Partition(Bytes::new()),
            Input::Output(4),
            Input::Number(5),
            Input::Task(6),
            Input::Run(Run { first: -1, step: 2, count: 3 }),
        ];
        let binding = encode_binding(&inputs).unwrap();
        assert_eq!(decode_binding(&binding).unwrap(), inputs);
        for end in 0..binding.len() {
            assert!(decode_binding(&binding.slice(..end)).is_err(), "{end}");
        }
    }
}
