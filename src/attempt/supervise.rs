//! The executor: runs one attempt from its run directory to its report, and leaves nothing behind.
//!
//! What takes time comes first: the agent is put under containment until only the word to go is missing. Then the
//! executor waits for a permit, takes the directory, looks at the permit once more and lets the agent go, so that of
//! a watcher and any number of executors exactly one decides, and a killswitch has the last word however slow this
//! host is. One thread watches and enforces every bound; it only ever waits for events and deadlines. A crash before
//! the directory is taken started nothing; a crash after that leaves it without a report: the watcher sees that it
//! is lost, sweeps, and never runs it again by itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use super::Error;
use super::Plan;
use super::Report;
use super::StopReason;
use super::contain;
use super::contain::Agent;
use super::folder::Folder;
use super::folder::failed;
use super::output::Output;
use super::summary;
use super::summary::Moment;
use super::summary::Refusal;
use super::surroundings;
use super::surroundings::Places;
use super::watch;
use super::workspace;
use crate::agent;
use crate::agent::Ask;
use crate::agent::Invocation;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::disk;
use crate::limits;
use crate::outcome::FailureClass;
use crate::outcome::Layer;
use crate::process::cgroup;
use crate::process::channel::Orders;
use crate::process::family;

/// What an executor works with.
#[derive(Clone)]
pub struct Executor {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for the agent's session.
    pub chance: Arc<dyn Chance>,
    /// The executor's own environment, of which the profile's allow-list passes.
    pub environment: BTreeMap<String, String>,
    /// Set where the executor itself is asked to end, by a signal or the service manager.
    pub halt: Arc<AtomicBool>,
}

impl Executor {
    /// Runs the attempt of a run directory. `None`: another has it, or it is or was made void, and nothing was started.
    ///
    /// Changes the whole process: it becomes the parent of orphans, reaps all of its children, and refuses
    /// tracing. It must be called from the main thread of a program that calls [`crate::process::stage::enter`]
    /// first.
    ///
    /// # Errors
    /// [`Error`]; where the directory was taken by then, it stays without a report.
    ///
    /// # Durability
    /// The report is on disk when it returns.
    pub fn run(&self, folder: &Folder) -> Result<Option<Report>, Error> {
        let plan = folder.plan()?;
        let request = folder.request()?;
        let Some(held) = folder.hold()? else {
            return Ok(None);
        };
        let began = Moment::now(&*self.clock);
        let begun = Output::begin(
            &folder.member("log"),
            &summary::header(&plan, folder, began),
            plan.max_output_bytes,
            agent::listener(plan.profile.agent),
            Arc::clone(&self.clock),
        );
        let output = match begun {
            Ok(output) => output,
            Err(why) => {
                // A full disk, say: then nothing starts, and if even that can be written, nothing is lost.
                if !held.take()? {
                    return Ok(None);
                }
                let refusal = Refusal::of(FailureClass::Spawn, &why.to_string());
                let report = summary::refused(None, began, &*self.clock, refusal);
                folder.finish(&report)?;
                return Ok(Some(report));
            }
        };
        let attempt = Attempt {
            executor: self,
            folder,
            plan: &plan,
            output: &output,
        };
        let prepared = attempt.prepare(&request);
        let allowed = prepared.and_then(|agent| attempt.wait(agent));
        if !held.take()? {
            if let Ok(agent) = allowed {
                agent.abandon(&*self.clock);
            }
            return Ok(None);
        }
        let report = match allowed.and_then(|agent| attempt.let_go(agent)) {
            Ok((agent, began)) => attempt.finish(agent, began),
            Err(refusal) => summary::refused(Some(&output), began, &*self.clock, refusal),
        };
        folder.finish(&report)?;
        Ok(Some(report))
    }
}

/// One attempt under way.
pub(super) struct Attempt<'a> {
    pub executor: &'a Executor,
    pub folder: &'a Folder,
    pub plan: &'a Plan,
    pub output: &'a Output,
}

