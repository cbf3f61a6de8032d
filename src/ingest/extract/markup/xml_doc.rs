//! DocBook and DITA → Markdown-like text.
//!
//! Titles of sections are headings, listings are code, and lists and tables are kept. Elements that are not known here
//! leave their words. Index terms and remarks of the authors go.

use crate::ingest::extract::Extracted;
use crate::ingest::extract::extracted::on_one_line;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::markup::xml::{Token, Tokens, XmlError};
use crate::ingest::extract::text::writer::Writer;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Section,
    /// What a section says about itself: its title may stand here.
    Info,
    Title,
    /// Stands alone.
    Block,
    Code,
    List,
    Item,
    Table,
    Row,
    Cell,
    /// Code within a line.
    Literal,
    /// Nobody reads it.
    Unread,
    /// Leaves its words to the block that it is in.
    Inline,
}

fn role(name: &str) -> Role {
    match name {
        "book" | "article" | "set" | "part" | "chapter" | "appendix" | "preface" | "section" | "sect1" | "sect2"
        | "sect3" | "sect4" | "sect5" | "simplesect" | "refentry" | "refsect1" | "refsect2" | "refsect3"
        | "refsection" | "reference" | "glossary" | "bibliography" | "topic" | "concept" | "task" | "refbody"
        | "glossentry" | "troubleshooting" | "map" | "bookmap" | "dedication" | "colophon" => Role::Section,
        "info" | "bookinfo" | "articleinfo" | "chapterinfo" | "appendixinfo" | "prefaceinfo" | "sectioninfo"
        | "sect1info" | "sect2info" | "partinfo" | "setinfo" | "refentryinfo" | "refmeta" | "titlegroup" => Role::Info,
        "title" | "refentrytitle" | "glossterm" | "booktitle" | "mainbooktitle" => Role::Title,
        "programlisting" | "screen" | "literallayout" | "codeblock" | "pre" | "synopsis" | "msgblock" | "lines"
        | "funcsynopsisinfo" => Role::Code,
        "itemizedlist" | "orderedlist" | "simplelist" | "ul" | "ol" | "sl" | "steps" | "steps-unordered"
        | "substeps" | "choices" | "procedure" | "calloutlist" | "variablelist" | "dl" | "parml" | "glosslist"
        | "qandaset" => Role::List,
        "listitem" | "li" | "sli" | "step" | "substep" | "choice" | "member" | "callout" | "varlistentry"
        | "dlentry" | "plentry" | "qandaentry" => Role::Item,
        "table" | "informaltable" | "simpletable" | "choicetable" | "properties" => Role::Table,
        "row" | "strow" | "sthead" | "tr" | "chrow" | "chhead" => Role::Row,
        "entry" | "stentry" | "td" | "th" | "choption" | "chdesc" => Role::Cell,
        "literal" | "code" | "command" | "option" | "filename" | "function" | "varname" | "envar" | "constant"
        | "parameter" | "userinput" | "computeroutput" | "codeph" | "filepath" | "cmdname" | "systemoutput"
        | "apiname" | "parmname" => Role::Literal,
        "indexterm" | "remark" | "draft-comment" | "required-cleanup" | "data" => Role::Unread,
        "para" | "simpara" | "formalpara" | "p" | "shortdesc" | "abstract" | "dt" | "dd" | "pt" | "pd" | "cmd"
        | "stepresult" | "note" | "tip" | "warning" | "caution" | "important" | "subtitle" | "titleabbrev"
        | "refnamediv" | "cmdsynopsis" | "author" | "pubdate" | "date" | "copyright" | "legalnotice" | "figure"
        | "fig" | "example" | "informalexample" | "blockquote" | "sidebar" | "question" | "answer" | "caption"
        | "revision" | "navtitle" | "example-body" | "context" | "prereq" | "postreq" | "result" | "lq"
        | "bridgehead" | "desc" | "body" | "conbody" | "taskbody" | "info-body" | "funcsynopsis" | "funcprototype"
        | "bibliomixed" | "biblioentry" | "topicref" | "releaseinfo" | "releaseno" | "edition" | "publisher"
        | "address" => Role::Block,
        _ => Role::Inline,
    }
}

