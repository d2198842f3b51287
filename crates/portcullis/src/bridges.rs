//! Bridges to tool servers over stdio: one per upstream with `exec`, kept over changes of everything else.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bridge::{Bridge, Settings as BridgeSettings, Start};
use config::{Exec, Settings};
use gateway::connect::Trust;
use gateway::upstream::{KeyHeader, Reach, Upstream, UpstreamTable};
use model::Name;

use crate::bring::Problems;

/// The bridges that belong to a configuration.
pub(crate) type Prepared = BTreeMap<Name, Arc<Bridge>>;

/// The bridges that serve.
#[derive(Debug, Default)]
pub(crate) struct Bridges(ArcSwap<Prepared>);

impl Bridges {
    /// From here on these serve. Those that no table names any more end with the calls that still use them.
    pub(crate) fn store(&self, prepared: Prepared) {
        self.0.store(Arc::new(prepared));
    }

    /// The bridges that `settings` need, those that serve already among them, and the upstreams that they are in `table`.
    ///
    /// # Errors
    /// One cannot listen.
    pub(crate) async fn prepare(
        &self,
        data: &Path,
        settings: &Settings,
        environment: &BTreeMap<String, String>,
        table: &mut UpstreamTable,
    ) -> Result<Prepared, Problems> {
        let serving = self.0.load_full();
        let mut prepared = Prepared::new();
        for (name, upstream) in &settings.upstreams {
            let Some(exec) = &upstream.exec else { continue };
            let told = |problem: String| vec![format!("upstreams.{name}.exec: {problem}")];
            let wanted = wanted(data, exec, environment);
            let kept = serving.get(name).filter(|bridge| *bridge.settings() == wanted);
            let bridge = match kept {
                Some(bridge) => Arc::clone(bridge),
                None => Arc::new(Bridge::start(name.as_str(), wanted).await.map_err(|error| told(error.to_string()))?),
            };
            let reach = Reach { trust: Trust::default(), proxy: None, connect: upstream.connect };
            let key = (bridge.token().expose(), KeyHeader::Bearer);
            let made = Upstream::new(&bridge.url(), Some(key), reach).map_err(|problem| told(problem.to_string()))?;
            table.insert(name.clone(), made);
            prepared.insert(name.clone(), bridge);
        }
        Ok(prepared)
    }
}

/// How the server of an upstream is started: by this very binary, with nothing of the gate's environment but what its profile names.
fn wanted(data: &Path, exec: &Exec, environment: &BTreeMap<String, String>) -> BridgeSettings {
    let profile = std::path::absolute(data.join(&exec.file)).unwrap_or_else(|_| data.join(&exec.file));
    let mut arguments: Vec<String> =
        ["exec", "--json", "--profile"].map(ToOwned::to_owned).into_iter().chain([profile.display().to_string()]).collect();
    arguments.push("--".to_owned());
    arguments.extend(exec.command.iter().cloned());
    let value = |name: &String| environment.get(name).cloned().or_else(|| std::env::var(name).ok());
    let passed = exec.profile.pass.iter().filter_map(|name| Some((name.clone(), value(name)?)));
    BridgeSettings {
        // What is named `self` is whoever starts it, which is this binary, also when its file has been replaced.
        start: Start { program: "/proc/self/exe".to_owned(), arguments, environment: passed.collect() },
        children: exec.children,
        idle: exec.idle,
        message_bytes: exec.message_bytes,
        call: exec.call,
        // The sandbox ends it before that, unless it hangs itself.
        grace: Duration::from_secs(exec.profile.limits.grace_seconds.saturating_add(2)),
        mark: format!("{:?}", exec.profile),
    }
}
