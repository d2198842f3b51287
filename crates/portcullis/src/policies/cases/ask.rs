//! Who does what to which: chains, actions and resources in words.

use model::{Access, Action, Ask, Chain, Foreign, ModelName, Name, PrincipalId, Resource};

/// `user:ada → agent:desk`; `>` and `->` do as well.
pub(in crate::policies) fn chain(text: &str) -> Result<Chain, String> {
    let links = text.replace("->", "→").replace('>', "→");
    let links: Result<Vec<PrincipalId>, String> = links
        .split('→')
        .map(|link| link.trim().parse().map_err(|error: model::IdError| format!("`{}`: {error}", link.trim())))
        .collect();
    Chain::new(links?).map_err(|error| error.to_string())
}

/// What is asked. A kind of resource that operators have declared takes the actions that they have declared, as a question of an
/// enforcement point does; every other one is the gate's own.
pub(super) fn ask(does: &str, to: &str, access: &Access) -> Result<Ask, String> {
    let (kind, id) = to.split_once(':').unwrap_or((to, ""));
    if !access.resources.contains_key(kind) {
        return Ok(Ask { action: action(does)?, resource: resource(to, access)? });
    }
    let verbs = access.actions.iter().filter(|(_, verb)| verb.resources.contains(kind)).map(|(word, _)| word.as_str());
    let verbs: Vec<&str> = verbs.collect();
    if !verbs.contains(&does) {
        return Err(format!("`{does}` is no action on `{kind}`: expected {}", verbs.join(", ")));
    }
    if id.is_empty() {
        return Err(format!("`{to}`: expected `{kind}:ID`"));
    }
    let foreign = Foreign { action: does.to_owned(), kind: kind.to_owned(), id: id.to_owned() };
    Ok(Ask { action: Action::Access, resource: Resource::Foreign(foreign) })
}

/// An action of the gate's own that policies decide on.
fn action(text: &str) -> Result<Action, String> {
    let is_word = |action: &Action| !matches!(action, Action::Access | Action::Search | Action::Administer);
    let known = || Action::ALL.into_iter().filter(is_word);
    known().find(|action| action.as_str() == text).ok_or_else(|| {
        let names: Vec<&str> = known().map(|action| action.as_str()).collect();
        format!("`{text}` is no action: expected {}", names.join(", "))
    })
}

/// `Model:small`, `Tool:github/create_issue`, `HostedTool:openai/web_search`, `Gate`.
fn resource(text: &str, access: &Access) -> Result<Resource, String> {
    let (kind, id) = text.split_once(':').unwrap_or((text, ""));
    let name = || Name::new(id).map_err(|error| format!("`{text}`: {error}"));
    match kind.to_lowercase().as_str() {
        "model" => Ok(Resource::Model(ModelName::new(id).map_err(|error| format!("`{text}`: {error}"))?)),
        "agent" => Ok(Resource::Agent(name()?)),
        "toolserver" => Ok(Resource::ToolServer(name()?)),
        "collection" => Ok(Resource::Collection(name()?)),
        "dataset" => Ok(Resource::Dataset(name()?)),
        "tool" if id.contains('/') => Ok(Resource::Tool(id.to_owned())),
        "document" if !id.is_empty() => Ok(Resource::Document(id.to_owned())),
        "hostedtool" if !id.is_empty() => Ok(Resource::HostedTool(id.to_owned())),
        "destination" if !id.is_empty() => Ok(Resource::Destination(id.to_owned())),
        "beta" if !id.is_empty() => Ok(Resource::Beta(id.to_owned())),
        "gate" if id.is_empty() => Ok(Resource::Gate),
        _ => {
            let declared: String = access.resources.keys().map(|kind| format!(", {kind}:ID")).collect();
            Err(format!(
                "`{text}` is no resource: expected Model:NAME, Agent:NAME, Tool:SERVER/TOOL, ToolServer:NAME, HostedTool:ID, \
                 Destination:HOST, Beta:ID, Document:SERVER/NAME, Collection:NAME, Dataset:NAME, Gate{declared}"
            ))
        }
    }
}
