//! What a worker is asked to do: the part that all tasks of a stage share.

use super::PythonContext;
use crate::codec::bad;
use bytes::Bytes;
use datafusion::common::Result;
use model::ResourceProfile;
use model::conf::TASK_CPUS;
use plan::{
    DataType, EvalType, Field, PythonFunction, WorkerArgument, WorkerCall, WorkerKind, WorkerOrder,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

/// What a worker gets of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Columns of the input.
    pub columns: Vec<usize>,
    /// Spark's names and types of these.
    pub fields: Vec<Field>,
    /// Which of these are the key.
    pub keys: Vec<usize>,
    /// The order of rows with equal keys.
    pub order: Vec<WorkerOrder>,
    /// Whether one worker gets all rows.
    pub single_partition: bool,
    /// Which of these a function over rows gets.
    pub arguments: Vec<usize>,
}

/// The work of a node (see the module).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonSpec {
    /// How functions are called.
    pub kind: WorkerKind,
    /// The calls; a call's arguments precede it.
    pub calls: Vec<WorkerCall>,
    /// Calls whose values are columns of the output.
    pub outputs: Vec<usize>,
    /// What a worker gets, by input.
    pub sent: Vec<Sent>,
    /// Spark's names and types of what it yields.
    pub fields: Vec<Field>,
    /// Number of columns of the input that stay, the first ones.
    pub passed: usize,
    /// Settings of the session that functions depend on.
    pub settings: Vec<(String, String)>,
    /// Whether all tasks must run at once.
    pub barrier: bool,
    /// What its tasks and their executors need, if that is not as usual.
    pub profiles: BTreeSet<ResourceProfile>,
}

/// By this name PySpark's accumulators are in a function's pickle.
const ACCUMULATOR: &[u8] = b"_deserialize_accumulator";

/// Serialised form: types as Spark's JSON, pickled functions in Base64.
#[derive(Serialize, Deserialize)]
struct Encoded {
    kind: WorkerKind,
    calls: Vec<EncodedCall>,
    outputs: Vec<usize>,
    sent: Vec<EncodedInput>,
    fields: String,
    passed: usize,
    settings: Vec<(String, String)>,
    barrier: bool,
    profiles: BTreeSet<ResourceProfile>,
}

#[derive(Serialize, Deserialize)]
struct EncodedCall {
    name: String,
    eval_type: i32,
    command: String,
    output: String,
    version: String,
    deterministic: bool,
    args: Vec<WorkerArgument>,
    keywords: Vec<Option<String>>,
    frame: Option<[usize; 2]>,
    partition_fields: Vec<usize>,
    analyzed: Option<String>,
    profile: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct EncodedInput {
    columns: Vec<usize>,
    fields: String,
    keys: Vec<usize>,
    order: Vec<WorkerOrder>,
    single_partition: bool,
    arguments: Vec<usize>,
}

fn struct_json(fields: &[Field]) -> String {
    DataType::Struct(fields.to_vec()).json()
}

fn fields_of(json: &str) -> Result<Vec<Field>> {
    match DataType::from_json(json) {
        Ok(DataType::Struct(fields)) => Ok(fields),
        _ => Err(bad("schema of a Python function")),
    }
}

impl PythonSpec {
    /// Whether equal inputs give equal outputs.
    pub fn is_deterministic(&self) -> bool {
        self.calls.iter().all(|call| call.function.deterministic)
    }

    /// Whether its functions may add to accumulators.
    pub fn adds_to_accumulators(&self) -> bool {
        self.calls.iter().any(|call| {
            let mut windows = call.function.command.windows(ACCUMULATOR.len());
            windows.any(|bytes| bytes == ACCUMULATOR)
        })
    }

    /// The node as a part of a plan's encoding.
    pub(crate) fn encode(&self) -> String {
        let call = |call: &WorkerCall| EncodedCall {
            name: call.function.name.clone(),
            eval_type: call.function.eval_type.0,
            command: formats::base64::encode(&call.function.command),
            output: call.function.output.json(),
            version: call.function.version.clone(),
            deterministic: call.function.deterministic,
            args: call.args.clone(),
            keywords: call.keywords.clone(),
            frame: call.frame,
            partition_fields: call.partition_fields.clone(),
            analyzed: call.analyzed.as_ref().map(|analyzed| formats::base64::encode(analyzed)),
            profile: call.profile,
        };
        let input = |input: &Sent| EncodedInput {
            columns: input.columns.clone(),
            fields: struct_json(&input.fields),
            keys: input.keys.clone(),
            order: input.order.clone(),
            single_partition: input.single_partition,
            arguments: input.arguments.clone(),
        };
        let encoded = Encoded {
            kind: self.kind,
            calls: self.calls.iter().map(call).collect(),
            outputs: self.outputs.clone(),
            sent: self.sent.iter().map(input).collect(),
            fields: struct_json(&self.fields),
            passed: self.passed,
            settings: self.settings.clone(),
            barrier: self.barrier,
            profiles: self.profiles.clone(),
        };
        serde_json::to_string(&encoded).unwrap_or_default()
    }