pub(crate) fn extract(tokens: &mut Tokens<'_>, bytes_max: usize) -> Result<Extracted, XmlError> {
    let mut page = Page::new(bytes_max);
    loop {
        match tokens.next()? {
            Token::Open(tag) => page.open(tag.local_name().as_ref()),
            Token::Text(text) => page.words(&text),
            Token::Close => page.close(),
            Token::End => break,
        }
        if page.writer.is_full() {
            break;
        }
    }
    page.flush();
    page.writer.finish(FileKind::Xml).map_err(XmlError::Limit)
}

struct Page {
    writer: Writer,
    open: Vec<Role>,
    /// The words of the block that is being read; of a listing, as they are.
    words: String,
    sections: u8,
    lists: usize,
    /// How many elements are open that nobody reads.
    unread: usize,
    listings: usize,
    /// Whether the next line of a list begins an item.
    item_begins: bool,
    tables: usize,
    row: Vec<String>,
    rows: usize,
    /// What a table says below its rows.
    below_table: Vec<String>,
}

impl Page {
    fn new(bytes_max: usize) -> Self {
        Self {
            writer: Writer::new(bytes_max),
            open: Vec::new(),
            words: String::new(),
            sections: 0,
            lists: 0,
            unread: 0,
            listings: 0,
            item_begins: false,
            tables: 0,
            row: Vec::new(),
            rows: 0,
            below_table: Vec::new(),
        }
    }

    fn words(&mut self, words: &str) {
        if self.unread == 0 {
            self.words.push_str(words);
        }
    }

    fn open(&mut self, name: &str) {
        // Only the one that names its section is a title; elsewhere these are words of a line.
        let role = match (role(name), name) {
            (Role::Title, "refentrytitle") if self.open.last() != Some(&Role::Info) => Role::Inline,
            (Role::Inline, "term") if self.open.last() == Some(&Role::Item) => Role::Block,
            (Role::Title, "glossterm") if self.open.last() != Some(&Role::Section) => Role::Inline,
            (role, _) => role,
        };
        self.open.push(role);
        match role {
            Role::Section => {
                self.flush();
                self.sections = self.sections.saturating_add(1);
            }
            Role::List => {
                self.flush();
                if self.lists == 0 && self.tables == 0 {
                    self.writer.gap();
                }
                self.lists += 1;
            }
            Role::Item => {
                self.flush();
                self.item_begins = true;
            }
            Role::Table => {
                self.flush();
                self.tables += 1;
            }
            Role::Row | Role::Info | Role::Title | Role::Block => self.flush(),
            Role::Cell => {
                self.flush();
                if self.tables == 1 {
                    self.row.push(String::new());
                }
            }
            Role::Code => {
                if self.listings == 0 {
                    self.flush();
                }
                self.listings += 1;
            }
            Role::Literal => self.quote(),
            Role::Unread => self.unread += 1,
            Role::Inline => {}
        }
    }

    fn close(&mut self) {
        let Some(role) = self.open.pop() else { return };
        match role {
            Role::Section => {
                self.flush();
                self.sections = self.sections.saturating_sub(1);
            }
            Role::Title => self.title(),
            Role::List => {
                self.flush();
                self.lists = self.lists.saturating_sub(1);
            }
            Role::Item => {
                self.flush();
                self.item_begins = false;
            }
            Role::Table => self.end_table(),
            Role::Row => {
                self.flush();
                if self.tables == 1 {
                    let row = std::mem::take(&mut self.row);
                    if row.iter().any(|cell| !cell.is_empty()) {
                        self.writer.row(&row);
                        self.rows += 1;
                    }
                }
            }
            Role::Code => self.end_listing(),
            Role::Literal => self.quote(),
            Role::Unread => self.unread = self.unread.saturating_sub(1),
            Role::Info | Role::Block | Role::Cell => self.flush(),
            Role::Inline => {}
        }
    }

    fn quote(&mut self) {
        if self.listings == 0 && self.unread == 0 {
            self.words.push('`');
        }
    }

