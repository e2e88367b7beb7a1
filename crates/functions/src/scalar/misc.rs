//! Random numbers, session and task information, and functions that raise errors.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, PrimitiveArray, StringArray, new_empty_array, new_null_array,
};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;

use crate::function::{Call, Function, kernel, with};
use crate::kernel::{Args, Kernel, Nulls, VARYING, returns};
use crate::types::simple_type;
use crate::{FunctionError, TaskState, run_time_error};

/// The Spark version whose functions are implemented.
const SPARK_VERSION: &str = "4.2.0";

pub(super) const FUNCTIONS: &[Function] = &[
    with("rand", "?l", |call| random(call, RAND)),
    with("random", "?l", |call| random(call, RAND)),
    with("randn", "?l", |call| random(call, RANDN)),
    kernel(
        "uuid",
        "?l",
        Kernel::new("spark_uuid", returns::string, uuid).volatile().nulls(Nulls::Never),
    ),
    with("randstr", "i?l", |mut call| {
        if call.integer(0).is_none_or(|length| length < 0) {
            return Err(FunctionError::Invalid {
                condition: condition::INVALID_PARAMETER_VALUE_LENGTH,
                message: "The value of parameter(s) `length` in `randstr` is invalid: Expects a constant `length` greater than or equal to 0.".to_owned(),
                parameters: vec![("parameter", "`length`".to_owned())],
            });
        }
        call.default(2, ScalarValue::from(call.ctx.next_seed()));
        call.push(ScalarValue::from(call.ctx.call_site()));
        Ok(call.apply(RANDOM_TEXT))
    }),
    with("uniform", "nn?l", uniform),
    with("shuffle", "A?l", |mut call| {
        call.default(2, ScalarValue::from(call.ctx.next_seed()));
        call.push(ScalarValue::from(call.ctx.call_site()));
        Ok(call.apply(SHUFFLE))
    }),
    with("monotonically_increasing_id", "", |mut call| {
        call.push(ScalarValue::from(call.ctx.call_site()));
        Ok(call.apply(INCREASING))
    }),
    kernel(
        "spark_partition_id",
        "",
        Kernel::new("spark_partition_id", returns::int, |args| {
            let partition = TaskState::current().partition().cast_signed();
            Ok(Arc::new(PrimitiveArray::<Int32Type>::from_value(partition, args.rows)))
        })
        .volatile()
        .nulls(Nulls::Never),
    ),
    with("current_user", "", |call| Ok(text(&call.ctx.user))),
    with("user", "", |call| Ok(text(&call.ctx.user))),
    with("session_user", "", |call| Ok(text(&call.ctx.user))),
    with("current_database", "", |call| Ok(text(&call.ctx.database))),
    with("current_schema", "", |call| Ok(text(&call.ctx.database))),
    with("current_catalog", "", |call| Ok(text(&call.ctx.catalog))),
    with("version", "", |_| Ok(text(SPARK_VERSION))),
    with("typeof", "a", |call| Ok(text(&simple_type(&call.types[0])))),
    kernel("input_file_name", "", NO_FILE_NAME),
    kernel("input_file_block_start", "", no_file_block("spark_input_file_block_start")),
    kernel("input_file_block_length", "", no_file_block("spark_input_file_block_length")),
    with("raise_error", "s", |call| Ok(call.apply(RAISE))),
    with("assert_true", "B?s", assert_true),
    // Type names that are functions as well: `double(x)`.
    with("boolean", "a", |call| convert(call, DataType::Boolean)),
    with("tinyint", "a", |call| convert(call, DataType::Int8)),
    with("smallint", "a", |call| convert(call, DataType::Int16)),
    with("int", "a", |call| convert(call, DataType::Int32)),
    with("bigint", "a", |call| convert(call, DataType::Int64)),
    with("float", "a", |call| convert(call, DataType::Float32)),
    with("double", "a", |call| convert(call, DataType::Float64)),
    with("decimal", "a", |call| convert(call, DataType::Decimal128(10, 0))),
    with("date", "a", |call| convert(call, DataType::Date32)),
    with("binary", "a", |call| convert(call, DataType::Binary)),
    with("string", "a", |call| convert(call, DataType::Utf8)),
];

fn convert(mut call: Call<'_>, to: DataType) -> Result<Expr, FunctionError> {
    call.cast(0, &to)?;
    Ok(call.only())
}

pub(super) const KERNELS: &[Kernel] =
    &[RAND, RANDN, RANDOM_TEXT, SHUFFLE, INCREASING, RAISE, VARYING];

/// `input_file_name` of rows that come from no file. Analysis replaces calls above scans of files.
const NO_FILE_NAME: Kernel = Kernel::new("spark_input_file_name", returns::string, |args| {
    Ok(Arc::new(StringArray::from_iter_values(std::iter::repeat_n("", args.rows))))
})
.volatile()
.nulls(Nulls::Never);

