//! Questions of other enforcement points: what adapters read, and what they write.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use model::{Chain, Challenge, Duty, Point, Refusal, RequestId, Verdict};

use super::{Head, Voice};

/// Whom a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Whom the enforcement point names, in its own words.
    Named {
        /// What kind of party.
        kind: String,
        /// Which one.
        id: String,
        /// The agent that acts for it, if the point names one.
        agent: Option<String>,
    },
    /// Whoever shows the credential in these headers: the gate looks at it itself.
    Shown(HeaderMap),
}

/// One question of an enforcement point, as it wrote it. Texts are bounded by whoever reads them.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Whom it is about.
    pub subject: Subject,
    /// What is to be done.
    pub action: String,
    /// With what kind of thing.
    pub kind: String,
    /// With which one.
    pub id: String,
    /// What the point says of the four.
    pub said: Said,
    /// Whether the point performs duties that an answer names.
    pub performs_duties: bool,
}

/// What an enforcement point says, not yet held against what operators have declared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Said {
    /// Of the subject.
    pub subject: serde_json::Map<String, serde_json::Value>,
    /// Of the action.
    pub action: serde_json::Map<String, serde_json::Value>,
    /// Of the resource.
    pub resource: serde_json::Map<String, serde_json::Value>,
    /// Of the circumstances.
    pub context: serde_json::Map<String, serde_json::Value>,
}

/// After which answer the questions that are left are not asked any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// All are asked.
    End,
    /// After the first that is not a permit.
    FirstDeny,
    /// After the first permit.
    FirstPermit,
}

/// The questions of one request; never empty. One that cannot be read is answered with no.
#[derive(Debug)]
pub struct Questions {
    /// In the order of the answers.
    pub each: Vec<Result<Question, Refusal>>,
    /// Which of them.
    pub until: Until,
    /// Whether they are asked as a list, and answered as one.
    pub is_list: bool,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The id under which it stands in the log.
    pub request: RequestId,
    /// The verdict.
    pub verdict: Verdict,
    /// About whom, if that was found out.
    pub chain: Option<Chain>,
    /// Why, as far as the point may know.
    pub refusal: Refusal,
    /// What would lift a challenge.
    pub challenges: Vec<Challenge>,
    /// What the point has to perform.
    pub duties: Vec<Duty>,
}

/// An adapter for enforcement points: translates, and decides nothing.
pub trait Asking: Voice {
    /// The point's key, where `Authorization` is that of somebody else.
    fn key<'h>(&self, _head: &'h Head) -> Option<&'h [u8]> {
        None
    }
    /// Whether its requests have a body.
    fn takes_body(&self) -> bool {
        true
    }
    /// Reads a request.
    ///
    /// # Errors
    /// A refusal for what is no question at all.
    fn understand(&self, head: &Head, body: &[u8], limits: &text::Limits, point: &Point) -> Result<Questions, Refusal>;
    /// Writes the answers, at least one; at most as many as there were questions.
    fn answer(&self, answers: &[Answered], is_list: bool) -> (StatusCode, HeaderMap, Bytes);
}

/// What is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// Parties of the question's kind; its id says nothing.
    Subjects,
    /// Resources of the question's kind; its id says nothing.
    Resources,
    /// Actions; the question's says nothing.
    Actions,
}

/// A search: a question with one part left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Which part.
    pub sought: Sought,
    /// The rest of it.
    pub question: Question,
    /// Where the page begins: what [`Page::next`] told.
    pub token: Option<String>,
    /// Most results of a page.
    pub limit: Option<usize>,
}

/// A page of what was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Ids of parties or resources, or words for actions; sorted.
    pub found: Vec<String>,
    /// Where the next page begins; empty if this is the last.
    pub next: String,
}

/// An adapter for searches: translates, and decides nothing.
pub trait Searching: Voice {
    /// Reads a request.
    ///
    /// # Errors
    /// A refusal for what is no search.
    fn understand(&self, head: &Head, body: &[u8], limits: &text::Limits) -> Result<Search, Refusal>;
    /// Writes a page.
    fn answer(&self, search: &Search, page: &Page, request: RequestId) -> (StatusCode, HeaderMap, Bytes);
}
