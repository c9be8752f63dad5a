//! Embeds the catalogue: every file of `schemas/` at the top of the workspace.

use std::{env, fmt::Write as _, fs, io, path::Path};

fn main() -> io::Result<()> {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    println!("cargo::rerun-if-changed={}", schemas.display());
    let mut files: Vec<_> =
        fs::read_dir(&schemas)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut list = String::from("&[\n");
    for file in files {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let path = file.canonicalize()?.display().to_string();
        // Writing to a String can't fail.
        let _ = writeln!(list, "    ({stem:?}, include_str!({path:?})),");
    }
    list.push_str("]\n");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("schemas.rs"), list)
}