/// The same for `input_file_block_start` and `input_file_block_length`.
const fn no_file_block(name: &'static str) -> Kernel {
    let run = |args: &Args<'_>| -> Result<ArrayRef> {
        Ok(Arc::new(PrimitiveArray::<Int64Type>::from_value(-1, args.rows)))
    };
    Kernel::new(name, returns::long, run).volatile().nulls(Nulls::Never)
}

const RAND: Kernel =
    Kernel::new("spark_rand", returns::double, |args| generate(args, Generator::next_double))
        .volatile()
        .nulls(Nulls::Never);
const RANDN: Kernel =
    Kernel::new("spark_randn", returns::double, |args| generate(args, Generator::next_gaussian))
        .volatile()
        .nulls(Nulls::Never);
/// Arguments: length, seed, call site.
const RANDOM_TEXT: Kernel = Kernel::new("spark_randstr", returns::string, |args| {
    let lengths = args.values::<Int32Type>(0)?;
    drawn(args, 1, |generator| {
        let rows = (0..args.rows).map(|row| {
            let length = lengths.value(row).max(0);
            Some((0..length).map(|_| generator.next_letter()).collect::<String>())
        });
        Ok(Arc::new(rows.collect::<StringArray>()))
    })
})
.volatile()
.nulls(Nulls::Never);
/// Arguments: array, seed, call site.
const SHUFFLE: Kernel = Kernel::new("spark_shuffle", returns::first, |args| {
    let lists = args.lists(0)?;
    drawn(args, 1, |generator| {
        let rows = (0..args.rows).map(|row| {
            let (start, end) = (lists.value_offsets()[row], lists.value_offsets()[row + 1]);
            let mut places: Vec<u64> = (start..end).filter_map(|i| u64::try_from(i).ok()).collect();
            for last in (1..places.len()).rev() {
                places.swap(last, generator.below(last + 1));
            }
            lists.is_valid(row).then_some(places)
        });
        let shuffled = super::collection::array::taken(lists.values(), rows.collect())?;
        if shuffled.data_type() == args.returns {
            return Ok(shuffled);
        }
        Ok(compute::cast(&shuffled, args.returns)?)
    })
})
.volatile()
.nulls(Nulls::Possible);
const INCREASING: Kernel =
    Kernel::new("spark_monotonically_increasing_id", returns::long, increasing)
        .volatile()
        .nulls(Nulls::Never);
const RAISE: Kernel = Kernel::new(
    "spark_raise_error",
    |_, _| Ok(DataType::Null),
    |args| {
        let messages = args.strings(0)?;
        if messages.is_empty() {
            return Ok(new_null_array(&DataType::Null, 0));
        }
        let message = if messages.is_null(0) { "null" } else { messages.value(0) };
        Err(run_time_error(condition::USER_RAISED_EXCEPTION, message))
    },
)
.volatile()
.nulls(Nulls::Possible);

fn text(value: &str) -> Expr {
    Expr::Literal(ScalarValue::from(value), None)
}

/// Passes the seed and the call site as arguments.
fn random(mut call: Call<'_>, kernel: Kernel) -> Result<Expr, FunctionError> {
    if call.args.is_empty() {
        call.push(ScalarValue::from(call.ctx.next_seed()));
    }
    call.push(ScalarValue::from(call.ctx.call_site()));
    Ok(call.apply(kernel))
}

/// Random number generator: Spark's `XORShiftRandom`, including its hashing of the seed.
struct Generator {
    state: (i64, Option<f64>),
}

