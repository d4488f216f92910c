//! On whose behalf a task is sent. Inside an attempt the environment says it, so that an agent that sends tasks cannot
//! forget it by chance, and a circle of agents ends at `hop_max` of the next receiver.

use clap::Args as ClapArgs;

use crate::cli::failure::Failure;
use crate::cli::setup;
use crate::document::Task;
use crate::exit::Exit;
use crate::id::TaskId;

/// Which line of tasks it belongs to.
#[derive(Debug, ClapArgs)]
pub(super) struct Lineage {
    /// The task on whose behalf it is sent [default: the one that this runs in]
    #[arg(long, value_name = "ID", value_parser = parse)]
    parent: Option<TaskId>,
    /// The first task of that line [default: that of the parent, or the parent]
    #[arg(long, value_name = "ID", value_parser = parse)]
    root_task: Option<TaskId>,
    /// Your own label for a conversation [default: that of the task that this runs in]
    #[arg(long, value_name = "TEXT")]
    correlation: Option<String>,
}

fn parse(text: &str) -> Result<TaskId, String> {
    TaskId::parse(text).map_err(|error| error.to_string())
}

impl Lineage {
    /// Writes it into a task.
    ///
    /// # Errors
    /// [`Failure`]: the environment of an attempt is not what an executor makes.
    pub(super) fn mark(&self, task: &mut Task) -> Result<(), Failure> {
        let around = around()?;
        task.parent = self.parent.or(around.as_ref().map(|around| around.id));
        let root = around.as_ref().and_then(|around| around.root);
        task.root = self.root_task.or(root).or(task.parent);
        task.correlation.clone_from(&self.correlation);
        if let Some(around) = around {
            task.hop = around.hop.saturating_add(1);
            task.correlation = task.correlation.take().or(around.correlation);
        }
        Ok(())
    }
}

/// The task that this program runs in.
struct Around {
    id: TaskId,
    root: Option<TaskId>,
    hop: u32,
    correlation: Option<String>,
}

fn around() -> Result<Option<Around>, Failure> {
    let Some(id) = variable("DISPATCH_TASK_ID", parse)? else {
        return Ok(None);
    };
    Ok(Some(Around {
        id,
        root: variable("DISPATCH_TASK_ROOT", parse)?,
        hop: variable("DISPATCH_TASK_HOP", |text| text.parse::<u32>())?.unwrap_or(0),
        correlation: variable("DISPATCH_TASK_CORRELATION", |text| {
            Ok::<_, String>(text.to_owned())
        })?,
    }))
}

fn variable<T, E>(name: &str, read: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, Failure> {
    let Some(value) = setup::variable(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let read = value.to_str().and_then(|text| read(text).ok());
    read.map(Some).ok_or_else(|| {
        let what = "cannot tell on whose behalf this is sent";
        let message = format!("{what}: {name} is not what an executor sets");
        Failure::new(Exit::Data, message).hint(format!("outside of a task, unset {name}"))
    })
}
