//! Where a forwarded or answered mail begins. Closed words of the languages in which mail programs write them.

/// Most lines of the head of a mail.
const MAX_HEAD: usize = 8;
const FROM: [&str; 6] = ["from", "von", "de", "da", "van", "od"];
const SENT: [&str; 14] = [
    "sent",
    "gesendet",
    "envoyé",
    "envoyée",
    "enviado",
    "enviada",
    "enviado el",
    "enviado em",
    "enviada em",
    "inviato",
    "inviata",
    "verzonden",
    "wysłano",
    "wysłane",
];
const SUBJECT: [&str; 9] = ["subject", "betreff", "objet", "asunto", "oggetto", "assunto", "onderwerp", "temat", "re"];
const OTHER: [&str; 14] = ["date", "datum", "data", "fecha", "to", "an", "à", "para", "a", "aan", "do", "cc", "kopie", "per"];
/// In a line of dashes.
const MESSAGE: [&str; 9] = ["message", "nachricht", "mensaje", "messaggio", "mensagem", "bericht", "wiadomo", "mail", "courriel"];
const BEGIN: [&str; 9] = [
    "begin forwarded",
    "anfang der weitergeleiteten",
    "début du message",
    "inicio del mensaje",
    "inizio messaggio",
    "início da mensagem",
    "begin doorgestuurd",
    "begin van doorgestuurd",
    "początek przekazywanej",
];
const WROTE: [&str; 11] =
    ["wrote", "schrieb", "écrit", "escribió", "scritto", "escreveu", "schreef", "napisał", "napisała", "pisze", "geschrieben"];

/// Whether the first of these lines begins a mail of somebody's; what comes behind it is his to the end.
pub(super) fn is_forwarded<'a>(lines: impl Iterator<Item = &'a str>) -> bool {
    let mut lines =
        lines.take(MAX_HEAD).map(|line| line.trim_matches(|char: char| char.is_whitespace() || "*_>|".contains(char)));
    let Some(first) = lines.next() else { return false };
    if is_told(first) {
        return true;
    }
    let Some(name) = name(first) else { return false };
    let is_head = |name: &str| [&FROM[..], &SENT, &SUBJECT].iter().any(|words| words.contains(&name));
    if !is_head(&name) {
        return false;
    }
    let head: Vec<(String, bool)> = std::iter::once(first)
        .chain(lines.take_while(|line| !line.is_empty()))
        .map_while(|line| Some((self::name(line)?, line.contains('@'))))
        .collect();
    let has = |words: &[&str]| head.iter().any(|(name, _)| words.contains(&name.as_str()));
    let is_from_mail = head.iter().any(|(name, is_mail)| *is_mail && FROM.contains(&name.as_str()));
    // Travellers go from and to on a date as well.
    has(&FROM) && (has(&SUBJECT) || has(&SENT) || is_from_mail && has(&OTHER))
}

/// The name of a header line, in lower case.
fn name(line: &str) -> Option<String> {
    let (name, _) = line.split_once([':', '：'])?;
    let name = name.trim_matches(|char: char| char.is_whitespace() || "*_".contains(char)).to_lowercase();
    (!name.is_empty() && name.split(' ').count() <= 3).then_some(name)
}

/// `--- Forwarded message ---`, `On Monday Ann wrote:`.
fn is_told(line: &str) -> bool {
    let lower = line.to_lowercase();
    let is_ruled = line.starts_with("---") && MESSAGE.iter().any(|word| lower.contains(word));
    let is_wrote = line.ends_with(':') && lower.split(|char: char| !char.is_alphabetic()).any(|word| WROTE.contains(&word));
    is_ruled || is_wrote || BEGIN.iter().any(|words| lower.starts_with(words))
}
