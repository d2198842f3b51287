//! The form of the tables: what may stand in a request, and what each thing means.

use std::fmt;

use model::ReasonCode;

/// What a field, part or tool is to the gate. Every string is inspected, whatever its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A setting: passes byte-exact.
    Inert,
    /// What people, models and tools say.
    Text,
    /// Content that no scanner understands, with the name it is reported under.
    Uninspected(&'static str),
    /// A consequence beyond the call itself, decided on its own.
    Effect(Consequence),
    /// Names what the provider keeps for this very task; see [`engine::ports::ModelCall::handles`].
    Handle,
    /// Never passes; `null` and `false` ask for nothing.
    Refused(ReasonCode),
}

/// Which consequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consequence {
    /// `true`: the provider keeps the exchange.
    Store,
    /// As above, and so does leaving it out.
    StoreUnlessFalse,
    /// The provider runs this tool.
    HostedTool(&'static str),
    /// The provider fetches this URL, unless it is a `data:` URL.
    Remote,
    /// A beta feature, by its name in the header.
    Beta,
}

/// What a field may hold. `null` is always allowed and means that the field is absent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Holds {
    /// A string.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A number without fraction and exponent.
    Integer,
    /// A number.
    Number,
    /// An array of strings.
    Texts,
    /// A string or an array of strings.
    TextOrTexts,
    /// `true`, `false` or an array of strings.
    BooleanOrTexts,
    /// A string, an array of strings, or numbers of tokens, plain or in lists, which no scanner can read.
    TextOrTokens,
    /// Anything: a schema, arguments, a table of names. Not classified inside.
    Free,
    /// An object.
    One(&'static Shape),
    /// An array of objects.
    Many(&'static Shape),
    /// A string or an object.
    TextOrOne(&'static Shape),
    /// A string or an array of objects.
    TextOrMany(&'static Shape),
    /// An object or an array of objects.
    OneOrMany(&'static Shape),
}

/// One member of an object.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) class: Class,
    pub(super) holds: Holds,
}

/// An object.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) form: Form,
}

impl fmt::Debug for Shape {
    /// The name only: shapes contain one another.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// How an object is read.
#[derive(Debug)]
pub(super) enum Form {
    /// By its members.
    Fields(&'static [&'static [Row]]),
    /// By its `type`.
    Union(Union),
}

/// Objects of several types.
#[derive(Debug)]
pub(super) struct Union {
    /// The code for a type that no variant names.
    pub(super) unknown: ReasonCode,
    /// The type of an object that names none.
    pub(super) absent: Option<&'static str>,
    pub(super) variants: &'static [Variant],
}

/// One type of a union.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) value: &'static str,
    pub(super) class: Class,
    pub(super) rows: &'static [&'static [Row]],
    /// A member without which its `id` makes the provider look up what it keeps.
    pub(super) whole: Option<&'static str>,
}

/// The member that says which variant an object is.
pub(super) const TAG: &str = "type";

/// One header of a request.
#[derive(Debug)]
pub(super) struct HeaderRow {
    pub(super) name: &'static str,
    pub(super) class: HeaderClass,
}

/// What becomes of a header. One without a row never reaches an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderClass {
    /// Passes if its value has the expected form, else it is left out.
    Inert(Accept),
    /// A list of betas: each an effect.
    Betas,
    /// Refuses the request.
    Refused(ReasonCode),
}

/// Which values of a header pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accept {
    /// What a client of these APIs may ask for.
    MediaRange,
    /// `2023-06-01`
    Date,
}

/// One dialect's table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) request: &'static Shape,
    pub(super) headers: &'static [HeaderRow],
    pub(super) betas: &'static [Beta],
}

/// One name that may stand in the header of betas.
#[derive(Debug)]
pub(super) struct Beta {
    pub(super) name: &'static str,
    pub(super) class: Class,
}

pub(super) const fn inert(name: &'static str, holds: Holds) -> Row {
    Row { name, class: Class::Inert, holds }
}

pub(super) const fn says(name: &'static str, holds: Holds) -> Row {
    Row { name, class: Class::Text, holds }
}

pub(super) const fn effect(name: &'static str, consequence: Consequence, holds: Holds) -> Row {
    Row { name, class: Class::Effect(consequence), holds }
}

pub(super) const fn refused(name: &'static str, code: ReasonCode) -> Row {
    Row { name, class: Class::Refused(code), holds: Holds::Free }
}

/// An id of something that the provider keeps.
pub(super) const fn stateful(name: &'static str) -> Row {
    refused(name, ReasonCode::StatefulIdRefused)
}

/// An id of something that the provider keeps, which the caller's own task may name.
pub(super) const fn handle(name: &'static str) -> Row {
    Row { name, class: Class::Handle, holds: Holds::Text }
}

pub(super) const fn fields(name: &'static str, rows: &'static [&'static [Row]]) -> Shape {
    Shape { name, form: Form::Fields(rows) }
}

pub(super) const fn union(name: &'static str, unknown: ReasonCode, variants: &'static [Variant]) -> Shape {
    Shape { name, form: Form::Union(Union { unknown, absent: None, variants }) }
}

/// A union whose objects may leave their type out.
pub(super) const fn union_or(
    name: &'static str,
    unknown: ReasonCode,
    absent: &'static str,
    variants: &'static [Variant],
) -> Shape {
    Shape { name, form: Form::Union(Union { unknown, absent: Some(absent), variants }) }
}

pub(super) const fn is(value: &'static str, rows: &'static [&'static [Row]]) -> Variant {
    Variant { value, class: Class::Inert, rows, whole: None }
}

pub(super) const fn classed(value: &'static str, class: Class, rows: &'static [&'static [Row]]) -> Variant {
    Variant { value, class, rows, whole: None }
}

/// A variant whose `id` stands for something that the provider keeps, unless this member brings it along.
pub(super) const fn whole(value: &'static str, member: &'static str, rows: &'static [&'static [Row]]) -> Variant {
    Variant { value, class: Class::Inert, rows, whole: Some(member) }
}
