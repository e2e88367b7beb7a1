//! CPUs and memory of a pod, by Spark's rules.

use super::{Given, Keys, Kind, Problems, Role};
use crate::problem::{FieldPath, Problem};
use crate::quantity::{Amount, spark_size};
use crate::{ProgramType, SparkApplicationSpec};
use model::{ByteSize, ExecutorRequest};

/// CPUs of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpu {
    /// Number of concurrent tasks.
    pub slots: u32,
    /// The pod's request.
    pub request: Amount,
    /// The pod's limit.
    pub limit: Option<Amount>,
}

/// Memory of a pod.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// The role's memory in Spark's sense.
    pub program: ByteSize,
    /// The overhead.
    pub overhead: ByteSize,
    /// What it is of another size of the program; `None`: the same.
    pub overhead_rule: Option<OverheadRule>,
    /// Further memory, for Python workers.
    pub python: ByteSize,
    /// Further memory, off the heap.
    pub off_heap: ByteSize,
    /// The pod's limit.
    pub limit: ByteSize,
}

/// How large the overhead is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverheadRule {
    /// Fraction of the program's memory.
    pub factor: f64,
    /// Lower bound.
    pub least: ByteSize,
}

impl OverheadRule {
    fn of(self, program: ByteSize) -> ByteSize {
        share(program, self.factor).max(self.least)
    }
}

impl Memory {
    /// The pod's request.
    pub fn request(&self) -> ByteSize {
        let parts = [self.program, self.overhead, self.python, self.off_heap];
        ByteSize(parts.iter().fold(0, |sum, part| sum.saturating_add(part.0)))
    }

    /// That of an executor for a resource profile. The limit stays as far above the request.
    fn requested(&self, request: &ExecutorRequest) -> Self {
        let program = request.memory.unwrap_or(self.program);
        let by_rule = self.overhead_rule.map_or(self.overhead, |rule| rule.of(program));
        let mut memory = Self {
            program,
            overhead: request.memory_overhead.unwrap_or(by_rule),
            python: request.python_memory.unwrap_or(self.python),
            off_heap: request.off_heap.unwrap_or(self.off_heap),
            ..*self
        };
        let above = self.limit.0.saturating_sub(self.request().0);
        memory.limit = ByteSize(memory.request().0.saturating_add(above));
        memory
    }
}

impl Cpu {
    /// Those of an executor for a resource profile: it requests all its cores, as in Spark.
    fn requested(&self, request: &ExecutorRequest) -> Self {
        let Some(cores) = request.cores else { return self.clone() };
        let request = Amount::cpus(cores.get());
        let at_least = |limit: Amount| {
            if limit.is_less_than(&request) { request.clone() } else { limit }
        };
        let limit = self.limit.clone().map(at_least);
        Self { slots: cores.get(), request, limit }
    }
}

impl Role {
    /// The pod of an executor for a resource profile.
    #[must_use]
    pub fn requested(&self, request: &ExecutorRequest) -> Self {
        let (cpu, memory) = (self.cpu.requested(request), self.memory.requested(request));
        Self { cpu, memory, ..self.clone() }
    }
}

/// Lower bound of the overhead.
const MIN_OVERHEAD: ByteSize = ByteSize::mib(384);

/// Overhead of a Python program, as a fraction of its memory.
const PYTHON_FACTOR: f64 = 0.4;

/// Overhead of other programs.
const OTHER_FACTOR: f64 = 0.1;

/// A value and its path: from a field of the specification, which takes precedence, or from a key.
fn either<'a>(
    field: Option<&'a str>,
    at: FieldPath,
    given: &Given<'_>,
    keys: &'a Keys,
    (prefix, name): (&str, &str),
) -> Option<(&'a str, FieldPath)> {
    if let Some(text) = field {
        return Some((text, at));
    }
    let text = keys.role(given.kind).values.get(name)?;
    let name = name.strip_prefix("shared.").unwrap_or(name);
    Some((text, FieldPath::new("spec.sparkConf").key(&format!("{prefix}.{name}"))))
}

/// CPUs of a pod.
pub(super) fn cpu(given: &Given<'_>, keys: &Keys, problems: &mut Problems) -> Option<Cpu> {
    let role = given.kind.name();
    let slots = match given.pod.cores {
        Some(cores) => u32::try_from(cores).ok().filter(|cores| *cores > 0).or_else(|| {
            problems.add(given.at().field("cores"), "must be at least 1");
            None
        })?,
        None => match keys.role(given.kind).values.get("cores") {
            Some(text) => text.trim().parse().ok().filter(|cores| *cores > 0).or_else(|| {
                let at = FieldPath::new("spec.sparkConf").key(&format!("spark.{role}.cores"));
                problems.add(at, format!("`{text}` is not a number of cores"));
                None
            })?,
            None => 1,
        },
    };
    let prefix = format!("spark.kubernetes.{role}");
    let mut read = |field, name, key| {
        let (text, at) = either(field, given.at().field(name), given, keys, (&prefix, key))?;
        let amount =
            Amount::parse(text).map_err(|error| Problem::new(at.clone(), error.to_string()));
        Some((problems.take(amount)?, at))
    };
    let request = read(given.core_request, "coreRequest", "request.cores");
    let limit = read(given.pod.core_limit.as_deref(), "coreLimit", "limit.cores");
    let request = request.map_or_else(|| Amount::cpus(slots), |(request, _)| request);
    let limit = match limit {
        Some((limit, at)) if limit.is_zero() => {
            problems.add(at, "must be more than 0");
            None
        }
        Some((limit, at)) if limit.is_less_than(&request) => {
            problems.add(at, format!("{limit} is less than the pod's request of {request}"));
            None
        }
        limit => limit.map(|(limit, _)| limit),
    };
    Some(Cpu { slots, request, limit })
}

