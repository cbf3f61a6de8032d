//! Files that nobody vouches for, read by the real child process: what they say, and that a file which crashes it, holds
//! it up, makes it grow or lies costs that file only, within its limits.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use cairn::config::Config;
use cairn::ingest::extract::Extracted;
use cairn::ingest::reader::{ReadError, Reader};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::json;

use crate::harness::process::run;
use crate::harness::{Sandbox, chunk_count, models_dir, rows, search};

const MIB: usize = 1 << 20;

fn reader(variables: &[(&str, &str)]) -> Reader {
    let sandbox = variables.iter().fold(Sandbox::new(), |sandbox, (name, value)| sandbox.with(name, value));
    let Config { program, extract, .. } = sandbox.config();
    Reader::new(program, models_dir().join("pdfium/libpdfium.so"), extract, 2)
}

async fn text(name: &str, bytes: impl Into<Vec<u8>>) -> Extracted {
    reader(&[]).read(name, bytes.into()).await.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The code that a file is refused with.
async fn refusal(reader: &Reader, name: &str, bytes: impl Into<Vec<u8>>) -> String {
    match reader.read(name, bytes.into()).await {
        Err(error @ ReadError::Refused { .. }) => error.code().to_owned(),
        Err(error) => panic!("{name}: {error}"),
        Ok(extracted) => panic!("{name} was read: {} bytes", extracted.text.len()),
    }
}

/// A PDF of these objects, with a cross-reference table as it should be.
fn pdf(objects: &[&[u8]]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        file.extend(format!("{} 0 obj\n", n + 1).as_bytes());
        file.extend(*object);
        file.extend(b"\nendobj\n");
    }
    let table = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes());
    for offset in offsets {
        file.extend(format!("{offset:010} 00000 n \n").as_bytes());
    }
    let end = format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
    file.extend(end.as_bytes());
    file
}