    /// A heading, if it is a section's.
    fn title(&mut self) {
        let mut around = self.open.iter().rev();
        let heads = match around.next() {
            Some(Role::Section) => true,
            Some(Role::Info) => around.next() == Some(&Role::Section),
            _ => false,
        };
        if heads && self.tables == 0 && self.listings == 0 {
            let title = std::mem::take(&mut self.words);
            self.writer.heading(self.sections, &title.replace('`', ""));
        } else {
            self.flush();
        }
    }

    fn end_listing(&mut self) {
        self.listings = self.listings.saturating_sub(1);
        if self.listings > 0 {
            return;
        }
        if self.tables > 0 {
            self.flush();
        } else {
            let code = std::mem::take(&mut self.words);
            self.writer.code("", &code);
        }
    }

    fn end_table(&mut self) {
        self.flush();
        self.tables = self.tables.saturating_sub(1);
        if self.tables == 0 {
            self.writer.end_table();
            self.rows = 0;
            self.row.clear();
            for text in std::mem::take(&mut self.below_table) {
                self.writer.paragraph(&text);
            }
        }
    }

    /// The block that was being read is complete.
    fn flush(&mut self) {
        if self.words.is_empty() || self.listings > 0 {
            return;
        }
        let text = on_one_line(&std::mem::take(&mut self.words));
        if text.is_empty() || text.chars().all(|c| c == '`') {
            return;
        }
        if let Some(cell) = self.row.last_mut() {
            if !cell.is_empty() {
                cell.push(' ');
            }
            cell.push_str(&text);
        } else if self.rows > 0 {
            self.below_table.push(text);
        } else if self.lists > 0 {
            let indent = 2 * (self.lists - 1);
            if std::mem::take(&mut self.item_begins) {
                self.writer.line(indent, &format!("- {text}"));
            } else {
                self.writer.line(indent + 2, &text);
            }
        } else {
            self.writer.paragraph(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ingest::extract::markup::xml;

    #[test]
    fn a_docbook_chapter_keeps_its_sections_lists_code_and_tables() {
        let book = "<?xml version='1.0'?><chapter xmlns='http://docbook.org/ns/docbook'><info><title>Guide</title></info>\
            <para>Run <command>cairn</command>\n  now<indexterm><primary>x</primary></indexterm>.</para>\
            <section><title>Install</title><note><title>Note</title><para>Careful.</para></note>\
            <itemizedlist><listitem><para>one</para><para>more</para></listitem><listitem><para>two</para>\
            <itemizedlist><listitem><para>deep</para></listitem></itemizedlist></listitem></itemizedlist>\
            <programlisting>a\n  b &lt; c</programlisting>\
            <table><title>Sizes</title><tgroup><thead><row><entry>k</entry><entry>v</entry></row></thead>\
            <tbody><row><entry><para>a</para></entry><entry/></row></tbody></tgroup></table></section></chapter>";
        let made = xml::extract(book.to_owned(), 10_000).expect("it is DocBook");
        assert_eq!(
            made.text,
            "# Guide\n\nRun `cairn` now.\n\n## Install\n\nNote\n\nCareful.\n\n- one\n  more\n- two\n  - deep\n\n\
             ```\na\n  b < c\n```\n\nSizes\n\n| k | v |\n| --- | --- |\n| a |\n"
        );
        assert_eq!((made.headings.len(), made.tables.len(), made.title.as_deref()), (2, 1, Some("Guide")));
    }

    #[test]
    fn a_dita_task_keeps_its_steps() {
        let task = "<!DOCTYPE task PUBLIC \"-//OASIS//DTD DITA Task//EN\" \"task.dtd\"><task id='t'><title>Do it</title>\
            <shortdesc>Short.</shortdesc><taskbody><steps><step><cmd>Open <filepath>a.txt</filepath></cmd></step>\
            <step><cmd>Close</cmd></step></steps></taskbody></task>";
        let made = xml::extract(task.to_owned(), 10_000).expect("it is DITA");
        assert_eq!(made.text, "# Do it\n\nShort.\n\n- Open `a.txt`\n- Close\n");
    }
}
