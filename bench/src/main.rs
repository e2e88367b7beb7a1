//! The other side of a comparison: generates tables of TPC-H and TPC-DS, and runs queries on
//! DataFusion in one process. And a client that measures what a driver takes for small jobs.
//!
//! `bench/run.py` drives it, so that both sides are measured alternately in one run.

mod data;
mod jobs;
mod tpcds;
mod tpch;

use anyhow::{Context, Result};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use clap::{Parser, Subcommand};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use parquet::arrow::ArrowWriter;
use std::fs::File;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a benchmark's tables as Parquet.
    Data {
        /// Which benchmark.
        #[arg(long, default_value = "tpch")]
        suite: data::Suite,
        /// Scale factor; 1 is about a gigabyte of text.
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        /// Directory, with a subdirectory for each table.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write the answers of query files, each to a Parquet file of the same name.
    Answers {
        /// Directory of the tables.
        #[arg(long)]
        data: PathBuf,
        /// Directory of the answers.
        #[arg(long)]
        out: PathBuf,
        /// The query files.
        queries: Vec<PathBuf>,
    },
    /// Read names of query files from standard input and answer each with `<milliseconds> <rows>`.
    Datafusion {
        /// Directory of the tables.
        #[arg(long)]
        data: PathBuf,
        /// Threads and partitions.
        #[arg(long)]
        cores: usize,
    },
    /// Run jobs of one task and print the best and the median time at the driver's API, in
    /// milliseconds.
    Jobs {
        /// Where the driver serves Spark Connect.
        #[arg(long)]
        url: String,
        /// Number of jobs.
        #[arg(long, default_value_t = 400)]
        count: usize,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Data { suite, scale, out } => data::write(suite, scale, &out),
        Command::Answers { data, out, queries } => {
            runtime(2)?.block_on(write_answers(&data, &out, &queries))
        }
        Command::Datafusion { data, cores } => runtime(cores)?.block_on(answer(&data, cores)),
        Command::Jobs { url, count } => runtime(1)?.block_on(jobs::measure(&url, count)),
    }
}

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?)
}

async fn with_tables(data: &Path, cores: usize) -> Result<SessionContext> {
    // Nulls are sorted as Spark sorts them.
    let config = SessionConfig::new()
        .with_target_partitions(cores)
        .set_str("datafusion.sql_parser.default_null_ordering", "nulls_min");
    let context = SessionContext::new_with_config(config);
    for entry in std::fs::read_dir(data)? {
        let path = entry?.path();
        if let Some(table) = path.file_name().filter(|_| path.is_dir()) {
            let table = table.to_string_lossy();
            let path = path.display().to_string();
            context.register_parquet(&*table, path, ParquetReadOptions::default()).await?;
        }
    }
    Ok(context)
}

async fn write_answers(data: &Path, out: &Path, queries: &[PathBuf]) -> Result<()> {
    std::fs::create_dir_all(out)?;
    let context = with_tables(data, 2).await?;
    for query in queries {
        let batches = run(&context, query).await?;
        let name = query.file_stem().context("a query file has a name")?;
        let file = File::create(out.join(name).with_extension("parquet"))?;
        let schema = batches.first().context("a query yields at least one batch")?.schema();
        let mut writer = ArrowWriter::try_new(file, schema, None)?;
        for batch in &batches {
            writer.write(batch)?;
        }
        writer.close()?;
    }
    Ok(())
}

/// The rows of the last statement of a file, in at least one batch.
async fn run(context: &SessionContext, query: &Path) -> Result<Vec<RecordBatch>> {
    let text =
        std::fs::read_to_string(query).with_context(|| format!("reading {}", query.display()))?;
    let mut batches = Vec::new();
    for statement in text.split(';').filter(|statement| !statement.trim().is_empty()) {
        let frame = context.sql(statement).await?;
        let schema = SchemaRef::clone(frame.schema().inner());
        batches = frame.collect().await?;
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(schema));
        }
    }
    Ok(batches)
}

async fn answer(data: &Path, cores: usize) -> Result<()> {
    let context = with_tables(data, cores).await?;
    for line in std::io::stdin().lock().lines() {
        let path = PathBuf::from(line?.trim());
        let started = Instant::now();
        let rows: usize = run(&context, &path).await?.iter().map(RecordBatch::num_rows).sum();
        let millis = started.elapsed().as_secs_f64() * 1e3;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{millis:.3} {rows}")?;
        out.flush()?;
    }
    Ok(())
}