impl Attempt<'_> {
    /// Returns why it is to be ended, if it is.
    pub fn stop_reason(&self) -> Option<StopReason> {
        if self.executor.halt.load(Ordering::Relaxed) {
            return Some(StopReason::Shutdown);
        }
        self.folder.stop_reason()
    }

    /// Returns whether the agent may go now; refuses where it never may.
    fn may_start(&self) -> Result<bool, Refusal> {
        if let Some(reason) = self.stop_reason() {
            return Err(Refusal::stopped(reason));
        }
        let clock = &*self.executor.clock;
        // A claim of a pool whose own term is over may be another's by now, however fresh the permit is.
        if self.plan.lease.is_some_and(|first| {
            let until = self.folder.lease().unwrap_or(first);
            clock.boot() >= until
        }) {
            return Err(Refusal::permit_expired());
        }
        let permit = self.folder.permitted();
        Ok(permit.is_some_and(|permit| permit.is_good(clock)))
    }

    /// Waits for a permit that is good; one that came too late is followed by another. What it waits for is written by
    /// a watcher that may be gone, so not for ever.
    fn wait(&self, agent: Agent) -> Result<Agent, Refusal> {
        let clock = &*self.executor.clock;
        if let Err(why) = self.folder.be_ready() {
            agent.abandon(clock);
            return Err(Refusal::of(FailureClass::Spawn, &why.to_string()));
        }
        let began = clock.monotonic();
        loop {
            match self.may_start() {
                Ok(false) if clock.monotonic().since(began) < limits::PERMIT_PATIENCE => {}
                Ok(true) => return Ok(agent),
                Ok(false) => {
                    agent.abandon(clock);
                    return Err(Refusal::permit_expired());
                }
                Err(refusal) => {
                    agent.abandon(clock);
                    return Err(refusal);
                }
            }
            if self.folder.is_decided() {
                // Void: the caller finds that out for certain.
                return Ok(agent);
            }
            clock.sleep(limits::PERMIT_LOOK);
        }
    }

    /// Starts the agent, if the permit has outlasted the taking of the directory. Returns when that was.
    fn let_go(&self, agent: Agent) -> Result<(Agent, Moment), Refusal> {
        let clock = &*self.executor.clock;
        self.output.touch();
        let began = Moment::now(clock);
        let gone = match self.may_start() {
            Ok(true) => agent
                .go()
                .map_err(|why| Refusal::of(FailureClass::Spawn, &why.to_string())),
            Ok(false) => Err(Refusal::permit_expired()),
            Err(refusal) => Err(refusal),
        };
        match gone {
            Ok(()) => Ok((agent, began)),
            Err(refusal) => {
                agent.abandon(clock);
                Err(refusal)
            }
        }
    }

    /// Brings the agent to the point where only the word to go is missing, under the layers that its profile demands.
    fn prepare(&self, request: &str) -> Result<Agent, Refusal> {
        let clock = &*self.executor.clock;
        // Without it descendants cannot be found; whether that matters is for the profile to say.
        let subreaper = family::become_subreaper();
        let invocation = agent::invocation(&Ask {
            profile: &self.plan.profile,
            dangerous: self.plan.dangerous,
            from: &self.plan.from,
            task: self.plan.task,
            attempt: self.plan.attempt,
            brief: self.plan.brief,
            request,
            prior: &self.plan.prior,
            session: &self.fresh_uuid(),
        });
        let search = self.search_path(&invocation);
        let places = workspace::furnish(&self.plan.profile.workspace, self.folder, &search, clock)
            .map_err(|why| Refusal::of(FailureClass::Spawn, &why.to_string()))?;
        self.hand_on(&places.tmp)
            .map_err(|why| Refusal::of(FailureClass::Spawn, &why.to_string()))?;
        let stdin = places.run.join("stdin");
        disk::create_volatile(&stdin, &invocation.stdin, 0o600)
            .map_err(failed)
            .map_err(|why| Refusal::of(FailureClass::Spawn, &why.to_string()))?;
        let orders = self.orders(&invocation, &places, stdin, &search)?;
        let mut agent = contain::prepare(&self.plan.claim, &orders, clock)
            .map_err(|why| Refusal::of(FailureClass::Containment, &why.to_string()))?;
        match subreaper {
            Ok(()) => {
                agent.layers.insert(Layer::Subreaper);
            }
            Err(why) => {
                agent.missing.insert(Layer::Subreaper, why.to_string());
            }
        }
        self.add_outer_layers(&mut agent);
        match self.demanded_layers(&agent) {
            Ok(()) => Ok(agent),
            Err(refusal) => {
                agent.abandon(clock);
                Err(refusal)
            }
        }
    }

    /// Puts what earlier tasks came to where the agent finds it.
    fn hand_on(&self, tmp: &Path) -> Result<(), Error> {
        if self.plan.prior.is_empty() {
            return Ok(());
        }
        let path = tmp.join(agent::PRIOR_FILE);
        disk::create_volatile(&path, &agent::Prior::file(&self.plan.prior), 0o600).map_err(failed)
    }

    /// Layers that do not come from the stages.
    fn add_outer_layers(&self, agent: &mut Agent) {
        if !self.plan.profile.wrapper.is_empty() {
            agent.layers.insert(Layer::Wrapper);
        }
        if cgroup::is_own_unit() {
            agent.layers.insert(Layer::Cgroup);
        }
        // The watcher made the plan; whoever owns it is not us where a service manager started us as somebody else.
        let ourselves = nix::unistd::geteuid().as_raw();
        if disk::ownership(&self.folder.member("plan.json"))
            .is_ok_and(|(owner, _, _)| owner != ourselves)
        {
            agent.layers.insert(Layer::OtherUser);
        }
    }

    fn demanded_layers(&self, agent: &Agent) -> Result<(), Refusal> {
        let lacking: Vec<String> = self
            .plan
            .profile
            .require_layers
            .iter()
            .filter(|layer| !agent.layers.contains(layer))
            .map(|layer| match agent.missing.get(layer) {
                Some(why) => format!("{layer} ({why})"),
                None => layer.to_string(),
            })
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let what = format!(
            "profile '{}' demands layers that are not in force here: {}",
            self.plan.profile.name,
            lacking.join(", ")
        );
        Err(Refusal::of(FailureClass::Containment, &what))
    }

    fn search_path(&self, invocation: &Invocation) -> String {
        let given = invocation.env.iter().rfind(|(name, _)| name == "PATH");
        self.plan
            .profile
            .set_env
            .get("PATH")
            .or(given.map(|(_, value)| value))
            .or(self.executor.environment.get("PATH"))
            .map_or(surroundings::PATH_DEFAULT, String::as_str)
            .to_owned()
    }

    /// Returns what makes the orders of a try, or refuses where the program is not there.
    fn orders(
        &self,
        invocation: &Invocation,
        places: &Places,
        stdin: PathBuf,
        search: &str,
    ) -> Result<impl Fn(bool) -> Orders + use<>, Refusal> {
        let profile = &self.plan.profile;
        let env =
            surroundings::environment(self.plan, invocation, &self.executor.environment, places);
        surroundings::make_home(profile.agent, &env, places);
        let mut argv = invocation.argv.clone();
        let mut programs = Vec::new();
        for program in [profile.wrapper.first(), profile.command.first()]
            .into_iter()
            .flatten()
        {
            let found = surroundings::find_program(program, search, &places.work);
            // A wrapper may have programs of its own inside; what we start ourselves must be there.
            match found {
                Some(path) => programs.push(path),
                None if argv.first() == Some(program) => {
                    return Err(Refusal::of(
                        FailureClass::Spawn,
                        &format!("no program '{program}' in '{search}'"),
                    ));
                }
                None => {}
            }
        }
        match (argv.first_mut(), programs.first()) {
            (Some(first), Some(path)) => *first = path.to_string_lossy().into_owned(),
            _ => {
                let what = format!("profile '{}' names no program", profile.name);
                return Err(Refusal::of(FailureClass::Spawn, &what));
            }
        }
        let ruled = surroundings::is_ruled(self.plan);
        let mut needed = vec![places.run.clone(), places.work.clone()];
        needed.extend(programs.iter().cloned());
        needed.extend(profile.read.iter().chain(&profile.write).cloned());
        let (plan, places) = (self.plan.clone(), places.clone());
        Ok(move |namespaces| {
            let own_tmp = namespaces && surroundings::tmp_is_free(&needed);
            Orders {
                argv: argv.clone(),
                env: env.clone().into_iter().collect(),
                cwd: places.work.clone(),
                stdin: stdin.clone(),
                namespaces,
                hide: surroundings::hidden(&needed),
                tmp: own_tmp.then(|| places.tmp.clone()),
                grants: ruled
                    .then(|| surroundings::grants(&plan, &places, &env, &programs, own_tmp)),
                cgroup: None,
            }
        })
    }

    fn fresh_uuid(&self) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.executor.chance.bits().to_be_bytes());
        bytes[8..].copy_from_slice(&self.executor.chance.bits().to_be_bytes());
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }

    fn finish(&self, agent: Agent, began: Moment) -> Report {
        let layers = agent.layers.iter().copied().collect();
        let seen = watch::Watch::new(self, agent).run();
        summary::finished(self, seen, layers, began)
    }
}