/// One that shows a page for each text.
fn pdf_of(texts: &[&str]) -> Vec<u8> {
    let font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec();
    let kids: String = (0..texts.len()).map(|n| format!("{} 0 R ", 4 + 2 * n)).collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", texts.len()).into_bytes(),
        font,
    ];
    for (n, text) in texts.iter().enumerate() {
        let content = format!("BT /F1 12 Tf 72 700 Td ({text}) Tj ET");
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {} 0 R \
                 /Resources << /Font << /F1 3 0 R >> >> >>",
                5 + 2 * n
            )
            .into_bytes(),
        );
        objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()).into_bytes());
    }
    pdf(&objects.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_pdf_is_read_with_its_pages() {
    let read = text("guide.pdf", pdf_of(&["The relay listens on port 2525.", "Its metrics are on port 9180."])).await;
    assert!(read.text.contains("port 2525") && read.text.contains("port 9180"), "{:?}", read.text);
    assert_eq!(read.pages.len(), 2);
    assert!(read.text[read.pages[1]..].trim_start().starts_with("Its metrics"));
}

#[tokio::test]
async fn a_mail_an_archive_and_a_table_are_each_one_document_with_all_that_is_in_them() {
    let mail = "From: ada@example.org\r\nTo: all@example.org\r\nSubject: Ports\r\nMIME-Version: 1.0\r\n\
                Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: text/plain\r\n\r\n\
                The relay has moved.\r\n--B\r\nContent-Type: text/markdown; name=ports.md\r\n\
                Content-Disposition: attachment; filename=ports.md\r\n\r\n# Ports\r\n\r\nSMTP is 2525.\r\n--B--\r\n";
    let read = text("ports.eml", mail).await;
    for said in ["Ports", "ada@example.org", "The relay has moved.", "ports.md", "SMTP is 2525."] {
        assert!(read.text.contains(said), "{said}: {:?}", read.text);
    }
    let archive =
        zip(&[("docs/a.md", b"# A\n\nFirst."), ("../../etc/b.txt", b"Second."), ("c.png", b"\x89PNG\r\n\x1a\n")]);
    let read = text("all.zip", archive).await;
    assert!(read.text.contains("First.") && !read.text.contains("../"), "{:?}", read.text);
    assert!(read.headings.iter().any(|heading| heading.title == "docs/a.md"));
    let read = text("people.csv", "name,city\nAda,London\nGrace,Arlington\n").await;
    assert_eq!(read.tables.len(), 1, "{read:?}");
}

#[tokio::test]
async fn hostile_files_end_with_a_code_and_the_next_file_is_read_as_ever() {
    let reader = reader(&[]);
    let zeros = vec![0; 200 * MIB];
    let nested: Vec<u8> = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let bomb = zip(&[("bomb.txt", &vec![b'a'; 200 * MIB])]);
    let laughs = (0..9).fold("<!ENTITY l0 \"ha\">".to_owned(), |all, n| {
        format!("{all}<!ENTITY l{} \"{}\">", n + 1, format!("&l{n};").repeat(10))
    });
    let flate = {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&zeros).unwrap();
        let stream = encoder.finish().unwrap();
        let head = format!("<< /Length {} /Filter /FlateDecode >>\nstream\n", stream.len());
        [head.as_bytes(), &stream, b"\nendstream"].concat()
    };
    let page: &[u8] = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>";
    let catalog: &[u8] = b"<< /Type /Catalog /Pages 2 0 R >>";
    let whole = pdf_of(&["A whole page of text."]);
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("bomb.zip", bomb.clone()),
        ("twice.zip", zip(&[("inner.zip", &bomb)])),
        ("bomb.txt.gz", gzip(&zeros)),
        ("deep.json", nested),
        ("laughs.xml", format!("<?xml version=\"1.0\"?><!DOCTYPE x [{laughs}]><x>&l9;</x>").into_bytes()),
        ("outside.xml", b"<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><x>&f;</x>".to_vec()),
        ("flate.pdf", pdf(&[catalog, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page, &flate])),
        ("lie.pdf", pdf(&[catalog, b"<< /Type /Pages /Kids [3 0 R] /Count 100000 >>", page, b"<< >>"])),
        ("loop.pdf", pdf(&[catalog, b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"])),
        ("xref.pdf", b"%PDF-1.7\nxref\n0 1\ntrailer\n<< /Size 1 /Prev 9 >>\nstartxref\n9\n%%EOF\n".to_vec()),
        ("cut.pdf", whole[..whole.len() / 3].to_vec()),
        ("noise.pdf", b"%PDF-1.7\n".iter().copied().chain((0..=255).cycle().take(50_000)).collect()),
        ("noise.docx", (0..=255).cycle().take(50_000).collect()),
        ("cut.zip", bomb[..bomb.len() / 2].to_vec()),
        ("quotes.md", [b"> ".repeat(50_000), b"deep".to_vec()].concat()),
        ("divs.html", [b"<div>".repeat(200_000), b"deep".to_vec()].concat()),
    ];
    for (name, bytes) in files {
        match reader.read(name, bytes).await {
            Ok(read) => {
                assert!(read.text.len() < MIB, "{name} gave {} bytes", read.text.len());
                assert!(!read.text.contains("root:"), "{name} read another file");
            }
            Err(error @ ReadError::Refused { .. }) => {
                assert!(error.to_string().len() < 400, "{name}: {error}");
                println!("{name}: {}: {error}", error.code());
            }
            Err(error) => panic!("{name}: {error}"),
        }
        let after = reader.read("after.txt", b"Still here.".to_vec()).await.unwrap();
        assert_eq!(after.text.trim(), "Still here.", "after {name}");
    }
    assert_eq!(refusal(&reader, "picture.pdf", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec()).await, "wrong_type");
}

#[tokio::test]
async fn each_limit_of_the_child_holds_and_says_which_it_was() {
    let csv: String = std::iter::repeat_n("a,b,c,d,e,f,g,h\n", 2_000_000).collect();
    let slow = reader(&[("CAIRN__EXTRACT__TIME_MAX", "50ms")]);
    assert_eq!(refusal(&slow, "large.csv", csv.clone()).await, "time_limit");
    let small = reader(&[("CAIRN__EXTRACT__MEMORY_MAX", "140 MiB")]);
    assert_eq!(refusal(&small, "large.csv", csv.clone()).await, "memory_limit");
    assert_eq!(small.read("small.csv", b"a,b\n1,2\n".to_vec()).await.unwrap().tables.len(), 1);
    let short = reader(&[("CAIRN__EXTRACT__OUTPUT_BYTES_MAX", "1 KiB")]);
    assert_eq!(refusal(&short, "long.txt", "word ".repeat(1000)).await, "too_large");
    let missing = Reader::new("/nonexistent/cairn".into(), models_dir(), Sandbox::new().config().extract, 1);
    let error = missing.read("a.txt", b"text".to_vec()).await.unwrap_err();
    assert_eq!(error.code(), "reader_unavailable");
}

#[test]
fn the_child_ends_with_its_parent_and_answers_nobody_else() {
    let run = |input: &'static [u8]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cairn"));
        child.arg("extract").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = child.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    };
    let ended = run(b"");
    assert!(ended.status.success() && ended.stdout.is_empty());
    let ended = run(b"what somebody typed, who found the hidden command");
    assert!(!ended.status.success() && ended.stdout.is_empty());
}

#[tokio::test]
async fn a_rejected_file_takes_its_former_text_with_it_and_leaves_the_others() {
    let sandbox = Sandbox::new();
    sandbox.write("good.md", "# Good\n\nThe heron stands in the reeds.\n");
    sandbox.write("report.pdf", pdf_of(&["The kestrel hovers over the field."]));
    let app = sandbox.ingested().await;
    assert_eq!(chunk_count(&app).await, 2);
    assert_eq!(search(&app, "kestrel").await[0].chunk.page, Some(1));
    sandbox.write("report.pdf", b"%PDF-1.7\nnothing");
    let summary = sandbox.ingest(&app).await;
    assert_eq!(summary.failed.len(), 1, "{summary:?}");
    assert_eq!(chunk_count(&app).await, 1);
    let row = rows(&app).await.into_iter().find(|row| row.external_id.ends_with("report.pdf")).unwrap();
    assert_eq!(row.state, "rejected");
    assert!(row.reason.contains("damaged") || row.reason.contains("whole PDF"), "{}", row.reason);
}

/// Makes a pipe, which whoever opens it would wait for.
fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn a_folder_made_to_do_harm_ends_with_each_file_accounted_for_and_nothing_from_outside_it() {
    let sandbox = Sandbox::new();
    let outside = sandbox.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret.md"), "# Secret\n\nThe canary sings at noon.\n").unwrap();
    let docs = sandbox.docs();
    symlink(&outside, docs.join("folder")).unwrap();
    symlink(outside.join("secret.md"), docs.join("secret.md")).unwrap();
    symlink(&docs, docs.join("loop")).unwrap();
    symlink("/dev/zero", docs.join("zero.txt")).unwrap();
    pipe(&docs.join("pipe.md"));
    fs::create_dir(docs.join("folder.md")).unwrap();
    fs::File::create(docs.join("sparse.txt")).unwrap().set_len(5 << 30).unwrap();
    let odd = [
        "-rf.md",
        "new\nline.md",
        "esc\u{1b}[31m.md",
        "ünïcödé 🦉.md",
        "a b'\"$(x)`.md",
        &format!("{}.md", "n".repeat(250)),
    ];
    for name in odd {
        sandbox.write(name, "# Owl\n\nThe owl waits in the barn.\n");
    }
    sandbox.write("members.zip", zip(&[("../../up.md", b"Up."), ("/root.md", b"Root."), ("C:\\x.md", b"Drive.")]));
    let ended = run(sandbox.cairn(&["ingest", "--json", "docs"])).await;
    let summary = ended.json_lines().pop().unwrap();
    assert_eq!((ended.code, &summary["indexed"]), (Some(1), &json!(odd.len() + 1)), "{ended:?}");
    assert_eq!(summary["failed"].as_array().unwrap().len(), 1, "{summary}");
    assert!(summary["failed"][0]["reason"].as_str().unwrap().contains("ingest.file_bytes_max"), "{summary}");
    let listed = run(sandbox.cairn(&["documents", "list"])).await.stdout;
    assert_eq!(listed.lines().count(), odd.len() + 1, "a name makes no line of its own: {listed}");
    assert!(!listed.contains('\u{1b}'), "and gives the terminal no orders");
    let app = sandbox.open().await;
    assert!(search(&app, "canary").await.iter().all(|hit| !hit.chunk.text.contains("canary")));
    assert!(!sandbox.path("up.md").exists() && !sandbox.path("docs/up.md").exists());
}
