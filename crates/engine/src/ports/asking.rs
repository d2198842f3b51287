//! Questions of other enforcement points: what adapters read, and what they write.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use model::{Chain, Challenge, Duty, Point, Refusal, RequestId, UnixMillis, Verdict};
use response::{Misfit, Request, Standing, Status};

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
    /// What it performs of what an answer asks for.
    pub performs: Performs,
    /// The approval that the point presents.
    pub approval: Option<String>,
}

/// What an enforcement point says that it performs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Performs {
    /// The duties of a permit.
    pub duties: bool,
    /// Another authentication of the subject, for a challenge.
    pub step_up: bool,
}

/// The authentication that answers a challenge of kind step-up, in the words of the issuer at which people sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepUp {
    /// The authentication context class, as in `acr`.
    pub acr: String,
    /// The methods, as in `amr`; may be empty.
    pub amr: Vec<String>,
}

/// What an enforcement point says, not yet held against what operators have declared.
#[derive(Clone, PartialEq, Default)]
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

impl Said {
    /// How many bytes its texts have, those of keys included: at most what it takes to write it down.
    #[must_use]
    pub fn n_texts(&self) -> usize {
        [&self.subject, &self.action, &self.resource, &self.context]
            .into_iter()
            .flatten()
            .map(|(key, value)| key.len() + texts(value))
            .sum()
    }
}

fn texts(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(items) => items.iter().map(texts).sum(),
        serde_json::Value::Object(members) => members.iter().map(|(key, value)| key.len() + texts(value)).sum(),
        _ => 1,
    }
}

impl std::fmt::Debug for Said {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { subject, action, resource, context } = self;
        write!(formatter, "Said({} + {} + {} + {} members)", subject.len(), action.len(), resource.len(), context.len())
    }
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
    /// What a subject has to do that a challenge asks to step up; none where nobody has said what that is.
    pub step_up: Option<Arc<StepUp>>,
    /// Whether the approval that the point presented holds; none if it presented none.
    pub approval: Option<Result<Standing, Misfit>>,
    /// How a denial can be lifted by an approval.
    pub requestable: Option<Requestable>,
}

/// A denial that an approval would lift.
#[derive(Clone, PartialEq, Eq)]
pub struct Requestable {
    /// Until when it can be asked for.
    pub expires: UnixMillis,
    /// Binds the request to point, question and time.
    pub token: String,
}

impl std::fmt::Debug for Requestable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Requestable(until {})", self.expires.0)
    }
}

/// What a point wants of a request for approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// To make one.
    Submit,
    /// To see how the one of this name stands.
    Show(String),
    /// To cancel it.
    Cancel(String),
}

/// A request for approval, as a point wrote it.
pub struct Submission {
    /// The questions that were denied, each with what binds it to its denial.
    pub each: Vec<(Question, Denial)>,
    /// Whether they came as a list.
    pub is_list: bool,
    /// The key by which the point knows the request again.
    pub key: Option<Vec<u8>>,
    /// What it says beside, for whoever answers; bounded by whoever reads it.
    pub said: String,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Submission({} questions, {} bytes said)", self.each.len(), self.said.len())
    }
}

/// What binds a request to a denial.
#[derive(Clone, PartialEq, Eq)]
pub struct Denial {
    /// What [`Requestable::token`] was.
    pub token: String,
    /// What [`Requestable::expires`] was.
    pub expires: UnixMillis,
    /// The id of the denied question, if the point tells it.
    pub evaluation: Option<String>,
}

impl std::fmt::Debug for Denial {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Denial(until {})", self.expires.0)
    }
}

/// A request for approval, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The request.
    pub request: Request,
    /// How each of its things stands.
    pub each: Vec<Status>,
    /// How all of it stands.
    pub status: Status,
    /// How many operators have approved its first thing, and how many have to.
    pub steps: (usize, u8),
}

/// An adapter for requests for approval: translates, and decides nothing.
pub trait Requesting: Voice {
    /// What is wanted.
    fn order(&self) -> Order;
    /// Reads a submission.
    ///
    /// # Errors
    /// A refusal for what is none.
    fn understand(&self, head: &Head, body: &[u8], limits: &text::Limits) -> Result<Submission, Refusal>;
    /// Writes how a request stands; `url` is the gate's address.
    fn answer(&self, looked: &Looked, url: &str) -> (StatusCode, HeaderMap, Bytes);
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

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The id of a party or a resource, or the word for an action.
    pub id: String,
    /// What the point has to perform before it shows it.
    pub duties: Vec<Duty>,
}

/// A page of what was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Parties, resources or actions; sorted.
    pub found: Vec<Found>,
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
