//! The keys. Names, types and defaults are those of Spark 4; keys that start with `firesteel.` are
//! our own.

use super::Effect::{ForClients, ForPython, Honoured, None as NoEffect, Refused};
use super::Scope::{Session, Static};
use super::{
    BlockCompression, Declared, Fraction, Key, MapKeyDedupPolicy, Name, PartitionOverwriteMode,
    Problem, PythonProfiler, Retain, SchedulerMode, TimestampType, Value, VolumeLayout,
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
    DRIVER_MEMORY: ByteSize = "spark.driver.memory", Some("1g"), Static, Honoured, "Memory of the driver's pod. On one machine the driver's memory is not limited.";
    EXECUTOR_MEMORY: ByteSize = "spark.executor.memory", Some("1g"), Static, Honoured, "Memory of an executor, shared by its tasks.";
    MEMORY_FRACTION: Fraction = "spark.memory.fraction", Some("1.0"), Static, Honoured, "Part of an executor's memory that operators share. Spark's 0.6 leaves room for objects of a JVM, of which there are none.";
    MEMORY_STORAGE_FRACTION: Fraction = "spark.memory.storageFraction", Some("0.5"), Static, NoEffect, "Caches are on volumes, not in memory.";
    EXECUTOR_CORES: u32 = "spark.executor.cores", Some("1"), Static, Honoured, "Cores of an executor.";
    EXECUTOR_INSTANCES: u32 = "spark.executor.instances", Some("2"), Static, Honoured, "Number of executors.";
    EXECUTOR_MAX_FAILURES: u32 = "spark.executor.maxNumFailures", None, Static, Honoured, "Number of executor failures that fail the application; by default twice the number of executors, at least 3.";
    DYNAMIC_ALLOCATION: bool = "spark.dynamicAllocation.enabled", Some("false"), Static, Honoured, "Whether the number of executors follows the number of tasks. Not with a master `local`.";
    DYNAMIC_MIN_EXECUTORS: u32 = "spark.dynamicAllocation.minExecutors", Some("0"), Static, Honoured, "Least number of executors.";
    DYNAMIC_MAX_EXECUTORS: u32 = "spark.dynamicAllocation.maxExecutors", None, Static, Honoured, "Largest number of executors; no limit by default.";
    DYNAMIC_INITIAL_EXECUTORS: u32 = "spark.dynamicAllocation.initialExecutors", None, Static, Honoured, "Executors at the start; the least number by default. `spark.executor.instances`, if greater, takes its place.";
    DYNAMIC_BACKLOG_TIMEOUT: Duration = "spark.dynamicAllocation.schedulerBacklogTimeout", Some("1s"), Static, Honoured, "Time that tasks wait for slots before the first executor is added.";
    DYNAMIC_SUSTAINED_BACKLOG_TIMEOUT: Duration = "spark.dynamicAllocation.sustainedSchedulerBacklogTimeout", None, Static, Honoured, "Time after which two more are added, then four, and so on; that of the first by default.";
    DYNAMIC_IDLE_TIMEOUT: Duration = "spark.dynamicAllocation.executorIdleTimeout", Some("60s"), Static, Honoured, "Time without a task after which an executor is released.";
    DYNAMIC_CACHED_IDLE_TIMEOUT: Duration = "spark.dynamicAllocation.cachedExecutorIdleTimeout", None, Static, Honoured, "The same for an executor with which cached partitions would be lost; they are kept by default.";
    DYNAMIC_SHUFFLE_TRACKING: bool = "spark.dynamicAllocation.shuffleTracking.enabled", Some("true"), Static, Honoured, "Whether executors are kept with which map outputs would be lost: those of volumes that nobody else can mount.";
    DYNAMIC_SHUFFLE_TIMEOUT: Duration = "spark.dynamicAllocation.shuffleTracking.timeout", None, Static, Honoured, "Time without a task for which they are kept, if no job needs the outputs; no limit by default.";
    DYNAMIC_RATIO: f64 = "spark.dynamicAllocation.executorAllocationRatio", Some("1.0"), Static, Honoured, "Share of the executors wanted that would give each task a slot at once.";
    DECOMMISSION: bool = "spark.decommission.enabled", Some("false"), Static, Honoured, "Whether what an executor holds may be moved to others before it leaves, because it got SIGTERM or SIGPWR, its pod is deleted, or it is idle. It finishes its tasks in any case.";
    STORAGE_DECOMMISSION: bool = "spark.storage.decommission.enabled", Some("false"), Static, Honoured, "Whether it is moved.";
    DECOMMISSION_SHUFFLES: bool = "spark.storage.decommission.shuffleBlocks.enabled", Some("true"), Static, Honoured, "Whether that includes map outputs.";
    DECOMMISSION_CACHES: bool = "spark.storage.decommission.rddBlocks.enabled", Some("true"), Static, Honoured, "Whether that includes cached partitions.";
    IGNORE_DECOMMISSION_FETCH_FAILURE: bool = "spark.stage.ignoreDecommissionFetchFailure", Some("true"), Static, Honoured, "Whether a stage that could not read what was on an executor that leaves is tried again without counting that.";
    DEPLOY_MODE: String = "spark.submit.deployMode", Some("client"), Static, Honoured, "Where the driver runs; on one machine only client.";
    SHUFFLE_REUSE: bool = "firesteel.shuffle.reuse", Some("true"), Session, Honoured, "Whether a stage whose outputs already exist is skipped; false recomputes everything, for benchmarks.";
    TASK_CPUS: NonZeroU32 = "spark.task.cpus", Some("1"), Static, Honoured, "Cores per task: an executor has as many slots as this fits into its cores.";
    PROFILE_MERGE_CONFLICTS: bool = "spark.scheduler.resource.profileMergeConflicts", Some("false"), Static, Honoured, "Whether a stage whose RDDs ask for different numbers of cores per task takes the largest one, instead of failing.";
    DEFAULT_PARALLELISM: u32 = "spark.default.parallelism", None, Static, Honoured, "Default number of partitions of a range or a local collection; all slots by default.";
    TASK_MAX_FAILURES: u32 = "spark.task.maxFailures", Some("4"), Static, Honoured, "Number of failures of one task that fail its job. `local[N,F]` has its own, and `local` and `local[N]` try a task once.";
    TASK_REAPER: bool = "spark.task.reaper.enabled", Some("false"), Static, Honoured, "Whether executors watch tasks that were cancelled until they have ended, and warn of those that go on.";
    TASK_REAPER_INTERVAL: Duration = "spark.task.reaper.pollingInterval", Some("10s"), Static, Honoured, "Time between two such warnings.";
    TASK_REAPER_DUMP: bool = "spark.task.reaper.threadDump", Some("true"), Static, Honoured, "Whether they have the plan that the task runs, which here is in place of threads.";
    TASK_REAPER_KILL_TIMEOUT: DurationOrOff = "spark.task.reaper.killTimeout", Some("-1"), Static, Honoured, "Time after which an executor ends because a task of it goes on; -1 for never. Not with a master `local`.";
    STAGE_MAX_CONSECUTIVE_ATTEMPTS: u32 = "spark.stage.maxConsecutiveAttempts", Some("4"), Static, Honoured, "Number of consecutive fetch failures that fail a stage.";
    MAX_RESULT_SIZE: ByteSize = "spark.driver.maxResultSize", Some("1g"), Static, Honoured, "Limit on the total size of an action's results; exceeding it fails the action.";
    SHUFFLE_CONNECTION_CREATION_TIMEOUT: Duration = "spark.shuffle.io.connectionCreationTimeout", Some("10s"), Static, Honoured, "Time after which an executor that takes no connection counts as out of reach of another one.";
    SHUFFLE_CONNECTION_TIMEOUT: Duration = "spark.shuffle.io.connectionTimeout", Some("30s"), Static, Honoured, "Time without a byte after which an executor that was asked for blocks counts as out of reach.";
    NETWORK_TIMEOUT: Duration = "spark.network.timeout", Some("120s"), Static, Honoured, "Time without a message after which a peer is declared lost.";
    SPECULATION: bool = "spark.speculation", Some("false"), Static, Honoured, "Whether tasks that run much longer than others of their stage get a second attempt on another executor; the first one that finishes counts.";
    SPECULATION_INTERVAL: Duration = "spark.speculation.interval", Some("100ms"), Static, Honoured, "Time between two checks for slow tasks.";
    SPECULATION_MULTIPLIER: f64 = "spark.speculation.multiplier", Some("3"), Static, Honoured, "A task is slow if it runs this many times as long as the median of its stage.";
    SPECULATION_QUANTILE: f64 = "spark.speculation.quantile", Some("0.9"), Static, Honoured, "Part of a stage's tasks that have to finish before slow ones are looked for.";
    SPECULATION_MIN_RUNTIME: Duration = "spark.speculation.minTaskRuntime", Some("100ms"), Static, Honoured, "Time that a task may run before it can be slow.";
    SPECULATION_THRESHOLD: Duration = "spark.speculation.task.duration.threshold", None, Static, Honoured, "Time from which on a task is slow even if no other one of its stage has finished; only of stages with at most as many tasks as an executor has slots.";
    SPECULATION_EFFICIENCY: bool = "spark.speculation.efficiency.enabled", Some("true"), Static, Honoured, "Whether a slow task gets no second attempt if it reads rows about as fast as the others of its stage.";
    SPECULATION_RATE: f64 = "spark.speculation.efficiency.processRateMultiplier", Some("0.75"), Static, Honoured, "It does if it reads less than this part of the rows that they have read in the same time.";
    SPECULATION_LONG_RUN: f64 = "spark.speculation.efficiency.longRunTaskFactor", Some("2"), Static, Honoured, "And however fast it is, once it runs this many times as long as others until they are slow.";
    EXCLUDE: bool = "spark.excludeOnFailure.enabled", Some("false"), Static, Honoured, "Whether executors and hosts on which tasks fail get no more of them.";
    EXCLUDE_TASK_PER_EXECUTOR: u32 = "spark.excludeOnFailure.task.maxTaskAttemptsPerExecutor", Some("1"), Static, Honoured, "Failures of a task on an executor that exclude this for the task.";
    EXCLUDE_TASK_PER_NODE: u32 = "spark.excludeOnFailure.task.maxTaskAttemptsPerNode", Some("2"), Static, Honoured, "Failures of a task on a host that exclude this for the task; fewer than `spark.task.maxFailures`.";
    EXCLUDE_STAGE_PER_EXECUTOR: u32 = "spark.excludeOnFailure.stage.maxFailedTasksPerExecutor", Some("2"), Static, Honoured, "Tasks of a stage that fail on an executor until this is excluded for the stage.";
    EXCLUDE_STAGE_PER_NODE: u32 = "spark.excludeOnFailure.stage.maxFailedExecutorsPerNode", Some("2"), Static, Honoured, "Executors of a host that are excluded for a stage until the host is.";
    EXCLUDE_PER_EXECUTOR: u32 = "spark.excludeOnFailure.application.maxFailedTasksPerExecutor", Some("2"), Static, Honoured, "Tasks that fail on an executor, of stages that completed nevertheless, until this is excluded for all.";
    EXCLUDE_PER_NODE: u32 = "spark.excludeOnFailure.application.maxFailedExecutorsPerNode", Some("2"), Static, Honoured, "Executors of a host that are excluded for all stages until the host is.";
    EXCLUDE_FETCH_FAILURE: bool = "spark.excludeOnFailure.application.fetchFailure.enabled", Some("false"), Static, Honoured, "Whether an executor is excluded for all stages as soon as an output that only it serves cannot be read.";
    EXCLUDE_TIMEOUT: Duration = "spark.excludeOnFailure.timeout", Some("1h"), Static, Honoured, "Time that an exclusion for all stages lasts.";
    EXCLUDE_KILL: bool = "spark.excludeOnFailure.killExcludedExecutors", Some("false"), Static, Honoured, "Whether executors that are excluded for all stages are replaced.";
    UNSCHEDULABLE_TIMEOUT: Duration = "spark.scheduler.excludeOnFailure.unschedulableTaskSetTimeout", Some("120s"), Static, Honoured, "Time that a task that may not run on any executor waits for another one before its job fails.";
    LOCALITY_WAIT: Duration = "spark.locality.wait", Some("3s"), Static, Honoured, "Time that tasks wait for a slot where most of their input is, before they run farther away.";
    LOCALITY_WAIT_PROCESS: Duration = "spark.locality.wait.process", None, Static, Honoured, "Time that they wait for an executor that has the input, before they run on another one of its host; by default `spark.locality.wait`.";
    LOCALITY_WAIT_NODE: Duration = "spark.locality.wait.node", None, Static, Honoured, "Time that they wait for its host, before they run anywhere; by default `spark.locality.wait`.";
    LOCALITY_WAIT_RACK: Duration = "spark.locality.wait.rack", None, Static, NoEffect, "Hosts are in no racks here.";
    BARRIER_SYNC_TIMEOUT: Duration = "spark.barrier.sync.timeout", Some("365d"), Static, Honoured, "Time that tasks of a barrier stage wait for each other before they fail.";
    HEARTBEAT_INTERVAL: Duration = "spark.executor.heartbeatInterval", Some("10s"), Static, Honoured, "Interval of an executor's heartbeats.";
    CHECKPOINT_DIR: String = "spark.checkpoint.dir", None, Static, Honoured, "Directory for checkpoints of RDDs and DataFrames, which all executors must reach.";
    LOCAL_DIR: String = "spark.local.dir", None, Static, Honoured, "Directory for shuffles and spills; by default a new temporary one, deleted at the end.";
    IO_COMPRESSION: BlockCompression = "spark.io.compression.codec", Some("lz4"), Static, Honoured, "Compression of shuffle blocks.";
    SHUFFLE_COMPRESS: bool = "spark.shuffle.compress", Some("true"), Static, Honoured, "Whether shuffle blocks are compressed.";
    SHUFFLE_SYNC: bool = "firesteel.shuffle.sync", Some("false"), Static, Honoured, "Whether map outputs are forced to the disk before they count; needed if the volume outlives the machine.";
    SHUFFLE_VOLUME: VolumeLayout = "firesteel.shuffle.volume", Some("shared"), Static, Honoured, "On one machine: `shared` for one volume for all executors, `own` for one each.";
    SHUFFLE_RETAIN: Retain = "firesteel.shuffle.retain", Some("never"), Static, Honoured, "After which end of the application its shuffles stay on volumes; never, only after a failure, or always. On Kubernetes its next run finds them, and where an application is deleted, `always` keeps its claims. On one machine they stay in `spark.local.dir`, for other applications.";
    SHUFFLE_RETAIN_TIME: Duration = "firesteel.shuffle.retain.time", None, Static, Honoured, "Time without a job that uses them after which shuffles are deleted, except those of caches; no limit by default. Also the time, at least 1h, after which others delete what the application has left on a volume that they share; 24h by default, no limit if shuffles are retained.";
    SHUFFLE_RETAIN_SIZE: ByteSize = "firesteel.shuffle.retain.size", None, Static, Honoured, "Size of an application's shuffles on a volume above which those are deleted that no job has used for longest, except those of caches; no limit by default.";
    SHUFFLE_SHARE: Name = "firesteel.shuffle.share", None, Static, Honoured, "Group of applications that use each other's shuffles: one reads what others of its group have left, or have there, beside its own on the same volume. None by default.";
    SUBMIT_PY_FILES: String = "spark.submit.pyFiles", None, Static, Honoured, "Files and directories to put on the Python path, comma-separated.";
    FILES: String = "spark.files", None, Static, Honoured, "Files for the directory of `SparkFiles`, comma-separated.";
    ARCHIVES: String = "spark.archives", None, Static, Honoured, "Archives to unpack into that directory, comma-separated; `archive#name` sets the name there.";
    PYSPARK_PYTHON: String = "spark.pyspark.python", None, Static, Honoured, "Python interpreter of the program and of its functions; by default that of `PYSPARK_PYTHON`.";
    PYSPARK_DRIVER_PYTHON: String = "spark.pyspark.driver.python", None, Static, Honoured, "Python interpreter of the program alone; by default that of `PYSPARK_DRIVER_PYTHON`.";
    UI_SHOW_PROGRESS: bool = "spark.ui.showConsoleProgress", Some("true"), Static, Honoured, "Whether to draw a progress bar.";
    SCHEDULER_MODE: SchedulerMode = "spark.scheduler.mode", Some("FIFO"), Static, Honoured, "How jobs share the slots: the oldest first, or fairly by pools. A thread of the program names its pool with `sc.setLocalProperty(\"spark.scheduler.pool\", name)`.";
    START_RATIO: f64 = "spark.scheduler.minRegisteredResourcesRatio", None, Static, Honoured, "Part of the executors wanted at the start that have to be there before the first task is launched; by default 0.8 on Kubernetes and 0 elsewhere. A master `local` waits for none.";
    START_WAIT: Duration = "spark.scheduler.maxRegisteredResourcesWaitingTime", Some("30s"), Static, Honoured, "Time from the start after which tasks are launched however many executors are there.";
    ALLOCATION_FILE: String = "spark.scheduler.allocation.file", None, Static, Honoured, "XML file with the rules of pools (`schedulingMode`, `weight`, `minShare`), which the driver reads at its start.";

    SHUFFLE_PARTITIONS: NonZeroU32 = "spark.sql.shuffle.partitions", Some("200"), Session, Honoured, "Number of partitions of a shuffle for joins and aggregations.";
    AUTO_BROADCAST: ByteSizeOrOff = "spark.sql.autoBroadcastJoinThreshold", Some("10485760b"), Session, Honoured, "Size up to which a side of a join is broadcast to every task; -1 turns it off.";
    BROADCAST_TIMEOUT: DurationOrOff = "spark.sql.broadcastTimeout", Some("300000ms"), Session, Honoured, "Time that the build side of a broadcast may take before its job fails; -1 for any. As in Spark, it counts only if `spark.sql.adaptive.enabled` is false.";
    ADAPTIVE: bool = "spark.sql.adaptive.enabled", Some("true"), Session, Honoured, "Whether plans adapt to the sizes of finished map stages, and sorts to those of a sample. With it, `spark.sql.broadcastTimeout` does not count.";
    COALESCE_PARTITIONS: bool = "spark.sql.adaptive.coalescePartitions.enabled", Some("true"), Session, Honoured, "Whether small partitions of a shuffle are read by one task, if plans adapt. A number of partitions that the program asked for stays.";
    COALESCE_PARALLELISM_FIRST: bool = "spark.sql.adaptive.coalescePartitions.parallelismFirst", Some("true"), Session, Honoured, "Whether all slots are to have work, even if tasks are then smaller than the advisory size.";
    COALESCE_MIN_SIZE: ByteSize = "spark.sql.adaptive.coalescePartitions.minPartitionSize", Some("1MB"), Session, Honoured, "Size of a task up to which partitions are put together in any case.";
    COALESCE_MIN_PARTITIONS: NonZeroU32 = "spark.sql.adaptive.coalescePartitions.minPartitionNum", None, Session, Honoured, "Number of tasks that are to have work, instead of all slots.";
    COALESCE_INITIAL_PARTITIONS: NonZeroU32 = "spark.sql.adaptive.coalescePartitions.initialPartitionNum", None, Session, Honoured, "Number of partitions of a shuffle before small ones are put together; `spark.sql.shuffle.partitions` by default.";
    ADVISORY_PARTITION_SIZE: ByteSize = "spark.sql.adaptive.advisoryPartitionSizeInBytes", Some("64MB"), Session, Honoured, "Size of a shuffle that one task should read.";
    ADAPTIVE_BROADCAST: ByteSizeOrOff = "spark.sql.adaptive.autoBroadcastJoinThreshold", None, Session, Honoured, "Size up to which a side of a join is broadcast once it is known how much it holds; `spark.sql.autoBroadcastJoinThreshold` by default, -1 turns it off.";
    SKEW_JOIN: bool = "spark.sql.adaptive.skewJoin.enabled", Some("true"), Session, Honoured, "Whether a partition of a join that is far larger than the others is divided among several tasks, if plans adapt.";
    SKEW_FACTOR: f64 = "spark.sql.adaptive.skewJoin.skewedPartitionFactor", Some("5.0"), Session, Honoured, "A partition is divided if it is so many times as large as the median one, and larger than the threshold.";
    SKEW_THRESHOLD: ByteSize = "spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes", Some("256MB"), Session, Honoured, "Size above which a partition is divided, if it is so many times as large as the median one.";
    ANSI: bool = "spark.sql.ansi.enabled", Some("true"), Session, Honoured, "Whether overflow, division by zero and bad casts are errors.";
    MAP_KEY_DEDUP_POLICY: MapKeyDedupPolicy = "spark.sql.mapKeyDedupPolicy", Some("EXCEPTION"), Session, Honoured, "Treatment of a duplicate key in a new map: `EXCEPTION`, or `LAST_WIN` to keep the last value.";
    TIME_ZONE: String = "spark.sql.session.timeZone", None, Session, Honoured, "Time zone of timestamps; the machine's by default.";
    CASE_SENSITIVE: bool = "spark.sql.caseSensitive", Some("false"), Session, Honoured, "Whether names are case-sensitive.";
    MAX_PARTITION_BYTES: ByteSize = "spark.sql.files.maxPartitionBytes", Some("128MB"), Session, Honoured, "Limit on the bytes of files that one task reads.";
    OPEN_COST: ByteSize = "spark.sql.files.openCostInBytes", Some("4MB"), Session, Honoured, "Cost of opening a file, in bytes, when files are combined into tasks.";
    SEVERAL_TABLE_ARGUMENTS: bool = "spark.sql.tvf.allowMultipleTableArguments.enabled", Some("false"), Session, Honoured, "Whether a table function may get several tables; it is called for each combination of their rows.";
    PYTHON_FILTER_PUSHDOWN: bool = "spark.sql.python.filterPushdown.enabled", Some("false"), Session, Honoured, "Whether filters are offered to the readers of Python data sources (`pushFilters`).";
    PATH_OPTION_BEHAVIOR: bool = "spark.sql.legacy.pathOptionBehavior.enabled", Some("false"), Session, Honoured, "Whether a Python data source may be loaded from a path beside the option `path`.";
    DEFAULT_SOURCE: String = "spark.sql.sources.default", Some("parquet"), Session, Honoured, "Default format.";
    PARTITION_OVERWRITE_MODE: PartitionOverwriteMode = "spark.sql.sources.partitionOverwriteMode", Some("STATIC"), Session, Honoured, "Partitions that an overwrite of a partitioned table deletes: all, or the partitions of which there are new rows.";
    PARQUET_CODEC: String = "spark.sql.parquet.compression.codec", Some("snappy"), Session, Honoured, "Compression of written Parquet files.";
    WAREHOUSE_DIR: String = "spark.sql.warehouse.dir", Some("spark-warehouse"), Static, Honoured, "Directory of managed tables.";
    PARTITION_COLUMN_INFERENCE: bool = "spark.sql.sources.partitionColumnTypeInference.enabled", Some("true"), Session, Honoured, "Whether the types of partition columns are inferred from their values.";
    MERGE_SCHEMA: bool = "spark.sql.parquet.mergeSchema", Some("false"), Session, Honoured, "Whether the schema of Parquet files is merged from all files instead of taken from one.";
    MAX_RECORDS_PER_FILE: i64 = "spark.sql.files.maxRecordsPerFile", Some("0"), Session, Honoured, "Limit on the rows of a written file; 0 for no limit.";
    CORRUPT_COLUMN: String = "spark.sql.columnNameOfCorruptRecord", Some("_corrupt_record"), Session, Honoured, "Column for malformed CSV and JSON records.";
    MAX_TO_STRING_FIELDS: u32 = "spark.sql.debug.maxToStringFields", Some("25"), Session, NoEffect, "Number of fields shown of a wide plan node; plans are always shown in full.";
    CROSS_JOIN: bool = "spark.sql.crossJoin.enabled", Some("true"), Session, Honoured, "Whether a join without a condition is allowed unless it is written as CROSS JOIN.";
    PIVOT_MAX_VALUES: u32 = "spark.sql.pivotMaxValues", Some("10000"), Session, Honoured, "Limit on the values of a pivot column found in the data.";
    GROUP_BY_ORDINAL: bool = "spark.sql.groupByOrdinal", Some("true"), Session, Honoured, "Whether a number in GROUP BY names a select item.";
    ORDER_BY_ORDINAL: bool = "spark.sql.orderByOrdinal", Some("true"), Session, Honoured, "Whether a number in ORDER BY names a select item.";
    ARROW_MAX_RECORDS: u32 = "spark.sql.execution.arrow.maxRecordsPerBatch", Some("10000"), Session, Honoured, "Limit on the rows of a result batch sent to a client.";
    REPL_EAGER_EVAL: bool = "spark.sql.repl.eagerEval.enabled", Some("false"), Session, ForClients, "Whether a notebook runs a DataFrame to show it.";

    TIMESTAMP_TYPE: TimestampType = "spark.sql.timestampType", Some("TIMESTAMP_LTZ"), Session, Refused, "Meaning of TIMESTAMP: with or without the local time zone; only the former is supported.";
    LOCAL_RELATION_CACHE_THRESHOLD: i64 = "spark.sql.session.localRelationCacheThreshold", Some("1048576"), Session, ForClients, "Size of local data, in bytes, from which a client sends it as artifacts.";
    LOCAL_RELATION_SIZE_LIMIT: i64 = "spark.sql.session.localRelationSizeLimit", Some("3221225472"), Session, ForClients, "Limit on the local data that a client sends, in bytes.";
    LOCAL_RELATION_CHUNK_ROWS: i64 = "spark.sql.session.localRelationChunkSizeRows", Some("10000"), Session, ForClients, "Rows per chunk of local data sent as artifacts.";
    LOCAL_RELATION_CHUNK_BYTES: i64 = "spark.sql.session.localRelationChunkSizeBytes", Some("16777216"), Session, ForClients, "Bytes per chunk of local data sent as artifacts.";
    LOCAL_RELATION_BATCH_BYTES: i64 = "spark.sql.session.localRelationBatchOfChunksSizeBytes", Some("1073741824"), Session, ForClients, "Bytes of chunks that a client sends in one request.";
    PANDAS_ARROW_SAFELY: bool = "spark.sql.execution.pandas.convertToArrowArraySafely", Some("true"), Session, ForClients, "Whether pandas values that do not fit are an error.";
    PANDAS_DICT_AS_MAP: bool = "spark.sql.execution.pandas.inferPandasDictAsMap", Some("false"), Session, ForClients, "Whether a dict in pandas becomes a map.";
    PANDAS_STRUCT_MODE: String = "spark.sql.execution.pandas.structHandlingMode", Some("legacy"), Session, ForClients, "Representation of a struct in pandas: legacy, row or dict.";
    INFER_DICT_AS_STRUCT: bool = "spark.sql.pyspark.inferNestedDictAsStruct.enabled", Some("false"), Session, ForClients, "Whether a nested dict becomes a struct.";
    INFER_ARRAY_FROM_FIRST: bool = "spark.sql.pyspark.legacy.inferArrayTypeFromFirstElement.enabled", Some("false"), Session, ForClients, "Whether the first element decides an array's type.";
    INFER_MAP_FROM_FIRST: bool = "spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled", Some("false"), Session, ForClients, "Whether the first pair decides a map's type.";
    ARROW_LARGE_VAR_TYPES: bool = "spark.sql.execution.arrow.useLargeVarTypes", Some("false"), Session, ForClients, "Whether clients send text with 64-bit offsets.";
    ARROW_SELF_DESTRUCT: bool = "spark.sql.execution.arrow.pyspark.selfDestruct.enabled", Some("false"), Session, ForClients, "Whether clients free Arrow memory early.";
    ARROW_PYSPARK: bool = "spark.sql.execution.arrow.pyspark.enabled", Some("true"), Session, NoEffect, "Rows travel as Arrow in any case.";
    PYTHON_UDF_ARROW: bool = "spark.sql.execution.pythonUDF.arrow.enabled", Some("false"), Session, ForClients, "Whether clients mark Python functions for Arrow.";
    PYTHON_UDTF_ARROW: bool = "spark.sql.execution.pythonUDTF.arrow.enabled", Some("false"), Session, ForClients, "Whether clients mark Python table functions for Arrow.";
    BINARY_AS_BYTES: bool = "spark.sql.execution.pyspark.binaryAsBytes", Some("true"), Session, ForClients, "Whether binary values are `bytes` in Python.";
    ARROW_BATCH_BYTES: i64 = "spark.sql.execution.arrow.maxBytesPerBatch", Some("2147483647"), Session, ForPython, "Bytes of a batch that a Python worker sends at most.";
    PANDAS_BY_NAME: bool = "spark.sql.legacy.execution.pandas.groupedMap.assignColumnsByName", Some("true"), Session, ForPython, "Whether columns of pandas results are matched by name.";
    PYTHON_UDF_LEGACY_PANDAS: bool = "spark.sql.legacy.execution.pythonUDF.pandas.conversion.enabled", Some("false"), Session, ForPython, "Whether Arrow-optimised functions convert values by way of pandas.";
    PYTHON_UDTF_LEGACY_PANDAS: bool = "spark.sql.legacy.execution.pythonUDTF.pandas.conversion.enabled", Some("false"), Session, ForPython, "Whether Arrow-optimised table functions convert values by way of pandas.";
    PYTHON_INT_TO_DECIMAL: bool = "spark.sql.execution.pythonUDF.pandas.intToDecimalCoercionEnabled", Some("false"), Session, ForPython, "Whether Python functions may return an int for a decimal.";
    PYTHON_INT_EXTENSION: bool = "spark.sql.execution.pythonUDF.pandas.preferIntExtensionDtype", Some("false"), Session, ForPython, "Whether whole numbers with nulls are pandas' nullable integers.";
    PYTHON_SIMPLE_TRACEBACK: bool = "spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled", Some("true"), Session, ForPython, "Whether tracebacks of Python functions leave out our own frames.";
    PYTHON_HIDE_TRACEBACK: bool = "spark.sql.execution.pyspark.udf.hideTraceback.enabled", Some("false"), Session, ForPython, "Whether errors of Python functions come without traceback.";
    PYTHON_UDF_CONCURRENCY: i64 = "spark.sql.execution.pythonUDF.arrow.concurrency.level", Some("-1"), Session, ForPython, "Threads that evaluate an Arrow-optimised function in a worker.";
    UDF_PROFILER: PythonProfiler = "spark.sql.pyspark.udf.profiler", None, Session, Honoured, "What to measure of Python functions for `spark.profile`: `perf` or `memory`; nothing by default.";
    DATA_SOURCE_PROFILER: PythonProfiler = "spark.sql.pyspark.dataSource.profiler", None, Session, Honoured, "The same for Python data sources.";
    PYSPARK_MEMORY: ByteSize = "spark.executor.pyspark.memory", None, Static, Honoured, "Memory of the Python workers of an executor, shared by its cores; no limit by default.";
    PYTHON_WORKER_REUSE: bool = "spark.python.worker.reuse", Some("true"), Static, Honoured, "Whether a Python worker runs one task after another; if not, each task gets a new one.";
    PYTHON_WORKER_IDLE: u32 = "spark.python.worker.idleTimeoutSeconds", Some("0"), Static, Honoured, "Seconds without a sign of a Python worker that has a task after which a warning is logged; 0 turns it off.";
    PYTHON_WORKER_KILL_IDLE: bool = "spark.python.worker.killOnIdleTimeout", Some("false"), Static, Honoured, "Whether a Python worker is killed after spark.python.worker.idleTimeoutSeconds, so that its task fails.";
    PLAN_COMPRESSION_THRESHOLD: i64 = "spark.connect.session.planCompression.threshold", Some("10485760"), Session, ForClients, "Size of a plan, in bytes, from which a client compresses it; -1 turns it off.";
    PLAN_COMPRESSION_ALGORITHM: String = "spark.connect.session.planCompression.defaultAlgorithm", Some("ZSTD"), Session, ForClients, "Compression of plans by clients: ZSTD or NONE.";
    SERVER_STACKTRACE: bool = "spark.sql.connect.serverStacktrace.enabled", Some("false"), Session, ForClients, "Whether clients show the causes of an error as a stack trace.";
    JVM_STACKTRACE: bool = "spark.sql.pyspark.jvmStacktrace.enabled", Some("false"), Session, ForClients, "Like serverStacktrace.enabled, for older clients.";
    REPL_EAGER_ROWS: u32 = "spark.sql.repl.eagerEval.maxNumRows", Some("20"), Session, ForClients, "Rows that a notebook shows.";
    REPL_EAGER_TRUNCATE: u32 = "spark.sql.repl.eagerEval.truncate", Some("20"), Session, ForClients, "Characters of a value that a notebook shows.";
    SENDER_MAX_STREAM_DURATION: Duration = "spark.connect.execute.reattachable.senderMaxStreamDuration", Some("2m"), Session, Honoured, "Time after which a response stream ends and the client reattaches.";
    SENDER_MAX_STREAM_SIZE: ByteSize = "spark.connect.execute.reattachable.senderMaxStreamSize", Some("1g"), Session, Honoured, "Bytes after which a response stream ends and the client reattaches.";

    SSL_RPC: bool = "spark.ssl.rpc.enabled", Some("false"), Static, Honoured, "Whether connections between the application's processes are encrypted, by TLS with certificates made for this application alone.";
    SERIALIZER: String = "spark.serializer", None, Static, NoEffect, "JVM only.";
    EXTENSIONS: String = "spark.sql.extensions", None, Static, Refused, "JVM only: classes that change how SQL is understood.";
    IO_ENCRYPTION: bool = "spark.io.encryption.enabled", Some("false"), Static, Refused, "Encryption of local files.";
    AUTHENTICATE: bool = "spark.authenticate", Some("false"), Static, Refused, "Spark's own shared secret; every connection here has a token anyway.";
    NETWORK_ENCRYPTION: bool = "spark.network.crypto.enabled", Some("false"), Static, Refused, "Spark's encryption between processes before TLS; spark.ssl.rpc.enabled turns on TLS.";
}

/// A size, or a negative number for "off".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteSizeOrOff {
    /// Off.
    Off,
    /// Up to this size.
    UpTo(ByteSize),
}

/// A duration, or a negative number for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurationOrOff {
    /// No limit.
    Off,
    /// Up to this time.
    UpTo(Duration),
}

impl DurationOrOff {
    /// The limit, if there is one.
    pub fn limit(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::UpTo(limit) => Some(limit),
        }
    }
}

impl Value for DurationOrOff {
    const FORM: &'static str = "duration, such as 300s, or -1 for any";
    fn parse(text: &str) -> Result<Self, Problem> {
        match text.trim().parse::<i64>() {
            Ok(n) if n < 0 => Ok(Self::Off),
            _ => Duration::parse(text).map(Self::UpTo),
        }
    }
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
