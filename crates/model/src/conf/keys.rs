//! The keys. Names, types and defaults are those of Spark 4; a key that begins with `firesteel.` is our own.

use super::Effect::{Honoured, None as NoEffect, Refused};
use super::Scope::{Session, Static};
use super::{Declared, Key, Value};
use crate::ByteSize;
use std::time::Duration;

macro_rules! keys {
    ($($(#[$($attribute:tt)*])* $ident:ident: $type:ty = $name:literal, $default:expr, $scope:ident, $effect:ident, $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub const $ident: Key<$type> = Key {
                name: $name, default: $default, scope: $scope, effect: $effect, doc: $doc,
                value: std::marker::PhantomData,
            };
        )*

        /// All declared keys, in the order of their documentation.
        pub const ALL: &[Declared] = &[$(Declared {
            name: $name, default: $default, scope: $scope, effect: $effect, doc: $doc,
            form: <$type as Value>::FORM,
            check: |text| <$type as Value>::parse(text).map(drop),
        }),*];
    };
}

keys! {
    APP_NAME: String = "spark.app.name", None, Static, Honoured, "Name of the application.";
    MASTER: String = "spark.master", Some("local[*]"), Static, Honoured, "Where executors run: local, local[N], local[*], local-cluster[executors,cores,memoryMiB].";
    DRIVER_MEMORY: ByteSize = "spark.driver.memory", Some("1g"), Static, Honoured, "Memory of the driver.";
    EXECUTOR_MEMORY: ByteSize = "spark.executor.memory", Some("1g"), Static, Honoured, "Memory of an executor, shared by its tasks.";
    EXECUTOR_CORES: u32 = "spark.executor.cores", Some("1"), Static, Honoured, "Task slots of an executor.";
    EXECUTOR_INSTANCES: u32 = "spark.executor.instances", Some("2"), Static, Honoured, "Executors wanted.";
    TASK_CPUS: u32 = "spark.task.cpus", Some("1"), Static, Honoured, "Slots that one task takes.";
    DEFAULT_PARALLELISM: u32 = "spark.default.parallelism", None, Static, Honoured, "Partitions of a range or a local collection where none are given; all slots by default.";
    TASK_MAX_FAILURES: u32 = "spark.task.maxFailures", Some("4"), Static, Honoured, "Failures of one task that fail its job.";
    STAGE_MAX_CONSECUTIVE_ATTEMPTS: u32 = "spark.stage.maxConsecutiveAttempts", Some("4"), Static, Honoured, "Fetch failures in a row that fail a stage.";
    MAX_RESULT_SIZE: ByteSize = "spark.driver.maxResultSize", Some("1g"), Static, Honoured, "Bytes of all results of one action that fail it.";
    NETWORK_TIMEOUT: Duration = "spark.network.timeout", Some("120s"), Static, Honoured, "Silence after which a peer counts as gone.";
    HEARTBEAT_INTERVAL: Duration = "spark.executor.heartbeatInterval", Some("10s"), Static, Honoured, "Time between heartbeats of an executor.";
    LOCAL_DIR: String = "spark.local.dir", None, Static, Honoured, "Directory for shuffles and spills; a new temporary one by default, removed at the end.";
    IO_COMPRESSION: String = "spark.io.compression.codec", Some("lz4"), Static, Honoured, "Compression of shuffle blocks: lz4, zstd or none.";
    SHUFFLE_COMPRESS: bool = "spark.shuffle.compress", Some("true"), Static, Honoured, "Whether shuffle blocks are compressed.";
    SHUFFLE_SYNC: bool = "firesteel.shuffle.sync", Some("false"), Static, Honoured, "Whether a map output is forced to the disk before it counts; needed where the volume outlives the machine.";
    SHUFFLE_VOLUME: String = "firesteel.shuffle.volume", Some("shared"), Static, Honoured, "On one machine: `shared` gives all executors one volume, `own` each its own.";
    SUBMIT_PY_FILES: String = "spark.submit.pyFiles", None, Static, Honoured, "Files and directories put on the Python path, separated by commas.";
    PYSPARK_PYTHON: String = "spark.pyspark.python", None, Static, Honoured, "Python that runs the program.";
    UI_SHOW_PROGRESS: bool = "spark.ui.showConsoleProgress", Some("true"), Static, Honoured, "Whether a progress bar is drawn.";
    SCHEDULER_MODE: String = "spark.scheduler.mode", Some("FIFO"), Static, Honoured, "Order of jobs; only FIFO is served.";

    SHUFFLE_PARTITIONS: u32 = "spark.sql.shuffle.partitions", Some("200"), Session, Honoured, "Partitions of a shuffle for joins and aggregations.";
    AUTO_BROADCAST: ByteSizeOrOff = "spark.sql.autoBroadcastJoinThreshold", Some("10485760b"), Session, Honoured, "Size of a join side up to which it is sent whole to every task; -1 turns it off.";
    ADAPTIVE: bool = "spark.sql.adaptive.enabled", Some("true"), Session, Honoured, "Whether plans adapt to the sizes of finished stages.";
    ANSI: bool = "spark.sql.ansi.enabled", Some("true"), Session, Honoured, "Whether overflow, division by zero and bad casts are errors.";
    TIME_ZONE: String = "spark.sql.session.timeZone", None, Session, Honoured, "Zone of timestamps; the machine's by default.";
    CASE_SENSITIVE: bool = "spark.sql.caseSensitive", Some("false"), Session, Honoured, "Whether names differ by case.";
    MAX_PARTITION_BYTES: ByteSize = "spark.sql.files.maxPartitionBytes", Some("128MB"), Session, Honoured, "Bytes of files that one task reads.";
    OPEN_COST: ByteSize = "spark.sql.files.openCostInBytes", Some("4MB"), Session, Honoured, "Bytes that opening a file counts for when files are put together.";
    DEFAULT_SOURCE: String = "spark.sql.sources.default", Some("parquet"), Session, Honoured, "Format where none is given.";
    PARTITION_OVERWRITE_MODE: String = "spark.sql.sources.partitionOverwriteMode", Some("STATIC"), Session, Honoured, "What an overwrite of a partitioned table removes: STATIC or DYNAMIC.";
    PARQUET_CODEC: String = "spark.sql.parquet.compression.codec", Some("snappy"), Session, Honoured, "Compression of Parquet files written.";
    WAREHOUSE_DIR: String = "spark.sql.warehouse.dir", Some("spark-warehouse"), Static, Honoured, "Directory of managed tables.";
    PARTITION_COLUMN_INFERENCE: bool = "spark.sql.sources.partitionColumnTypeInference.enabled", Some("true"), Session, Honoured, "Whether the types of partition columns are read from their values.";
    MAX_TO_STRING_FIELDS: u32 = "spark.sql.debug.maxToStringFields", Some("25"), Session, Honoured, "Fields shown of a wide plan node.";
    CROSS_JOIN: bool = "spark.sql.crossJoin.enabled", Some("true"), Session, Honoured, "Whether a join without a condition is allowed.";
    PIVOT_MAX_VALUES: u32 = "spark.sql.pivotMaxValues", Some("10000"), Session, Honoured, "Values of a pivot column found in the data, at most.";
    GROUP_BY_ORDINAL: bool = "spark.sql.groupByOrdinal", Some("true"), Session, Honoured, "Whether a number in GROUP BY names a select item.";
    ORDER_BY_ORDINAL: bool = "spark.sql.orderByOrdinal", Some("true"), Session, Honoured, "Whether a number in ORDER BY names a select item.";
    ARROW_MAX_RECORDS: u32 = "spark.sql.execution.arrow.maxRecordsPerBatch", Some("10000"), Session, Honoured, "Rows of a result batch sent to a client.";
    REPL_EAGER_EVAL: bool = "spark.sql.repl.eagerEval.enabled", Some("false"), Session, Honoured, "Whether a notebook runs a DataFrame to show it; asked for by clients.";

    SERIALIZER: String = "spark.serializer", None, Static, NoEffect, "JVM only.";
    EXTENSIONS: String = "spark.sql.extensions", None, Static, Refused, "JVM only: classes that change how SQL is understood.";
    IO_ENCRYPTION: bool = "spark.io.encryption.enabled", Some("false"), Static, Refused, "Encryption of local files.";
    AUTHENTICATE: bool = "spark.authenticate", Some("false"), Static, Refused, "Spark's own shared secret; every connection here has a token anyway.";
    NETWORK_ENCRYPTION: bool = "spark.network.crypto.enabled", Some("false"), Static, Refused, "Encryption between processes.";
}

/// A size, or a negative number for "off".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteSizeOrOff {
    /// Nothing qualifies.
    Off,
    /// Up to this size.
    UpTo(ByteSize),
}

impl Value for ByteSizeOrOff {
    const FORM: &'static str = "size, such as 10m, or -1 for off";
    fn parse(text: &str) -> Result<Self, String> {
        match text.trim().parse::<i64>() {
            Ok(n) if n < 0 => Ok(Self::Off),
            _ => ByteSize::parse(text).map(Self::UpTo),
        }
    }
}
