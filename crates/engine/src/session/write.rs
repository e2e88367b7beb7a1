//! Writes by a program: to paths, to tables by name, to tables created by them.

use super::Session;
use super::error::already_exists;
use super::insert::Insert;
use crate::RunJob;
use analysis::Purpose;
use catalogue::Table;
use errors::condition;
use model::conf;
use plan::{CreateTable, ReplaceMode, SaveMode, SparkError, Write, WriteTarget};

impl Session {
    pub(super) async fn write(&self, write: &Write, run: &dyn RunJob) -> Result<(), SparkError> {
        if write.bucket_by.is_some() || !write.sort_by.is_empty() {
            return Err(SparkError::unsupported("bucketBy and sortBy of a write"));
        }
        let python = self.python_source(write.format.as_deref());
        match &write.target {
            WriteTarget::Path(_) | WriteTarget::None if let Some(source) = &python => {
                Box::pin(self.write_to_source(source, write, run)).await
            }
            WriteTarget::Path(_) | WriteTarget::None => self.write_files(write, run).await,
            WriteTarget::InsertInto(name) => {
                let overwrite = write.mode == SaveMode::Overwrite;
                let (columns, partition) = (&[][..], &[][..]);
                let input = &write.input;
                self.insert(Insert { table: name, columns, input, overwrite, partition }, run).await
            }
            WriteTarget::Table(name) => self.save_as_table(name, write, run).await,
        }
    }

    async fn save_as_table(
        &self,
        name: &[String],
        write: &Write,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let exists = self.find_table(name).is_some();
        match (exists, write.mode) {
            (true, SaveMode::Ignore) => return Ok(()),
            (true, SaveMode::ErrorIfExists) => return Err(already_exists(name)),
            (true, SaveMode::Append) => {
                // By name, unlike `insertInto`, which goes by position.
                let input = &write.input;
                let analyzed = self.analyze(input, run).await?;
                let columns: Vec<String> =
                    analyzed.schema.iter().map(|field| field.name.clone()).collect();
                let (columns, partition) = (columns.as_slice(), &[][..]);
                let insert = Insert { table: name, columns, input, overwrite: false, partition };
                return self.insert(insert, run).await;
            }
            _ => {}
        }
        let create = CreateTable {
            name: name.to_vec(),
            replace: ReplaceMode::Replace,
            schema: Vec::new(),
            format: write.format.clone(),
            options: write.options.clone(),
            location: None,
            partition_by: write.partition_by.clone(),
            comment: None,
            properties: Vec::new(),
            query: Some(write.input.clone()),
        };
        self.create_table(&create, run).await
    }

    /// Refuses to overwrite files that the rows are read from. A dynamic partition overwrite first
    /// writes beside the old files.
    fn check_not_read(
        &self,
        write: &Write,
        files: &[String],
        conf: &conf::Conf,
    ) -> Result<(), SparkError> {
        let WriteTarget::Path(path) = &write.target else { return Ok(()) };
        let dynamic = sources::overwrites_partitions(write, conf)?;
        if write.mode != SaveMode::Overwrite || dynamic {
            return Ok(());
        }
        let target = self.located(path)?;
        let is_read = |uri: &String| self.located(uri).is_ok_and(|file| file.is_in(&target));
        if !files.iter().any(is_read) {
            return Ok(());
        }
        let catalogue = self.shared.catalogue();
        let mut tables = catalogue.databases().flat_map(|database| database.tables.values());
        let at_path = |table: &&Table| self.located(&table.location).is_ok_and(|at| at == target);
        Err(match tables.find(at_path) {
            Some(table) => {
                let shown = analysis::quoted(&table.qualified_name());
                overwrites_its_input("TABLE", &shown)
            }
            None => overwrites_its_input("PATH", &target.to_string()),
        })
    }

    /// Writes rows to files.
    pub(super) async fn write_files(
        &self,
        write: &Write,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let analyzed = self.resolve(&write.input, Purpose::Run, None, run).await?;
        self.observe(&analyzed, run).await?;
        let conf = self.planning_conf();
        self.check_not_read(write, &analyzed.files, &conf)?;
        let rows = (&analyzed.plan, analyzed.schema.as_slice());
        crate::write(&self.shared.state, &conf, run, rows, write).await
    }
}

/// The write would delete the input of its own rows.
fn overwrites_its_input(kind: &str, shown: &str) -> SparkError {
    let what = kind.to_lowercase();
    let message = format!(
        "Can't overwrite the target that is also being read from. The target {what} is {shown}."
    );
    let what_kind = if kind == "TABLE" {
        condition::UNSUPPORTED_OVERWRITE_TABLE
    } else {
        condition::UNSUPPORTED_OVERWRITE_PATH
    };
    SparkError::analysis(what_kind, message, &[(what.as_str(), shown)])
}
