//! The parts of a mail or an archive → one text, in which each part is a section under its name.
//!
//! So a mail is found with what is attached to it, an archive is one document, and a citation names the member. What
//! can't be read in it is counted in the notes; that alone is no reason to refuse the rest.

use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::reading::Part;
use crate::ingest::extract::{Extracted, FileKind, Heading, Note, Table};

/// The deepest level that a heading has.
const LEVEL_MAX: u8 = 9;

/// One text of all parts. An error if there is none that can be read.
pub(crate) fn join(kind: FileKind, parts: Vec<Part>) -> Result<Extracted, ExtractError> {
    let (mut whole, mut unreadable, mut first_error) = (Extracted::of(kind, String::new()), 0, None);
    for Part { path, content } in parts {
        match content {
            Ok(part) => append(&mut whole, &path, part),
            Err(error) => {
                unreadable += 1;
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) if whole.text.is_empty() => return Err(error),
        Some(_) => whole.notes.push(Note::UnreadableMembers(unreadable)),
        None => {}
    }
    Ok(whole)
}

fn append(whole: &mut Extracted, path: &str, part: Extracted) {
    let is_container = path.is_empty();
    if !whole.text.is_empty() {
        whole.text.push_str("\n\n");
    }
    if is_container {
        (whole.title, whole.language) = (part.title, part.language);
    } else {
        whole.headings.push(Heading { level: 1, title: path.to_owned(), start: whole.text.len() });
        whole.text.push_str(&format!("# {path}\n\n"));
    }
    let start = whole.text.len();
    whole.text.push_str(&part.text);
    let deeper = u8::from(!is_container);
    whole.headings.extend(part.headings.into_iter().map(|heading| Heading {
        level: heading.level.saturating_add(deeper).min(LEVEL_MAX),
        start: heading.start + start,
        ..heading
    }));
    whole.tables.extend(part.tables.into_iter().map(|table| Table {
        span: table.span.start + start..table.span.end + start,
        rows_start: table.rows_start + start,
    }));
    whole.notes.extend(part.notes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_a_section_and_its_headings_stand_below() {
        let part = |path: &str, text: &str| {
            let mut content = Extracted::of(FileKind::Markdown, text.to_owned());
            content.headings = vec![Heading { level: 1, title: "Guide".into(), start: 0 }];
            Part { path: path.into(), content: Ok(content) }
        };
        let broken = Part { path: "c.pdf".into(), content: Err(ExtractError::Encrypted) };
        let whole = join(FileKind::Zip, vec![part("a.md", "# Guide\n\nOne."), part("b.md", "# Guide\n\nTwo."), broken]);
        let whole = whole.expect("two of three can be read");
        assert_eq!(whole.text, "# a.md\n\n# Guide\n\nOne.\n\n# b.md\n\n# Guide\n\nTwo.");
        let levels: Vec<_> = whole.headings.iter().map(|heading| (heading.level, heading.title.as_str())).collect();
        assert_eq!(levels, [(1, "a.md"), (2, "Guide"), (1, "b.md"), (2, "Guide")]);
        assert!(whole.headings.iter().all(|heading| whole.text.as_bytes()[heading.start] == b'#'));
        assert_eq!(whole.notes, [Note::UnreadableMembers(1)]);
        let only_broken = Part { path: "c.pdf".into(), content: Err(ExtractError::Encrypted) };
        assert_eq!(join(FileKind::Zip, vec![only_broken]), Err(ExtractError::Encrypted));
    }
}
