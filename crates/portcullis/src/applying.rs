//! Bringing a bundle in force: the files on disk, or one that was in force before. All or nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use config::Config;
use evidence::EntryKind;
use gateway::admin::ApplySpec;
use model::{AdminAct, Bundle, Digest};
use serde_json::{Value, json};
use store::{By, Filter};

use crate::bring::{self, Problems};
use crate::gate::{Gate, InForce, now};
use crate::output;
use crate::retention;
use crate::tokens;
use crate::usage;
use crate::warm;

/// Rows that are read at once while looking for bundles.
const PAGE: usize = 1000;
/// Most of such pages: administration is rare.
const MAX_PAGES: usize = 100;
/// Most bundles that are listed.
const MAX_LISTED: usize = 200;

/// A bundle and when it came in force.
struct Applied {
    index: u64,
    at: model::UnixMillis,
    by: Option<String>,
    digest: Digest,
}

impl Gate {
    /// Brings a configuration in force as `spec` says.
    pub(crate) async fn bring_in_force(&self, by: By, spec: &ApplySpec) -> Result<Value, Problems> {
        let turn = self.applying.acquire().await.map_err(|error| vec![error.to_string()])?;
        let before = self.in_force.load_full();
        let (config, mut warnings) = match &spec.bundle {
            None => bring::read(&self.data, &self.environment)?,
            // Settings stay: where models are and how much they may cost is no part of a bundle.
            Some(which) => {
                let bundle = tokio::task::block_in_place(|| self.earlier(which))?;
                (Config { bundle, settings: before.config.settings.clone() }, Vec::new())
            }
        };
        let lost = policy::lost_forbids(&before.config.bundle, &config.bundle);
        if !lost.is_empty() && !spec.allow_removal && !spec.dry_run {
            let lines = lost.iter().map(|place| format!("  {place}")).collect::<Vec<_>>().join("\n");
            let message = "these forbids would be removed, or forbid something else; if that is meant: `--allow-removal`";
            return Err(vec![format!("{message}\n{lines}")]);
        }
        // Rules are compiled here, while what is in force serves on.
        let (snapshot, mut table) = tokio::task::block_in_place(|| bring::snapshot(&config.bundle, &config.settings))?;
        warnings.extend(snapshot.policy.warnings().iter().map(ToString::to_string));
        let trusted = tokens::trusted(&config.settings)?;
        let mut changes = changes(&before.config.bundle, &config.bundle);
        changes.extend(lost.iter().map(|place| format!("forbid {place}: removed, or forbids something else")));
        if before.config.settings.issuers != config.settings.issuers {
            changes.push("issuers: changed".to_owned());
        }
        if before.config.settings.tokens != config.settings.tokens {
            changes.push("tokens: changed".to_owned());
        }
        if before.config.settings.listen != config.settings.listen {
            changes.push("listen: takes effect at the next start".to_owned());
        }
        let digest = snapshot.digest;
        if !spec.dry_run {
            let issuing = tokio::task::block_in_place(|| tokens::issuing(&config.settings, &self.store));
            let issuing = issuing.map_err(|error| vec![format!("tokens: {error:#}")])?;
            // First, for it may fail: then nothing of the rest is in force.
            let retention = retention::of(&config.settings);
            let kept = tokio::task::block_in_place(|| self.store.set_retention(retention));
            kept.map_err(|error| vec![error.to_string()])?;
            let (old_rules, rules) = (&before.snapshot.budgets.rules, &snapshot.budgets.rules);
            let past = usage::past(self, old_rules, rules)?;
            let bridges = self.bridges.prepare(&self.data, &config.settings, &self.environment, &mut table).await?;
            if before.snapshot.digest != digest {
                let put = self.store.bundles().put(&config.bundle).map_err(|error| vec![error.to_string()])?;
                let recorded = self.store.administer(AdminAct::BundleApplied { digest: put }, by.clone()).await;
                recorded.map_err(|error| vec![error.to_string()])?;
            }
            // From here on nothing fails.
            self.counters.change(old_rules, rules, &past, now());
            self.table.store(Arc::new(table));
            self.bridges.store(bridges);
            self.certificates.look();
            self.issuers.apply(trusted);
            self.issuing.store(issuing);
            warm::begin(&snapshot.policy, self.store.credentials().list());
            self.in_force.store(Arc::new(InForce { snapshot, config }));
            self.desk.moved();
            self.settle_quarantines(&by).await;
        }
        drop(turn);
        Ok(
            json!({"digest": digest, "before": before.snapshot.digest, "applied": !spec.dry_run, "changes": changes, "warnings": warnings}),
        )
    }

