//! Check 2: that the share is there, and is the one that is meant.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::Allows;
use super::Bench;
use super::Finding;
use super::bench;
use super::bench::Trouble;
use super::bench::to;
use crate::chance::OsChance;
use crate::clock::SystemClock;
use crate::flow::root;
use crate::share::FolderShare;
use crate::stage::Stage;
use crate::transport::FolderTransport;

pub(super) fn identity(bench: &Bench) -> Result<Finding, Trouble> {
    let path = &bench.orders.root;
    let device = |path: &std::path::Path| std::fs::metadata(path).map(|meta| meta.dev());
    let here = device(path).map_err(to("look at the root"))?;
    let there = bench::list(path).map_err(to("list the root"))?;
    let transport = FolderTransport::over(
        Arc::new(FolderShare::at(path)),
        Arc::new(SystemClock),
        Arc::new(OsChance),
    );
    let wanted = bench.orders.root_id.as_deref();
    let found = match root::identity(&transport) {
        Ok(found) => found,
        Err(root::Error::Absent(_)) if wanted.is_none() => {
            let what = if there.is_empty() {
                "an empty folder"
            } else {
                "a folder"
            };
            return Ok(Finding::info(format!("{what} that is not laid out yet"))
                .advise("'dispatch init' lays it out"));
        }
        Err(root::Error::Absent(_)) => {
            let advice = "mount the share there: this folder is not it";
            return Ok(Finding::fail(
                "the folder holds no share: not mounted?",
                advice,
                Allows::Refuse,
            )
            .for_now());
        }
        Err(root::Error::Share(error)) => {
            return Err(to("read the identity")(std::io::Error::from(error.kind())));
        }
        Err(other) => {
            return Ok(Finding::fail(
                other.to_string(),
                "is it the right folder?",
                Allows::Refuse,
            ));
        }
    };
    if let Some(wanted) = wanted.filter(|wanted| *wanted != found.uuid) {
        let said = format!(
            "another share is there: its identity is {}, configured is {wanted}",
            found.uuid
        );
        let advice = "mount the right share there, or correct root_id in dispatch.toml";
        return Ok(Finding::fail(said, advice, Allows::Refuse));
    }
    if let Some(finding) = disagreement(&transport, &found, &there) {
        return Ok(finding);
    }
    for lane in &bench.orders.lanes {
        for stage in Stage::ALL {
            // What is not there yet is fsck's business.
            let stage_path = path.join(lane).join(stage.to_string());
            if device(&stage_path).is_ok_and(|device| device != here) {
                let said = format!("'{lane}/{stage}' lies on another device than the root");
                let advice =
                    "all folders of a share lie in one mount: a rename between two fails (EXDEV)";
                return Ok(Finding::fail(said, advice, Allows::Refuse));
            }
        }
    }
    Ok(
        Finding::pass(format!("share {}, layout {}", found.uuid, found.layout))
            .fact("uuid", found.uuid.as_str()),
    )
}

/// What a person should know of the two places in which an identity is written: in the file, and as a name.
fn disagreement(
    transport: &FolderTransport,
    found: &root::Identity,
    there: &[String],
) -> Option<Finding> {
    if !there.contains(&found.name()) {
        let said = format!("no file '{}' in the root", found.name());
        let advice = "'dispatch init' again makes it; until then 'dispatch.json' is opened for every task, \
                      for which hosts wait on SMB";
        return Some(Finding::warn(said, advice));
    }
    let written = root::written(transport).ok()?;
    (written != *found).then(|| {
        let said = format!(
            "'dispatch.json' says {}, and the name beside it {}",
            written.uuid, found.uuid
        );
        let advice = "a share that was copied? remove the name that is not its own";
        Finding::fail(said, advice, Allows::Refuse)
    })
}
