//! Budgets: every name is declared, every amount means something, groups are resolved to their members.

mod tools;

use std::collections::BTreeSet;

use budget::{Dimension, MAX_AMOUNT, Measure, Period, Price, Rule, Rules};
use model::{ModelName, Name, PrincipalId, PrincipalKind};

use crate::check::{Report, prices};
use crate::problem::{Path, shown};
use crate::raw;
use crate::raw_budgets::{Budget, Every, Per};
use crate::settings::Budgets;
use crate::source::Source;

/// Most budgets, each measure counted.
const MAX_RULES: usize = 256;

pub(super) fn budgets(file: &raw::File, source: &dyn Source, report: &mut Report<'_>) -> Budgets {
    report.look_alikes("budgets");
    let mut rules = Vec::new();
    for (key, budget) in &file.budgets {
        let path = Path::of(&["budgets", key]);
        if let Some(name) = report.name(&path, key) {
            rules.extend(rules_of(&name, budget, &path, file, report));
        }
    }
    if rules.len() > MAX_RULES {
        report.problem(&Path::of(&["budgets"]), format!("at most {MAX_RULES} amounts, found {}", rules.len()));
    }
    let caps = file.models.iter().filter_map(|(key, model)| Some((Name::new(key).ok()?, model.max_output_tokens?)));
    let mut found = Budgets { rules: Rules::default(), caps: caps.collect(), ..prices::prices(file, source, report) };
    unpriced(file, &rules, &found, report);
    found.rules = Rules::new(rules);
    found
}

/// One rule per amount.
fn rules_of(name: &Name, budget: &Budget, path: &Path, file: &raw::File, report: &mut Report<'_>) -> Vec<Rule> {
    let cost = budget.cost.as_deref().and_then(|written| cost(written, &path.key("cost"), report));
    let counted = tools::counted(budget, path, file, report);
    let amounts = [
        (Measure::Requests, budget.requests),
        (Measure::InputTokens, budget.input_tokens),
        (Measure::OutputTokens, budget.output_tokens),
        (Measure::Tokens, budget.tokens),
        (Measure::Concurrent, budget.concurrent),
        (Measure::Cost, cost),
    ];
    let amounts = amounts.into_iter().filter_map(|(measure, most)| Some((measure, most?)));
    let amounts: Vec<(Measure, u64)> = amounts.collect();
    // An amount that is wrong has been told of already.
    let is_written = |measure: &Measure| {
        let written = report.sections.get("budgets").and_then(|budgets| budgets.get(name.as_str()));
        written.is_some_and(|budget| budget.node.entry(measure.as_str()).is_some())
    };
    if !Measure::ALL.iter().any(is_written) {
        let names: Vec<String> = Measure::ALL.iter().map(|measure| format!("`{}`", measure.as_str())).collect();
        report.key_problem(path, format!("allows no amount: expected one of {}", names.join(", ")));
    }
    let has_window = !counted.is_empty() || amounts.iter().any(|(measure, _)| *measure != Measure::Concurrent);
    if has_window && budget.every.is_none() {
        report.key_problem(path, "the key `every` is missing: `second`, `minute`, `hour`, `day` or `month`");
    }
    let per = per(budget, path, report);
    let parties = parties(budget, path, file, report);
    let models = models(budget, path, file, report);
    let tools = tools::tools(budget, path, file, report);
    if tools.is_some() && models.is_none() {
        tools::uncounted(&amounts, path, report);
    }
    let period = budget.every.map_or(Period::Second, period);
    let rule = |(measure, quantity, most)| Rule {
        name: name.clone(),
        measure,
        quantity,
        most,
        period,
        per: per.clone(),
        parties: parties.clone(),
        models: models.clone(),
        tools: tools.clone(),
    };
    let amounts = amounts.into_iter().map(|(measure, most)| (measure, None, most));
    let counted = counted.into_iter().map(|(quantity, most)| (Measure::Counted, Some(quantity), most));
    amounts.chain(counted).map(rule).collect()
}

fn cost(written: &str, path: &Path, report: &mut Report<'_>) -> Option<u64> {
    match Price::amount(written) {
        Ok(amount) if (1..=MAX_AMOUNT).contains(&amount) => Some(amount),
        Ok(_) => {
            report.problem(path, format!("expected more than nothing, found `{}`", shown(written)));
            None
        }
        Err(error) => {
            report.problem(path, format!("{error}, found `{}`", shown(written)));
            None
        }
    }
}

