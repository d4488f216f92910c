//! From findings to one word: MULTI, SINGLE or REFUSE, and the findings it rests on. `docs/SHARES.md` holds the rules.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use super::Allows;
use super::Check;
use super::Finding;
use super::State;

/// What a share is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing: the guarantees do not hold.
    Refuse,
    /// Lanes addressed to one node; no pools.
    Single,
    /// Everything, pools included.
    Multi,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Refuse => "REFUSE",
            Self::Single => "SINGLE",
            Self::Multi => "MULTI",
        })
    }
}

impl Verdict {
    /// Returns whether a pool may be served on such a share.
    #[must_use]
    pub fn allows_pools(self) -> bool {
        self == Self::Multi
    }
}

/// A verdict, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The word.
    pub verdict: Verdict,
    /// The checks that hold it down, by number; none where it is MULTI.
    pub because: Vec<u8>,
    /// Whether it is only about now: full, read-only, hung.
    pub passing: bool,
}

/// Draws the verdict. An essential check that found nothing out is as bad as one that failed, for now.
#[must_use]
pub fn judge<'a>(found: impl IntoIterator<Item = (u8, &'a Finding)>) -> Judgement {
    let found: Vec<(u8, &Finding)> = found.into_iter().collect();
    // Two hosts that both saw it work prove more than the name of a filesystem tells.
    let proved = proves_sharing(&found);
    let mut lowest = Allows::Multi;
    let mut because: Vec<(u8, bool)> = Vec::new();
    for (number, finding) in found {
        let (allows, passing) = limit(number, finding, proved);
        if allows < lowest {
            lowest = allows;
            because.clear();
        }
        if allows == lowest && allows != Allows::Multi {
            because.push((number, passing));
        }
    }
    let verdict = match lowest {
        Allows::Refuse => Verdict::Refuse,
        Allows::Single => Verdict::Single,
        Allows::Multi => Verdict::Multi,
    };
    Judgement {
        verdict,
        passing: !because.is_empty() && because.iter().all(|(_, passing)| *passing),
        because: because.into_iter().map(|(number, _)| number).collect(),
    }
}

/// What one finding leaves of the share, and whether that is only for now.
fn limit(number: u8, finding: &Finding, proved: bool) -> (Allows, bool) {
    if finding.state == State::Unknown && finding.allows == Allows::Multi {
        let essential = Check::numbered(number).is_some_and(|check| check.essential);
        return match essential {
            true => (Allows::Refuse, true),
            false => (Allows::Multi, false),
        };
    }
    let unproved = finding.facts.get(UNPROVED).is_some_and(|fact| fact == true);
    if unproved && proved {
        return (Allows::Multi, false);
    }
    (finding.allows, finding.passing)
}

/// The fact of a filesystem of which nothing is known but that it might do.
pub(super) const UNPROVED: &str = "unproved";

/// Checks of two hosts whose passing shows that claims of several nodes are safe.
const PROOFS: [u8; 3] = [18, 19, 20];

fn proves_sharing(found: &[(u8, &Finding)]) -> bool {
    PROOFS.iter().all(|proof| {
        let mut of = found.iter().filter(|(number, _)| number == proof);
        of.any(|(_, finding)| finding.state != State::Unknown && finding.allows == Allows::Multi)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(found: &[(u8, Finding)]) -> (Verdict, Vec<u8>, bool) {
        let judgement = judge(found.iter().map(|(number, finding)| (*number, finding)));
        (judgement.verdict, judgement.because, judgement.passing)
    }

    #[test]
    fn the_worst_finding_decides_and_is_named() {
        let single = Finding::warn("x", "y").allowing(Allows::Single);
        let refuse = Finding::fail("x", "y", Allows::Refuse);
        let multi = Finding::pass("x");
        assert_eq!(word(&[(1, multi.clone())]), (Verdict::Multi, vec![], false));
        let found = [(1, multi.clone()), (3, single.clone()), (4, single.clone())];
        assert_eq!(word(&found), (Verdict::Single, vec![3, 4], false));
        let found = [
            (1, single),
            (4, refuse.clone()),
            (7, refuse.clone().for_now()),
        ];
        assert_eq!(word(&found), (Verdict::Refuse, vec![4, 7], false));
        assert_eq!(
            word(&[(8, refuse.for_now())]),
            (Verdict::Refuse, vec![8], true)
        );
    }

    #[test]
    fn what_must_be_known_and_is_not_counts_for_now() {
        let unknown = Finding::unknown("no answer");
        assert_eq!(
            word(&[(4, unknown.clone())]),
            (Verdict::Refuse, vec![4], true)
        );
        assert_eq!(word(&[(13, unknown)]), (Verdict::Multi, vec![], false));
    }

    #[test]
    fn two_hosts_prove_what_a_name_cannot() {
        let unproved = Finding::warn("x", "y")
            .allowing(Allows::Single)
            .fact(UNPROVED, true);
        let sshfs = Finding::warn("x", "y").allowing(Allows::Single);
        let proof = Finding::pass("x");
        let mut found = vec![(1, unproved)];
        assert_eq!(word(&found).0, Verdict::Single);
        found.extend([(18, proof.clone()), (19, proof.clone()), (20, proof)]);
        assert_eq!(word(&found).0, Verdict::Multi);
        found[0].1 = sshfs;
        assert_eq!(
            word(&found).0,
            Verdict::Single,
            "what is known to be worse stays so"
        );
    }
}
