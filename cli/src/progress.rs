//! The progress bars: one line for each running stage, while standard error is a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use proto::pb::{ApplicationStatus, JobState, StageState, StageStatus};
use std::collections::BTreeMap;
use std::io::IsTerminal;

/// Number of lines shown at once; the last line counts further stages.
const LINES: usize = 4;

/// The bars on the terminal.
pub(crate) struct Progress {
    lines: MultiProgress,
    bars: BTreeMap<u64, ProgressBar>,
    style: ProgressStyle,
}

impl Progress {
    /// Bars on standard error; `None` if it is not a terminal.
    pub(crate) fn on_terminal(wanted: bool) -> Option<Self> {
        (wanted && std::io::stderr().is_terminal()).then(|| Self {
            lines: MultiProgress::new(),
            bars: BTreeMap::new(),
            style: ProgressStyle::with_template(
                "{prefix:>9.bold} {bar:24.cyan/dim} {pos}/{len} {msg}",
            )
            .expect("the template is valid"),
        })
    }

    /// Draws the current state of the stages.
    pub(crate) fn show(&mut self, status: &ApplicationStatus) {
        let running: Vec<&StageStatus> = status
            .jobs
            .iter()
            // A cancelled job's stages are listed as they were then.
            .filter(|job| job.state() == JobState::Running)
            .flat_map(|job| &job.stages)
            .filter(|stage| stage.state() == StageState::Running)
            .take(LINES)
            .collect();
        self.bars.retain(|id, bar| {
            let stays = running.iter().any(|stage| stage.stage == *id);
            if !stays {
                bar.finish_and_clear();
            }
            stays
        });
        for stage in running {
            let bar = self.bars.entry(stage.stage).or_insert_with(|| {
                let bar = self
                    .lines
                    .add(ProgressBar::new(u64::from(stage.tasks)).with_style(self.style.clone()));
                bar.set_prefix(format!("stage {}", stage.stage));
                bar
            });
            bar.set_length(u64::from(stage.tasks));
            bar.set_position(u64::from(stage.done));
            bar.set_message(format!("tasks, {} running  {}", stage.running, stage.label));
        }
    }

    /// Removes the bars.
    pub(crate) fn clear(&mut self) {
        for bar in std::mem::take(&mut self.bars).into_values() {
            bar.finish_and_clear();
        }
    }
}
