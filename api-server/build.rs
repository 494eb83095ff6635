//! Lays out Swagger UI for `http/docs.rs`: of all the files in its archive, those that `/docs/` shows.
//!
//! Run by cargo before the crate is compiled. A file lies in the archive as a deflate stream, and a gzip file is that stream
//! between a head and a sum: nothing is compressed here.

use std::error::Error;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::{CompressionMethod, ZipArchive};

/// What `http/docs.rs` includes, as `NAME.gz`.
const FILES: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];
/// Magic, deflate, no flags, no time, slowest compression, unknown system (RFC 1952, section 2.3).
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    #[expect(clippy::disallowed_methods, reason = "no setting of the server: cargo says where files are made")]
    let folder = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for file in FILES {
        fs::write(Path::new(&folder).join(format!("{file}.gz")), gzip(&mut archive, file)?)?;
    }
    Ok(())
}

/// A file of the archive: the first `dist` of it is in the folder of its version, before those of other flavours.
fn gzip(archive: &mut ZipArchive<Cursor<&[u8]>>, file: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let root = archive.file_names().flatten().find(|name| name.ends_with("/dist/")).ok_or("Swagger UI has no files")?;
    let name = format!("{root}{file}");
    let index = archive.index_for_name(&name).ok_or_else(|| format!("Swagger UI has no file {file}"))?;
    let mut stored = archive.by_index_raw(index)?;
    if stored.compression() != CompressionMethod::DEFLATE {
        return Err(format!("{file} is not a deflate stream in the archive of Swagger UI").into());
    }
    let (sum, length) = (stored.crc32(), u32::try_from(stored.size())?);
    let mut out = HEAD.to_vec();
    stored.read_to_end(&mut out)?;
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    Ok(out)
}