    /// SIGHUP: the same as `apply`, told on standard error.
    pub(crate) async fn apply_from_signal(&self) {
        match self.bring_in_force(By::default(), &ApplySpec::default()).await {
            Ok(report) => output::note(&format!("applied: {}", report.get("digest").cloned().unwrap_or_default())),
            Err(problems) => output::note(&format!("not applied, the last good stays in force:\n{}", problems.join("\n"))),
        }
    }

    /// Every bundle that came in force, newest first.
    pub(crate) fn bundles(&self) -> Result<Value, Problems> {
        let current = self.in_force.load().snapshot.digest;
        let mut is_first = true;
        let rows: Vec<Value> = self
            .applied()?
            .iter()
            .take(MAX_LISTED)
            .map(|applied| {
                let is_in_force = applied.digest == current && std::mem::take(&mut is_first);
                let bundle = self.store.bundles().read(&applied.digest).ok();
                json!({
                    "index": applied.index, "at": applied.at, "by": applied.by, "digest": applied.digest,
                    "files": bundle.map(|bundle| bundle.policies.len()), "state": is_in_force.then_some("in force"),
                })
            })
            .collect();
        Ok(json!({"bundles": rows}))
    }

    /// The bundle that a digest, its beginning, or `previous` names.
    fn earlier(&self, which: &str) -> Result<Bundle, Problems> {
        let current = self.in_force.load().snapshot.digest;
        let applied = self.applied()?;
        let is_meant = |digest: &Digest| match which {
            "previous" => *digest != current,
            _ => which.len() >= 8 && digest.to_string().starts_with(which),
        };
        let found: BTreeSet<Digest> = match which {
            "previous" => applied.iter().map(|applied| applied.digest).find(is_meant).into_iter().collect(),
            _ => applied.iter().map(|applied| applied.digest).filter(is_meant).collect(),
        };
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some(digest), None) => self.store.bundles().read(&digest).map_err(|error| vec![error.to_string()]),
            (Some(_), Some(_)) => Err(vec![format!("`{which}` begins the digests of several bundles")]),
            (None, _) if which == "previous" => Err(vec!["no other bundle was in force before".to_owned()]),
            (None, _) => Err(vec![format!(
                "no bundle that was in force has a digest that begins with `{}`: see `portcullis bundles`",
                which.escape_debug()
            )]),
        }
    }

    fn applied(&self) -> Result<Vec<Applied>, Problems> {
        let failed = |error: store::StoreError| vec![error.to_string()];
        let mut found = Vec::new();
        let mut filter = Filter { kind: Some(EntryKind::Admin), limit: PAGE, ..Filter::default() };
        for _ in 0..MAX_PAGES {
            let rows = self.store.query(&filter).map_err(failed)?;
            filter.before = rows.last().map(|row| row.index);
            let is_last = rows.len() < PAGE;
            for row in rows.into_iter().filter(|row| row.action.as_deref() == Some("bundle-applied")) {
                let header = self.store.read(row.index).map_err(failed)?.map(|entry| entry.header);
                if let Some(AdminAct::BundleApplied { digest }) = header.and_then(|header| header.admin) {
                    found.push(Applied { index: row.index, at: row.at, by: row.principal, digest });
                }
            }
            if is_last {
                break;
            }
        }
        Ok(found)
    }
}

/// What differs between two bundles, one line each.
fn changes(before: &Bundle, after: &Bundle) -> Vec<String> {
    let mut lines = Vec::new();
    for (old, new) in [(&before.policies, &after.policies), (&before.rules.texts, &after.rules.texts)] {
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) if old != new => lines.push(format!("{name}: changed")),
                (Some(_), None) => lines.push(format!("{name}: removed")),
                (None, Some(_)) => lines.push(format!("{name}: added")),
                _ => {}
            }
        }
    }
    if before.rules.files != after.rules.files {
        lines.push("inspection.rule_files: changed".to_owned());
    }
    let (old, new) = (json!(before.registry), json!(after.registry));
    if before.registry.access != after.registry.access {
        lines.push("enforcement points, access or attributes: changed".to_owned());
    }
    let none = serde_json::Map::new();
    for section in
        ["groups", "users", "services", "agents", "model_groups", "models", "operators", "tool_servers", "remote_agents"]
    {
        // A section in which nothing stands is left out of a bundle.
        let [old, new] = [&old, &new].map(|registry| registry.get(section).and_then(Value::as_object).unwrap_or(&none));
        lines.extend(old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("{section}.{name}: removed")));
        lines.extend(new.keys().filter(|name| !old.contains_key(*name)).map(|name| format!("{section}.{name}: added")));
        let differs = |name: &&String| old.get(*name).is_some_and(|before| new.get(*name) != Some(before));
        lines.extend(new.keys().filter(differs).map(|name| format!("{section}.{name}: changed")));
    }
    lines
}