fn per(budget: &Budget, path: &Path, report: &mut Report<'_>) -> BTreeSet<Dimension> {
    let mut dimensions = BTreeSet::new();
    for (index, per) in budget.per.iter().enumerate() {
        let dimension = match per {
            Per::Principal => Dimension::Principal,
            Per::User => Dimension::User,
            Per::Agent => Dimension::Agent,
            Per::Task => Dimension::Task,
            Per::Model => Dimension::Model,
            Per::Tool => Dimension::Tool,
        };
        if !dimensions.insert(dimension) {
            report.problem(&path.key("per").index(index), format!("`{}` stands twice in this list", dimension.as_str()));
        }
    }
    dimensions
}

const fn period(every: Every) -> Period {
    match every {
        Every::Second => Period::Second,
        Every::Minute => Period::Minute,
        Every::Hour => Period::Hour,
        Every::Day => Period::Day,
        Every::Month => Period::Month,
    }
}

/// Whom a budget is for; none if it is everybody's.
fn parties(budget: &Budget, path: &Path, file: &raw::File, report: &mut Report<'_>) -> Option<BTreeSet<PrincipalId>> {
    let lists = [
        (PrincipalKind::User, "users", "user", &budget.users),
        (PrincipalKind::Agent, "agents", "agent", &budget.agents),
        (PrincipalKind::Service, "services", "service", &budget.services),
    ];
    let mut parties = BTreeSet::new();
    for (kind, section, noun, names) in lists {
        let names = report.references(&path.key(section), names, section, noun);
        parties.extend(names.into_iter().map(|name| PrincipalId::new(kind, name)));
    }
    let groups = report.references(&path.key("groups"), &budget.groups, "groups", "group");
    let wanted = within(&file.groups, &groups);
    let is_member = |of: &[String]| of.iter().any(|group| wanted.contains(group));
    let users = file.users.iter().filter(|(_, party)| is_member(&party.groups)).map(|(name, _)| (PrincipalKind::User, name));
    let services = file.services.iter().filter(|(_, party)| is_member(&party.groups));
    let agents = file.agents.iter().filter(|(_, agent)| is_member(&agent.groups)).map(|(name, _)| (PrincipalKind::Agent, name));
    let members = users.chain(services.map(|(name, _)| (PrincipalKind::Service, name))).chain(agents);
    parties.extend(members.filter_map(|(kind, name)| Some(PrincipalId::new(kind, Name::new(name).ok()?))));
    let is_for_all = [&budget.users, &budget.agents, &budget.services, &budget.groups].iter().all(|list| list.is_empty());
    (!is_for_all).then_some(parties)
}

/// Which models a budget is for; none if for all.
fn models(budget: &Budget, path: &Path, file: &raw::File, report: &mut Report<'_>) -> Option<BTreeSet<ModelName>> {
    let mut models = report.references(&path.key("models"), &budget.models, "models", "model");
    let groups = report.references(&path.key("model_groups"), &budget.model_groups, "model_groups", "model group");
    let wanted = within(&file.model_groups, &groups);
    let members = file.models.iter().filter(|(_, model)| model.groups.iter().any(|group| wanted.contains(group)));
    models.extend(members.filter_map(|(name, _)| Name::new(name).ok()));
    (!(budget.models.is_empty() && budget.model_groups.is_empty())).then_some(models)
}

/// The groups, and all that belong to them over however many steps.
fn within(all: &std::collections::BTreeMap<String, raw::Group>, groups: &BTreeSet<Name>) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = groups.iter().map(ToString::to_string).collect();
    loop {
        let is_new = |(name, group): &(&String, &raw::Group)| {
            !found.contains(*name) && group.groups.iter().any(|parent| found.contains(parent))
        };
        let more: Vec<String> = all.iter().filter(is_new).map(|(name, _)| name.clone()).collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// A budget of money without prices refuses everything it applies to; that is worth a word before it happens.
fn unpriced(file: &raw::File, rules: &[Rule], found: &Budgets, report: &mut Report<'_>) {
    for rule in rules.iter().filter(|rule| rule.measure == Measure::Cost) {
        let path = Path::of(&["budgets", rule.name.as_str(), "cost"]);
        if file.prices.is_none() {
            report.problem(&path, "a budget of money needs prices: name a price file under `prices`");
            continue;
        }
        let is_asked = |model: &&ModelName| rule.models.as_ref().is_none_or(|models| models.contains(*model));
        let names: Vec<ModelName> = file.models.keys().filter_map(|name| Name::new(name).ok()).collect();
        let missing: Vec<String> = names
            .iter()
            .filter(is_asked)
            .filter(|model| !found.prices.models.contains_key(*model))
            .map(|model| format!("`{model}`"))
            .collect();
        if !missing.is_empty() {
            report.warn(&path, format!("no price is known of {}: their calls are refused", missing.join(", ")));
        }
    }
}