/// Memory of a pod.
pub(super) fn memory(
    spec: &SparkApplicationSpec,
    given: &Given<'_>,
    keys: &Keys,
    problems: &mut Problems,
) -> Option<Memory> {
    let prefix = format!("spark.{}", given.kind.name());
    let mut size = |field, name: &str, key| {
        let (text, at) = either(field, given.at().field(name), given, keys, (&prefix, key))?;
        // The limit is Kubernetes' alone, and may be in its notation.
        let is_limit = key == "memoryLimit";
        let amount = || Amount::parse(text).ok().filter(|_| is_limit);
        let size = spark_size(text)
            .or_else(|problem| amount().map(|amount| ByteSize(amount.ceil())).ok_or(problem));
        let size = size.and_then(|size| {
            // Spark counts in mebibytes and drops the remainder.
            let whole = ByteSize::mib(size.0 >> 20);
            if whole.0 == 0 && size.0 > 0 {
                Err(format!("`{text}` is less than 1m"))
            } else {
                Ok(whole)
            }
        });
        Some((problems.take(size.map_err(|problem| Problem::new(at.clone(), problem)))?, at))
    };
    let program = size(given.pod.memory.as_deref(), "memory", "memory");
    let overhead = size(given.pod.memory_overhead.as_deref(), "memoryOverhead", "memoryOverhead");
    let least = size(None, "", "minMemoryOverhead");
    let limit = size(given.pod.memory_limit.as_deref(), "memoryLimit", "memoryLimit");
    let python = size(None, "", "pyspark.memory");
    let program = program.map_or(ByteSize::mib(1024), |(size, _)| size);
    if program.0 == 0 {
        problems.add(given.at().field("memory"), "must be more than 0");
        return None;
    }
    let (overhead, overhead_rule) = if let Some((overhead, _)) = overhead {
        (overhead, None)
    } else {
        let factor = factor(spec, given, keys, problems)?;
        let rule = OverheadRule { factor, least: least.map_or(MIN_OVERHEAD, |(least, _)| least) };
        (rule.of(program), Some(rule))
    };
    let off_heap = off_heap(given, keys, problems);
    let python = python.map_or(ByteSize(0), |(size, _)| size);
    let mut memory = Memory { program, overhead, overhead_rule, python, off_heap, limit: program };
    let request = memory.request();
    memory.limit = match limit {
        Some((limit, at)) if limit < request => {
            let problem = format!("{limit} is less than the pod's request of {request}");
            problems.add(at, problem);
            return None;
        }
        Some((limit, _)) => limit,
        None => request,
    };
    Some(memory)
}

/// The overhead fraction: the key of the role, the field, the key of both roles, or the default of
/// the language.
fn factor(
    spec: &SparkApplicationSpec,
    given: &Given<'_>,
    keys: &Keys,
    problems: &mut Problems,
) -> Option<f64> {
    let conf = FieldPath::new("spec.sparkConf");
    let values = &keys.role(given.kind).values;
    let of_role = values.get("memoryOverheadFactor").map(|text| {
        let key = format!("spark.{}.memoryOverheadFactor", given.kind.name());
        (text.as_str(), conf.key(&key))
    });
    let field = spec.memory_overhead_factor.as_deref();
    let field = field.map(|text| (text, FieldPath::new("spec.memoryOverheadFactor")));
    let of_both = values
        .get("shared.memoryOverheadFactor")
        .map(|text| (text.as_str(), conf.key("spark.kubernetes.memoryOverheadFactor")));
    let Some((text, at)) = of_role.or(field).or(of_both) else {
        return Some(match spec.type_ {
            ProgramType::Python | ProgramType::R => PYTHON_FACTOR,
            ProgramType::Java | ProgramType::Scala | ProgramType::Sql => OTHER_FACTOR,
        });
    };
    let factor = text.trim().parse().ok().filter(|factor: &f64| (0.0..=100.0).contains(factor));
    if factor.is_none() {
        problems.add(at, format!("`{text}` is not a fraction, such as 0.4"));
    }
    factor
}

/// A fraction of a size, in whole mebibytes.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Spark multiplies as floating point numbers, too; the factor is between 0 and 100"
)]
fn share(size: ByteSize, factor: f64) -> ByteSize {
    let mib = ((size.0 >> 20) as f64 * factor) as u64;
    ByteSize(mib.saturating_mul(1 << 20))
}

/// Off-heap memory, which only executors request.
fn off_heap(given: &Given<'_>, keys: &Keys, problems: &mut Problems) -> ByteSize {
    let values = &keys.role(given.kind).values;
    let is_on = given.kind == Kind::Executor
        && values.get("offHeap.enabled").is_some_and(|text| text.trim() == "true");
    let Some(text) = values.get("offHeap.size").filter(|_| is_on) else { return ByteSize(0) };
    // This one key counts bytes if it has no unit.
    let size: Result<ByteSize, _> = text.parse();
    let at = FieldPath::new("spec.sparkConf").key("spark.memory.offHeap.size");
    problems
        .take(size.map_err(|error| Problem::new(at, error.to_string())))
        .map_or(ByteSize(0), |size| ByteSize::mib(size.0 >> 20))
}
