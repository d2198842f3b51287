//! Landlock: which files are reached, and that no TCP, no signal and no abstract socket leads out.
//!
//! What a layer needs is required of the kernel, not asked for: an older one is an error that names the layer.

use std::path::Path;

use config::Layer;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};

use crate::SandboxError;
use crate::plan::Plan;

/// The first version that refuses all that changes a file.
const FILES: ABI = ABI::V3;
/// The first with TCP.
const TCP: ABI = ABI::V4;
/// The first with devices.
const DEVICES: ABI = ABI::V5;
/// The first with signals and abstract sockets.
const SCOPE: ABI = ABI::V6;

/// The last version whose rights this machine's kernel has, as a number; 0 for none.
pub(crate) fn version() -> u8 {
    let has = |ruleset: Result<Ruleset, RulesetError>| ruleset.and_then(Ruleset::create).is_ok();
    let versions = [
        (6, has(required().scope(Scope::from_all(SCOPE)))),
        (5, has(required().handle_access(AccessFs::from_all(DEVICES)))),
        (4, has(required().handle_access(AccessNet::from_all(TCP)))),
        (3, has(required().handle_access(AccessFs::from_all(FILES)))),
        (1, has(required().handle_access(AccessFs::from_all(ABI::V1)))),
    ];
    versions.into_iter().find_map(|(version, has)| has.then_some(version)).unwrap_or(0)
}

fn required() -> Ruleset {
    Ruleset::default().set_compatibility(CompatLevel::HardRequirement)
}

/// Closes the fence around this thread and all that it starts.
pub(crate) fn close(plan: &Plan) -> Result<(), SandboxError> {
    let [files, tcp, scope] = [Layer::LandlockFiles, Layer::LandlockTcp, Layer::LandlockScope];
    if ![files, tcp, scope].into_iter().any(|layer| plan.has(layer)) {
        return Ok(());
    }
    let mut ruleset = required();
    if plan.has(files) {
        ruleset = ruleset.handle_access(AccessFs::from_all(FILES)).map_err(of(files))?;
        ruleset = ruleset.set_compatibility(CompatLevel::BestEffort).handle_access(AccessFs::IoctlDev).map_err(of(files))?;
        ruleset = ruleset.set_compatibility(CompatLevel::HardRequirement);
    }
    if plan.has(tcp) {
        ruleset = ruleset.handle_access(AccessNet::from_all(TCP)).map_err(of(tcp))?;
    }
    if plan.has(scope) {
        ruleset = ruleset.scope(Scope::from_all(SCOPE)).map_err(of(scope))?;
    }
    let mut created = ruleset.create().map_err(of(files))?;
    if plan.has(files) {
        let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
        let write = AccessFs::from_all(FILES) & !make_bitflags!(AccessFs::{Execute | MakeChar | MakeBlock | MakeSock});
        let own = plan.has(Layer::PidNamespace).then_some(Path::new("/proc"));
        let lists = [(&plan.read, read), (&plan.execute, read | AccessFs::Execute), (&plan.write, write)];
        let paths = lists.into_iter().flat_map(|(paths, access)| paths.iter().map(move |path| (path.as_path(), access)));
        let more = own.map(|path| (path, read)).into_iter().chain(plan.tmp.as_deref().map(|path| (path, write)));
        for (path, access) in paths.chain(more) {
            created = created.add_rule(rule(path, access)?).map_err(of(files))?;
        }
    }
    created.restrict_self().map(drop).map_err(of(files))
}

fn of(layer: Layer) -> impl Fn(RulesetError) -> SandboxError {
    move |error| SandboxError::Layer { layer, why: error.to_string() }
}

fn rule(path: &Path, access: BitFlags<AccessFs>) -> Result<PathBeneath<PathFd>, SandboxError> {
    let failed = |why: String| SandboxError::Other(format!("`{}`: {why}", path.display()));
    let descriptor = PathFd::new(path).map_err(|error| failed(error.to_string()))?;
    let is_folder = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.is_dir();
    let access = if is_folder { access } else { access & AccessFs::from_file(FILES) };
    Ok(PathBeneath::new(descriptor, access))
}
