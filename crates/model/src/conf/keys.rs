//! The keys. Names, types and defaults are those of Spark 4; a key that begins with `firesteel.` is our own.

use super::Effect::{ForClients, Honoured, None as NoEffect, Refused};
use super::Scope::{Session, Static};
use super::{
    BlockCompression, Declared, Key, MapKeyDedupPolicy, PartitionOverwriteMode, Problem,
    SchedulerMode, TimestampType, Value, VolumeLayout,
};
use crate::ByteSize;
use std::num::NonZeroU32;
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
            words: <$type as Value>::WORDS,
            check: |text| <$type as Value>::parse(text).map(drop),
        }),*];
    };
}

keys! {
    APP_NAME: String = "spark.app.name", None, Static, Honoured, "Name of the application.";
    MASTER: String = "spark.master", Some("local[*]"), Static, Honoured, "Where executors run: `local`, `local[N]`, `local[*]`, `local-cluster[executors,cores,memoryMiB]`.";
    DRIVER_MEMORY: ByteSize = "spark.driver.memory", Some("1g"), Static, Honoured, "Memory of the driver's pod. On one machine the driver takes what it needs.";
    EXECUTOR_MEMORY: ByteSize = "spark.executor.memory", Some("1g"), Static, Honoured, "Memory of an executor, shared by its tasks.";
    EXECUTOR_CORES: u32 = "spark.executor.cores", Some("1"), Static, Honoured, "Cores of an executor.";
    EXECUTOR_INSTANCES: u32 = "spark.executor.instances", Some("2"), Static, Honoured, "Executors wanted.";
    EXECUTOR_MAX_FAILURES: u32 = "spark.executor.maxNumFailures", None, Static, Honoured, "Executors that may end on their own before the application is given up; twice their number by default, at least 3.";
    DEPLOY_MODE: String = "spark.submit.deployMode", Some("client"), Static, Honoured, "Where the driver runs; on one machine only client.";
    SHUFFLE_REUSE: bool = "firesteel.shuffle.reuse", Some("true"), Session, Honoured, "Whether a stage whose outputs exist already is skipped; false computes everything again, as a benchmark wants it.";
    TASK_CPUS: NonZeroU32 = "spark.task.cpus", Some("1"), Static, Honoured, "Cores of an executor that one task takes: an executor has as many slots as this fits into its cores.";
    DEFAULT_PARALLELISM: u32 = "spark.default.parallelism", None, Static, Honoured, "Partitions of a range or a local collection where none are given; all slots by default.";
    TASK_MAX_FAILURES: u32 = "spark.task.maxFailures", Some("4"), Static, Honoured, "Failures of one task that fail its job.";
    STAGE_MAX_CONSECUTIVE_ATTEMPTS: u32 = "spark.stage.maxConsecutiveAttempts", Some("4"), Static, Honoured, "Fetch failures in a row that fail a stage.";
    MAX_RESULT_SIZE: ByteSize = "spark.driver.maxResultSize", Some("1g"), Static, Honoured, "Bytes of all results of one action that fail it.";
    NETWORK_TIMEOUT: Duration = "spark.network.timeout", Some("120s"), Static, Honoured, "Silence after which a peer counts as gone.";
    HEARTBEAT_INTERVAL: Duration = "spark.executor.heartbeatInterval", Some("10s"), Static, Honoured, "Time between heartbeats of an executor.";
    LOCAL_DIR: String = "spark.local.dir", None, Static, Honoured, "Directory for shuffles and spills; a new temporary one by default, removed at the end.";
    IO_COMPRESSION: BlockCompression = "spark.io.compression.codec", Some("lz4"), Static, Honoured, "Compression of shuffle blocks.";
    SHUFFLE_COMPRESS: bool = "spark.shuffle.compress", Some("true"), Static, Honoured, "Whether shuffle blocks are compressed.";
    SHUFFLE_SYNC: bool = "firesteel.shuffle.sync", Some("false"), Static, Honoured, "Whether a map output is forced to the disk before it counts; needed where the volume outlives the machine.";
    SHUFFLE_VOLUME: VolumeLayout = "firesteel.shuffle.volume", Some("shared"), Static, Honoured, "On one machine: `shared` gives all executors one volume, `own` each its own.";
    SUBMIT_PY_FILES: String = "spark.submit.pyFiles", None, Static, Honoured, "Files and directories put on the Python path, separated by commas.";
    PYSPARK_PYTHON: String = "spark.pyspark.python", None, Static, Honoured, "Python that runs the program.";
    UI_SHOW_PROGRESS: bool = "spark.ui.showConsoleProgress", Some("true"), Static, Honoured, "Whether a progress bar is drawn.";
    SCHEDULER_MODE: SchedulerMode = "spark.scheduler.mode", Some("FIFO"), Static, Refused, "Order of jobs; only FIFO is served.";

    SHUFFLE_PARTITIONS: NonZeroU32 = "spark.sql.shuffle.partitions", Some("200"), Session, Honoured, "Partitions of a shuffle for joins and aggregations.";
    AUTO_BROADCAST: ByteSizeOrOff = "spark.sql.autoBroadcastJoinThreshold", Some("10485760b"), Session, Honoured, "Size of a join side up to which it is sent whole to every task; -1 turns it off.";
    ADAPTIVE: bool = "spark.sql.adaptive.enabled", Some("true"), Session, NoEffect, "Whether plans adapt to the sizes of finished stages. Not yet: stages run as they were planned, and answers are the same.";
    ANSI: bool = "spark.sql.ansi.enabled", Some("true"), Session, Honoured, "Whether overflow, division by zero and bad casts are errors.";
    MAP_KEY_DEDUP_POLICY: MapKeyDedupPolicy = "spark.sql.mapKeyDedupPolicy", Some("EXCEPTION"), Session, Honoured, "What a key that comes twice in a new map is: `EXCEPTION`, or `LAST_WIN` for the last value.";
    TIME_ZONE: String = "spark.sql.session.timeZone", None, Session, Honoured, "Zone of timestamps; the machine's by default.";
    CASE_SENSITIVE: bool = "spark.sql.caseSensitive", Some("false"), Session, Honoured, "Whether names differ by case.";
    MAX_PARTITION_BYTES: ByteSize = "spark.sql.files.maxPartitionBytes", Some("128MB"), Session, Honoured, "Bytes of files that one task reads.";
    OPEN_COST: ByteSize = "spark.sql.files.openCostInBytes", Some("4MB"), Session, Honoured, "Bytes that opening a file counts for when files are put together.";
    DEFAULT_SOURCE: String = "spark.sql.sources.default", Some("parquet"), Session, Honoured, "Format where none is given.";
    PARTITION_OVERWRITE_MODE: PartitionOverwriteMode = "spark.sql.sources.partitionOverwriteMode", Some("STATIC"), Session, Honoured, "What an overwrite of a partitioned table removes: all, or the partitions of which there are new rows.";
    PARQUET_CODEC: String = "spark.sql.parquet.compression.codec", Some("snappy"), Session, Honoured, "Compression of Parquet files written.";
    WAREHOUSE_DIR: String = "spark.sql.warehouse.dir", Some("spark-warehouse"), Static, Honoured, "Directory of managed tables.";
    PARTITION_COLUMN_INFERENCE: bool = "spark.sql.sources.partitionColumnTypeInference.enabled", Some("true"), Session, Honoured, "Whether the types of partition columns are read from their values.";
    MERGE_SCHEMA: bool = "spark.sql.parquet.mergeSchema", Some("false"), Session, Honoured, "Whether the columns of Parquet files are those of all files, not of one.";
    MAX_RECORDS_PER_FILE: i64 = "spark.sql.files.maxRecordsPerFile", Some("0"), Session, Honoured, "Rows of a file that is written, at most; 0 is no limit.";
    CORRUPT_COLUMN: String = "spark.sql.columnNameOfCorruptRecord", Some("_corrupt_record"), Session, Honoured, "Column that takes records of CSV and JSON that are not well formed.";
    MAX_TO_STRING_FIELDS: u32 = "spark.sql.debug.maxToStringFields", Some("25"), Session, NoEffect, "Fields shown of a wide plan node; plans are shown whole.";
    CROSS_JOIN: bool = "spark.sql.crossJoin.enabled", Some("true"), Session, Honoured, "Whether a join without a condition is allowed where the program did not write CROSS JOIN.";
    PIVOT_MAX_VALUES: u32 = "spark.sql.pivotMaxValues", Some("10000"), Session, Honoured, "Values of a pivot column found in the data, at most.";
    GROUP_BY_ORDINAL: bool = "spark.sql.groupByOrdinal", Some("true"), Session, Honoured, "Whether a number in GROUP BY names a select item.";
    ORDER_BY_ORDINAL: bool = "spark.sql.orderByOrdinal", Some("true"), Session, Honoured, "Whether a number in ORDER BY names a select item.";
    ARROW_MAX_RECORDS: u32 = "spark.sql.execution.arrow.maxRecordsPerBatch", Some("10000"), Session, Honoured, "Rows of a result batch sent to a client.";
    REPL_EAGER_EVAL: bool = "spark.sql.repl.eagerEval.enabled", Some("false"), Session, ForClients, "Whether a notebook runs a DataFrame to show it.";

    TIMESTAMP_TYPE: TimestampType = "spark.sql.timestampType", Some("TIMESTAMP_LTZ"), Session, Refused, "What TIMESTAMP means: with the local time zone or without; only with it is served.";
    LOCAL_RELATION_CACHE_THRESHOLD: i64 = "spark.sql.session.localRelationCacheThreshold", Some("1048576"), Session, ForClients, "Bytes of local data from which a client sends it as artifacts.";
    LOCAL_RELATION_SIZE_LIMIT: i64 = "spark.sql.session.localRelationSizeLimit", Some("3221225472"), Session, ForClients, "Bytes of local data that a client sends at most.";
    LOCAL_RELATION_CHUNK_ROWS: i64 = "spark.sql.session.localRelationChunkSizeRows", Some("10000"), Session, ForClients, "Rows of one chunk of local data sent as artifacts.";
    LOCAL_RELATION_CHUNK_BYTES: i64 = "spark.sql.session.localRelationChunkSizeBytes", Some("16777216"), Session, ForClients, "Bytes of one chunk of local data sent as artifacts.";
    LOCAL_RELATION_BATCH_BYTES: i64 = "spark.sql.session.localRelationBatchOfChunksSizeBytes", Some("1073741824"), Session, ForClients, "Bytes of chunks that a client sends in one request.";
    PANDAS_ARROW_SAFELY: bool = "spark.sql.execution.pandas.convertToArrowArraySafely", Some("false"), Session, ForClients, "Whether pandas values that do not fit are an error.";
    PANDAS_DICT_AS_MAP: bool = "spark.sql.execution.pandas.inferPandasDictAsMap", Some("false"), Session, ForClients, "Whether a dict in pandas becomes a map.";
    PANDAS_STRUCT_MODE: String = "spark.sql.execution.pandas.structHandlingMode", Some("legacy"), Session, ForClients, "What a struct becomes in pandas: legacy, row or dict.";
    INFER_DICT_AS_STRUCT: bool = "spark.sql.pyspark.inferNestedDictAsStruct.enabled", Some("false"), Session, ForClients, "Whether a nested dict becomes a struct.";
    INFER_ARRAY_FROM_FIRST: bool = "spark.sql.pyspark.legacy.inferArrayTypeFromFirstElement.enabled", Some("false"), Session, ForClients, "Whether the first element decides an array's type.";
    INFER_MAP_FROM_FIRST: bool = "spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled", Some("false"), Session, ForClients, "Whether the first pair decides a map's type.";
    ARROW_LARGE_VAR_TYPES: bool = "spark.sql.execution.arrow.useLargeVarTypes", Some("false"), Session, ForClients, "Whether clients send text with 64-bit offsets.";
    ARROW_SELF_DESTRUCT: bool = "spark.sql.execution.arrow.pyspark.selfDestruct.enabled", Some("false"), Session, ForClients, "Whether clients free Arrow memory early.";
    ARROW_PYSPARK: bool = "spark.sql.execution.arrow.pyspark.enabled", Some("true"), Session, NoEffect, "Rows travel as Arrow in any case.";
    PYTHON_UDF_ARROW: bool = "spark.sql.execution.pythonUDF.arrow.enabled", Some("false"), Session, ForClients, "Whether clients mark Python functions for Arrow.";
    PYTHON_UDTF_ARROW: bool = "spark.sql.execution.pythonUDTF.arrow.enabled", Some("false"), Session, ForClients, "Whether clients mark Python table functions for Arrow.";
    BINARY_AS_BYTES: bool = "spark.sql.execution.pyspark.binaryAsBytes", Some("true"), Session, ForClients, "Whether binary values are `bytes` in Python.";
    PLAN_COMPRESSION_THRESHOLD: i64 = "spark.connect.session.planCompression.threshold", Some("10485760"), Session, ForClients, "Bytes of a plan from which a client compresses it; -1 turns it off.";
    PLAN_COMPRESSION_ALGORITHM: String = "spark.connect.session.planCompression.defaultAlgorithm", Some("ZSTD"), Session, ForClients, "How clients compress plans: ZSTD or NONE.";
    SERVER_STACKTRACE: bool = "spark.sql.connect.serverStacktrace.enabled", Some("false"), Session, ForClients, "Whether clients show the causes of an error as a stack trace.";
    JVM_STACKTRACE: bool = "spark.sql.pyspark.jvmStacktrace.enabled", Some("false"), Session, ForClients, "As serverStacktrace.enabled; asked for by older clients.";
    REPL_EAGER_ROWS: u32 = "spark.sql.repl.eagerEval.maxNumRows", Some("20"), Session, ForClients, "Rows that a notebook shows.";
    REPL_EAGER_TRUNCATE: u32 = "spark.sql.repl.eagerEval.truncate", Some("20"), Session, ForClients, "Letters of a value that a notebook shows.";
    SENDER_MAX_STREAM_DURATION: Duration = "spark.connect.execute.reattachable.senderMaxStreamDuration", Some("2m"), Session, Honoured, "Time after which a response stream ends and the client reattaches.";
    SENDER_MAX_STREAM_SIZE: ByteSize = "spark.connect.execute.reattachable.senderMaxStreamSize", Some("1g"), Session, Honoured, "Bytes after which a response stream ends and the client reattaches.";

    SSL_RPC: bool = "spark.ssl.rpc.enabled", Some("false"), Static, Honoured, "Whether connections between the application's processes are encrypted, by TLS with certificates made for this application alone.";
    SERIALIZER: String = "spark.serializer", None, Static, NoEffect, "JVM only.";
    EXTENSIONS: String = "spark.sql.extensions", None, Static, Refused, "JVM only: classes that change how SQL is understood.";
    IO_ENCRYPTION: bool = "spark.io.encryption.enabled", Some("false"), Static, Refused, "Encryption of local files.";
    AUTHENTICATE: bool = "spark.authenticate", Some("false"), Static, Refused, "Spark's own shared secret; every connection here has a token anyway.";
    NETWORK_ENCRYPTION: bool = "spark.network.crypto.enabled", Some("false"), Static, Refused, "Encryption between processes as Spark had it before TLS; spark.ssl.rpc.enabled turns TLS on.";
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
    fn parse(text: &str) -> Result<Self, Problem> {
        match text.trim().parse::<i64>() {
            Ok(n) if n < 0 => Ok(Self::Off),
            _ => ByteSize::parse(text).map(Self::UpTo),
        }
    }
}