impl Generator {
    fn next(&mut self, bits: u32) -> i64 {
        let mut seed = self.state.0.cast_unsigned();
        seed ^= seed << 21;
        seed ^= seed >> 35;
        seed ^= seed << 4;
        self.state.0 = seed.cast_signed();
        (seed & ((1 << bits) - 1)).cast_signed()
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
    fn next_double(&mut self) -> f64 {
        let high = self.next(26) << 27;
        (high + self.next(27)) as f64 / (1_i64 << 53) as f64
    }

    /// A random alphanumeric character.
    fn next_letter(&mut self) -> char {
        const LETTERS: &[u8; 62] =
            b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        // The bits are a signed `int`; its remainder has the same sign.
        let bits = u32::try_from(self.next(32)).unwrap_or_default().cast_signed();
        char::from(LETTERS[(bits % 62).unsigned_abs() as usize])
    }

    /// A random number less than `count`.
    fn below(&mut self, count: usize) -> usize {
        let bits = u64::try_from(self.next(31)).unwrap_or_default();
        usize::try_from((bits * count as u64) >> 31).unwrap_or_default()
    }

    /// A normally distributed number by Marsaglia's polar method, as in Java's `Random`.
    fn next_gaussian(&mut self) -> f64 {
        if let Some(kept) = self.state.1.take() {
            return kept;
        }
        loop {
            let (x, y) = (2.0 * self.next_double() - 1.0, 2.0 * self.next_double() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.state.1 = Some(y * factor);
                return x * factor;
            }
        }
    }
}

fn generate(args: &Args<'_>, next: fn(&mut Generator) -> f64) -> Result<ArrayRef> {
    drawn(args, 0, |generator| {
        let values: Vec<f64> = (0..args.rows).map(|_| next(generator)).collect();
        Ok(Arc::new(PrimitiveArray::<Float64Type>::from(values)))
    })
}

/// Draws from the generator whose seed is argument `index`, followed by its call site.
fn drawn(
    args: &Args<'_>,
    index: usize,
    draw: impl FnOnce(&mut Generator) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    let (seeds, sites) = (args.values::<Int64Type>(index)?, args.values::<Int64Type>(index + 1)?);
    if args.rows == 0 {
        return Ok(new_empty_array(args.returns));
    }
    let task = TaskState::current();
    let seed = if seeds.is_null(0) { 0 } else { seeds.value(0) };
    let start = || spread(seed.wrapping_add(task.partition().into()));
    task.with_generator(sites.value(0), start, |state| {
        let mut generator = Generator { state: *state };
        let values = draw(&mut generator);
        *state = generator.state;
        values
    })
}

/// `min + (max - min) * rand(seed)`, in the wider of both types.
fn uniform(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let common = crate::common_type(&call.types[..2], call.ctx).unwrap_or(DataType::Float64);
    call.cast(0, &DataType::Float64)?;
    call.cast(1, &DataType::Float64)?;
    let seed = call.args.split_off(2);
    let types = vec![DataType::Int64; seed.len()];
    let draw = Call { name: "rand", args: seed, types, ctx: call.ctx };
    let draw = random(draw, RAND)?;
    let most = call.args.swap_remove(1);
    let least = call.args.swap_remove(0);
    let value = least.clone() + (most - least) * draw;
    crate::cast(value, &DataType::Float64, &common, crate::CastMode::session(call.ctx), call.ctx)
}

/// Scrambles the seed with two hashes.
fn spread(seed: i64) -> i64 {
    let bytes = seed.to_be_bytes();
    let low = murmur(bytes, 0x3c07_4a61);
    let high = murmur(bytes, low);
    (u64::from(high) << 32 | u64::from(low)).cast_signed()
}

/// Murmur3 hash of eight bytes.
fn murmur(bytes: [u8; 8], seed: u32) -> u32 {
    let (words, _) = bytes.as_chunks::<4>();
    let mixed = words.iter().fold(seed, |hash, word| {
        let k = u32::from_le_bytes(*word)
            .wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593);
        (hash ^ k).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    let hash = mixed ^ 8;
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

fn uuid(args: &Args<'_>) -> Result<ArrayRef> {
    let one = |_| {
        let bits: u128 = rand::random();
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let text = format!("{bits:032x}");
        format!(
            "{}-{}-{}-{}-{}",
            &text[..8],
            &text[8..12],
            &text[12..16],
            &text[16..20],
            &text[20..]
        )
    };
    Ok(Arc::new((0..args.rows).map(one).map(Some).collect::<StringArray>()))
}

/// Partition index in the upper 31 bits, row number in the lower 33.
fn increasing(args: &Args<'_>) -> Result<ArrayRef> {
    let sites = args.values::<Int64Type>(0)?;
    if args.rows == 0 {
        return Ok(Arc::new(PrimitiveArray::<Int64Type>::from(Vec::<i64>::new())));
    }
    let task = TaskState::current();
    let base = i64::from(task.partition()) << 33;
    let count = i64::try_from(args.rows).unwrap_or(i64::MAX);
    let first = task.with_generator(
        sites.value(0),
        || 0,
        |state| {
            let first = state.0;
            state.0 += count;
            first
        },
    );
    Ok(Arc::new(PrimitiveArray::<Int64Type>::from_iter_values(
        (first..first + count).map(|row| base + row),
    )))
}

/// Null if the condition is true, an error otherwise.
fn assert_true(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.default(2, ScalarValue::from("The condition is not true!"));
    let message = call.args.swap_remove(1);
    let registry = crate::Registry::new();
    let raise = registry.scalar("raise_error", vec![message], &[DataType::Utf8], call.ctx)?;
    let args = vec![call.args.swap_remove(0), Expr::Literal(ScalarValue::Null, None), raise];
    registry.scalar("if", args, &[DataType::Boolean, DataType::Null, DataType::Null], call.ctx)
}