    /// The inverse of [`PythonSpec::encode`].
    pub(crate) fn decode(text: &str) -> Result<Self> {
        let encoded: Encoded = serde_json::from_str(text).map_err(|_| bad("Python function"))?;
        let bytes = |text: &str| {
            formats::base64::decode(text).map(Arc::from).ok_or_else(|| bad("Python function"))
        };
        let call = |call: EncodedCall| {
            let function = PythonFunction {
                name: call.name,
                eval_type: EvalType(call.eval_type),
                command: bytes(&call.command)?,
                output: DataType::from_json(&call.output).map_err(|_| bad("type"))?,
                version: call.version,
                deterministic: call.deterministic,
            };
            Ok(WorkerCall {
                function: Arc::new(function),
                args: call.args,
                keywords: call.keywords,
                frame: call.frame,
                partition_fields: call.partition_fields,
                analyzed: call.analyzed.as_deref().map(bytes).transpose()?,
                profile: call.profile,
            })
        };
        let input = |input: EncodedInput| {
            Ok(Sent {
                columns: input.columns,
                fields: fields_of(&input.fields)?,
                keys: input.keys,
                order: input.order,
                single_partition: input.single_partition,
                arguments: input.arguments,
            })
        };
        Ok(Self {
            kind: encoded.kind,
            calls: encoded.calls.into_iter().map(call).collect::<Result<_>>()?,
            outputs: encoded.outputs,
            sent: encoded.sent.into_iter().map(input).collect::<Result<_>>()?,
            fields: fields_of(&encoded.fields)?,
            passed: encoded.passed,
            settings: encoded.settings,
            barrier: encoded.barrier,
            profiles: encoded.profiles,
        })
    }

    /// Number of cores that each task occupies.
    fn cpus(&self) -> u32 {
        let given = self.settings.iter().find(|(key, _)| key == TASK_CPUS.name);
        let usual = || given.and_then(|(_, cpus)| cpus.parse().ok()).unwrap_or(1);
        let profile = ResourceProfile::merged(&self.profiles);
        profile.and_then(|profile| profile.task_cpus).map_or_else(usual, NonZeroU32::get)
    }

    /// The header of a task and its blobs, in the given context. `number`: the node's partition.
    pub(super) fn header(&self, context: &PythonContext, number: u32) -> (Bytes, Vec<Bytes>) {
        let command = |call: &WorkerCall| Bytes::from_owner(Arc::clone(&call.function.command));
        let mut blobs: Vec<Bytes> = self.calls.iter().map(command).collect();
        let functions = self.calls.iter().enumerate().map(|(at, call)| {
            let analyzed = call.analyzed.as_ref().map(|analyzed| {
                blobs.push(Bytes::from_owner(Arc::clone(analyzed)));
                blobs.len() - 1
            });
            json!({
                "name": call.function.name,
                "evalType": call.function.eval_type.0,
                "command": at,
                "deterministic": call.function.deterministic,
                "arguments": call.args.iter().map(argument).collect::<Vec<_>>(),
                "names": call.keywords,
                "result": as_json(&call.function.output),
                "frame": call.frame,
                "partitionColumns": call.partition_fields,
                "analyzed": analyzed,
                "profile": call.profile,
            })
        });
        let functions: Vec<Value> = functions.collect();
        let version = self.calls.first().map_or("", |call| call.function.version.as_str());
        let settings: serde_json::Map<String, Value> = self
            .settings
            .iter()
            .map(|(key, value)| (key.clone(), Value::String(value.clone())))
            .collect();
        let is_lateral = self.kind == WorkerKind::Lateral;
        let of_structs = |fields: &[Field]| as_json(&DataType::Struct(fields.to_vec()));
        let header = json!({
            "kind": if is_lateral { WorkerKind::Table } else { self.kind },
            "lateral": is_lateral,
            "functions": functions,
            "blobs": blobs.iter().map(Bytes::len).collect::<Vec<_>>(),
            "outputs": self.outputs,
            "inputs": self.sent.iter().map(|sent| of_structs(&sent.fields)).collect::<Vec<_>>(),
            "keys": self.sent.iter().map(|sent| &sent.keys).collect::<Vec<_>>(),
            "arguments": self.sent.iter().map(|sent| &sent.arguments).collect::<Vec<_>>(),
            "output": of_structs(&self.fields),
            "context": context.attempt(self.cpus()),
            "split": number,
            "settings": settings,
            "python": version,
            "files": { "root": context.files, "path": [] },
        });
        (header.to_string().into(), blobs)
    }
}

/// An argument in a task's header.
fn argument(argument: &WorkerArgument) -> Value {
    match argument {
        WorkerArgument::Column(column) => json!({ "column": column }),
        WorkerArgument::Function(call) => json!({ "function": call }),
        WorkerArgument::Table(column) => json!({ "column": column, "table": true }),
        WorkerArgument::Constant(column) => json!({ "column": column, "constant": true }),
    }
}

/// A type in Spark's JSON, as a value.
fn as_json(data_type: &DataType) -> Value {
    serde_json::from_str(&data_type.json()).unwrap_or_default()
}
