//! What operators ask of the watch.

use engine::ports::Epoch as _;
use gateway::admin::{Operator, ReleaseSpec, ToolsOrder};
use model::{AdminAct, Differing, Name, ReasonCode, Refusal, Release};
use serde_json::{Value, json};

use super::{approved_now, look, seen};
use crate::gate::Gate;

/// Most names that are told in short.
pub(super) const MAX_TOLD: usize = 50;
/// Longest reason, in characters.
const MAX_REASON: usize = 200;

impl Gate {
    /// Serves an order.
    pub(crate) async fn order_tools(&self, by: &Operator, order: ToolsOrder) -> Result<Value, Refusal> {
        match order {
            ToolsOrder::List => Ok(self.list_announced()),
            ToolsOrder::Announced(server) => self.announced(&server).await,
            ToolsOrder::Release(spec) => self.release(by, spec).await,
        }
    }

    fn list_announced(&self) -> Value {
        let in_force = self.in_force.load();
        let locks = self.locks();
        let inner = self.watch.inner();
        let row = |(server, every): (&Name, &Option<std::time::Duration>)| {
            let watch = every.map_or_else(|| json!("off"), |every| json!(every.as_secs()));
            inner.seen.get(server).cloned().unwrap_or_default().document(server, &watch)
        };
        let servers: Vec<Value> = in_force.config.settings.tool_watch.iter().map(row).collect();
        let quarantined = locks.quarantines().iter();
        let quarantined: Vec<Value> = quarantined
            .map(|(tool, differing)| seen::quarantined(tool, differing, approved_now(&in_force, tool).is_some()))
            .collect();
        json!({"servers": servers, "quarantined": quarantined})
    }

    /// Asks a server now. Where that is not possible, gives what it said last.
    async fn announced(&self, server: &Name) -> Result<Value, Refusal> {
        if !self.in_force.load().config.settings.tool_watch.contains_key(server) {
            let what = format!("no tool server `{server}` with an upstream is in force");
            return Err(Refusal::because(ReasonCode::FieldType, what));
        }
        match look(self, server).await {
            Ok((list, problem)) => Ok(json!({"server": server, "list": list, "fresh": true, "problem": problem})),
            Err(problem) => {
                let inner = self.watch.inner();
                let seen = inner.seen.get(server);
                let (list, heard) = seen.map_or((None, None), |seen| (seen.list(), seen.heard));
                Ok(json!({"server": server, "list": list, "fresh": false, "heard": heard, "problem": problem}))
            }
        }
    }

    async fn release(&self, by: &Operator, spec: ReleaseSpec) -> Result<Value, Refusal> {
        let ReleaseSpec { tool, reason } = spec;
        let n_characters = reason.chars().count();
        if !(1..=MAX_REASON).contains(&n_characters) || reason.trim().is_empty() || reason.chars().any(char::is_control) {
            let what = format!("a reason is 1 to {MAX_REASON} characters, none of them a control character");
            return Err(Refusal::because(ReasonCode::FieldType, what));
        }
        let turn = self.applying.acquire().await.map_err(|_| ReasonCode::Internal)?;
        let then = self.locks().quarantines().of(&tool);
        let then = then.ok_or_else(|| Refusal::because(ReasonCode::FieldType, "no tool of this name is quarantined"))?;
        // What the server says now may go on; anything else it would say is looked at anew.
        let announced = self.announced_of(&tool).unwrap_or(then.announced);
        let approved = approved_now(&self.in_force.load(), &tool);
        let tolerated = approved.map(|approved| Differing { approved, announced }).filter(|now| now.approved != now.announced);
        let act = AdminAct::ToolReleased { tool: tool.clone(), because: Release::Operator(reason), tolerated };
        self.act(by, act).await?;
        drop(turn);
        Ok(json!({"tool": tool, "released": true, "tolerated": tolerated.map(|tolerated| tolerated.announced)}))
    }
}
