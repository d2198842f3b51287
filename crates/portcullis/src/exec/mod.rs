//! `portcullis exec`: a program in a sandbox, in the place of the program. Needs no data folder, no gate and no runtime: a stage of
//! the sandbox has one thread.

mod arguments;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sandbox::{Event, Launcher, Layer, Plan, Presence, Report, Stage};
use serde_json::{Value, json};

pub(crate) use arguments::Exec;

use crate::commands::Exit;
use crate::files::Folder;
use crate::output;

/// There is no sandbox, and nothing ran.
const NO_SANDBOX: u8 = 125;

/// Runs the command.
pub(crate) fn exec(options: &Exec, is_json: bool) -> ExitCode {
    if let Some(name) = &options.stage {
        let stage = Stage::ALL.into_iter().find(|stage| stage.as_str() == name);
        return stage.map_or(NO_SANDBOX, |stage| sandbox::stage(stage, Launcher::own().command(Stage::Inside))).into();
    }
    if options.probe {
        return tell_layers(&sandbox::probe(&Launcher::own()), is_json).into();
    }
    let Some(path) = &options.profile else { return Exit::Invalid.into() };
    let plan = match plan(path, &options.command) {
        Ok(plan) => plan,
        Err(problems) if is_json => {
            output::note(&json!({"event": "no-sandbox", "why": problems.join("; ")}).to_string());
            return Exit::Invalid.into();
        }
        Err(problems) => {
            problems.iter().for_each(|problem| output::note(problem));
            return Exit::Invalid.into();
        }
    };
    if options.explain {
        let lines = plan.explained();
        if is_json {
            output::line(&json!({"lines": lines}).to_string());
        } else {
            lines.iter().for_each(|line| output::line(line));
        }
        return Exit::Ok.into();
    }
    let without: Vec<&str> = without(&plan);
    if !is_json && !without.is_empty() {
        output::note(&format!("portcullis exec: DANGER: without {}", without.join(", ")));
    }
    let file = match options.report.as_deref().map(|file| report_file(file, &plan)).transpose() {
        Ok(file) => file,
        Err(what) => {
            output::note(&format!("portcullis exec: {what}; nothing ran"));
            return Exit::Invalid.into();
        }
    };
    let sink = move |event: Event<'_>| tell(&event, is_json);
    match sandbox::run(plan.clone(), &Launcher::own(), io::stdin(), io::stdout(), sink) {
        Ok(report) => ended(&plan, &report, file, is_json),
        Err(error) => {
            if is_json {
                output::note(&json!({"event": "no-sandbox", "why": error.to_string()}).to_string());
            } else {
                output::note(&format!("portcullis exec: {error}; nothing ran"));
            }
            NO_SANDBOX.into()
        }
    }
}

/// The plan for a command under the profile in this file, or what is wrong with them.
fn plan(path: &Path, command: &[String]) -> Result<Plan, Vec<String>> {
    let (folder, name) = split(path)?;
    let profile = config::sandbox_profile(&Folder::new(folder.clone()), &name);
    let profile = profile.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let plan = Plan::new(&profile, &folder, command, &|name| std::env::var(name).ok());
    let plan = plan.map_err(|problem| vec![format!("{}: {problem}", path.display())])?;
    if plan.could_change(&folder.join(&name)) {
        let what =
            "the profile lies in a folder of its `files.write`: the program could give itself another one; put it elsewhere";
        return Err(vec![format!("{}: {what}", path.display())]);
    }
    Ok(plan)
}

/// The file for the report, as it is before anything runs: what the program puts in its place later is not written to.
fn report_file(file: &Path, plan: &Plan) -> Result<File, String> {
    let told = |what: &dyn std::fmt::Display| format!("the report cannot be written to `{}`: {what}", file.display());
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let parent = std::fs::canonicalize(parent).map_err(|error| told(&error))?;
    if plan.could_change(&parent) {
        return Err(told(&"the program could change it there: it lies in a folder of `files.write`"));
    }
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).custom_flags(no_link);
    options.open(file).map_err(|error| told(&error))
}

/// The folder that a profile's paths begin at, and the profile's name there.
fn split(path: &Path) -> Result<(PathBuf, String), Vec<String>> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| vec![format!("`{}` is no file", path.display())])?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let folder = std::fs::canonicalize(parent).map_err(|error| vec![format!("`{}`: {error}", parent.display())])?;
    Ok((folder, name.to_owned()))
}

fn without(plan: &Plan) -> Vec<&'static str> {
    Layer::ALL.into_iter().filter(|layer| !plan.has(*layer)).map(Layer::as_str).collect()
}

/// Tells an event on standard error: a line of JSON, or for people.
fn tell(event: &Event<'_>, is_json: bool) {
    match event {
        Event::InForce if is_json => output::note(&json!({"event": "in-force"}).to_string()),
        Event::InForce => {}
        Event::Refused(refused) if is_json => {
            let (call, target, by) = (refused.call, &refused.target, refused.by);
            output::note(&json!({"event": "refused", "call": call, "target": target, "by": by}).to_string());
        }
        Event::Refused(refused) => {
            output::note(&format!("portcullis exec: refused {} {} ({})", refused.call, refused.target, refused.by));
        }
        Event::Said(bytes) if is_json => {
            output::note(&json!({"event": "said", "text": String::from_utf8_lossy(bytes)}).to_string());
        }
        Event::Said(bytes) => drop(io::stderr().lock().write_all(bytes)),
    }
}

fn ended(plan: &Plan, report: &Report, file: Option<File>, is_json: bool) -> ExitCode {
    let document = json!({"without": without(plan), "refused": refused(report), "more": report.more, "ended": report.ended});
    let ending = report.ended.map_or_else(String::new, |ending| ending.to_string());
    if is_json {
        output::note(&json!({"event": "ended", "report": document, "message": ending}).to_string());
    } else if report.ended != Some(sandbox::Ending::Exited(0)) || !report.refused.is_empty() {
        let n = report.refused.len();
        output::note(&format!("portcullis exec: {ending}; {n} different things were refused"));
    }
    if let Some(mut file) = file
        && let Err(error) = file.write_all(format!("{document:#}\n").as_bytes())
    {
        output::note(&format!("portcullis exec: the report cannot be written: {error}"));
        return Exit::Failure.into();
    }
    report.ended.map_or(NO_SANDBOX, sandbox::Ending::code).into()
}

fn refused(report: &Report) -> Value {
    serde_json::to_value(report).ok().and_then(|mut report| report.get_mut("refused").map(Value::take)).unwrap_or_default()
}

fn tell_layers(found: &[Presence], is_json: bool) -> Exit {
    let purpose = |name: &str| Layer::named(name).map_or("telling what was refused", Layer::purpose);
    if is_json {
        output::line(&json!({"layers": found}).to_string());
    } else {
        for Presence { layer, is_there, note } in found {
            let state = if *is_there { "yes" } else { "NO" };
            output::line(&format!("{layer:<17} {state:<3}  {}", purpose(layer)));
            if !note.is_empty() {
                output::line(&format!("{:<23}{note}", ""));
            }
        }
    }
    if found.iter().all(|presence| presence.is_there) { Exit::Ok } else { Exit::Failure }
}

/// The layers that this machine does not have, with what the kernel said.
pub(crate) fn missing() -> Vec<String> {
    let found = sandbox::probe(&Launcher::own());
    found.into_iter().filter(|found| !found.is_there).map(|found| format!("{}: {}", found.layer, found.note)).collect()
}
