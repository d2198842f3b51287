//! What operators ask of tool servers' announcements.

use hyper::body::Incoming;
use model::{Name, OperatorAct, ReasonCode, Refusal};
use serde::Deserialize;
use serde_json::Value;

use super::{Administrator, Operator, lacking, read};

/// What is asked.
#[derive(Debug)]
pub enum ToolsOrder {
    /// How every server stands, and what is quarantined.
    List,
    /// What a server announces now: it is asked, and compared.
    Announced(Name),
    /// The end of a quarantine, though nothing else was approved.
    Release(ReleaseSpec),
}

/// Which quarantine ends, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseSpec {
    /// `SERVER/NAME`.
    pub tool: String,
    /// In the operator's words.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnnouncedBody {
    server: Name,
}

/// Serves what is posted below `tools`.
pub(super) async fn posted<A: Administrator>(admin: &A, by: &Operator, rest: &[&str], body: Incoming) -> Result<Value, Refusal> {
    let may = |act: OperatorAct| if by.role.may(act) { Ok(()) } else { Err(lacking(by, act)) };
    match rest {
        ["announced"] => {
            // It makes the gate ask somebody: no matter for those who only look.
            may(OperatorAct::Apply)?;
            let AnnouncedBody { server } = read(body).await?;
            admin.tools(by, ToolsOrder::Announced(server)).await
        }
        ["release"] => {
            may(OperatorAct::ReleaseTool)?;
            admin.tools(by, ToolsOrder::Release(read(body).await?)).await
        }
        _ => Err(ReasonCode::RouteUnknown.into()),
    }
}
