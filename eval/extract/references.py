"""What other programs read in a file: text and, where they can say, headings and tables.

One function a kind, in READERS: path → Reference; `of` keeps what they gave beside the corpus, because they take most of
the time. Unreadable says why there is nothing to compare with. These programs are for measuring; none is a part of
cairn.
"""

import datetime
import email
import email.policy
import hashlib
import io
import json
import re
import subprocess
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pypandoc
from bs4 import BeautifulSoup

# Another way of reading is asked anew.
VERSION = Path(__file__).read_bytes()
# What cairn shows of one output of a notebook.
OUTPUT_CHARS = 4096
# Looking for tables takes PyMuPDF a third of a second a page: so many of each document, evenly spread.
TABLE_PAGES = 4


class Unreadable(Exception):
    """The reference can't read it, or not all of it."""


@dataclass
class Reference:
    text: str
    headings: list = field(default_factory=list)
    tables: list = field(default_factory=list)


def of(kind, path, kept):
    """What the reference says of a file, from the folder `kept` if it has said so before. None: there is none."""
    if kind not in READERS:
        return None
    here = hashlib.sha256(VERSION + path.read_bytes()).hexdigest()
    file = kept / f"{kind}-{here[:32]}.json"
    if not file.exists():
        try:
            said = asdict(READERS[kind](path))
        except Exception as error:  # Whatever it is, it is the reference's.
            said = {"unreadable": f"{type(error).__name__}: {error}"[:200]}
        kept.mkdir(exist_ok=True)
        file.write_text(json.dumps(said))
    said = json.loads(file.read_text())
    if "unreadable" in said:
        raise Unreadable(said["unreadable"])
    return Reference(**said)


def tool(*command, stdin=None):
    done = subprocess.run(command, capture_output=True, timeout=300, input=stdin)
    if done.returncode:
        raise Unreadable(done.stderr.decode("utf8", "replace")[:100])
    return done.stdout.decode("utf8", "replace")


def decoded(path):
    data = path.read_bytes()
    encodings = ["utf-8-sig", "cp1252", "latin1"]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings.insert(0, "utf-16")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            pass


def plain(path):
    return Reference(decoded(path))


# Pandoc: its tree has the headings and the tables.


def pandoc(form):
    return lambda path: of_tree(tool(pypandoc.get_pandoc_path(), "-f", form, "-t", "json", str(path)))


def of_tree(tree):
    headings, tables = [], []

    def walk(node):
        if isinstance(node, list):
            for inner in node:
                walk(inner)
        elif isinstance(node, dict):
            if node.get("t") == "Header":
                headings.append(words_of(node["c"][2]))
            if node.get("t") == "Table":
                tables.append(words_of(node["c"]))
            walk(node.get("c"))

    walk(json.loads(tree)["blocks"])
    text = tool(pypandoc.get_pandoc_path(), "-f", "json", "-t", "plain", "--wrap=none", stdin=tree.encode())
    return Reference(text, headings, tables)


def words_of(node):
    """The words below a node of pandoc's tree."""
    if isinstance(node, list):
        return "".join(words_of(inner) for inner in node)
    if not isinstance(node, dict):
        return ""
    match node.get("t"):
        case "Str":
            return node["c"]
        case "Code" | "CodeBlock" | "Math":
            return node["c"][1]
        case "RawInline" | "RawBlock":  # Tags and remarks.
            return ""
        case "Space" | "SoftBreak" | "LineBreak":
            return " "
        case "Note":
            return ""
        case _:
            return words_of(node.get("c")) + ("" if node.get("t") in ("Emph", "Strong") else " ")


def page(path):
    """The content of a page: without what HTML itself marks as navigation, and without scripts."""
    soup = BeautifulSoup(decoded(path), "lxml")
    for element in soup.select("nav, footer, script, style, noscript, [role=navigation], [role=contentinfo], [hidden]"):
        element.decompose()
    return of_tree(tool(pypandoc.get_pandoc_path(), "-f", "html", "-t", "json", stdin=str(soup).encode()))


def asciidoc(path):
    options = ["-S", "safe", "-a", "sectids!", "-a", "showtitle", "-s", "-o", "-"]
    soup = BeautifulSoup(tool("asciidoctor", *options, str(path)), "lxml")
    headings = [element.get_text() for element in soup.find_all(re.compile("^h[1-6]$"))]
    return Reference(soup.get_text(" "), headings)


# PDF and slides.


def pdf(path):
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)
    with pymupdf.open(path) as document:
        if document.needs_pass:
            raise Unreadable("it needs a password")
        text = "\n".join(page.get_text() for page in document)
        outline = [title for _, title, page in document.get_toc() if page > 0 and title.strip()]
        looked_at = document.pages(0, len(document), max(1, len(document) // TABLE_PAGES))
        tables = [table for page in looked_at for table in ruled_tables(page)]
        return Reference(text, outline, tables)


def ruled_tables(page):
    """Tables with lines around their cells. Frames around a listing, and rules that are underscores, are none: a table
    has three rows and two columns at least, most cells are filled, and none holds a paragraph."""
    if len(page.get_drawings()) > 5000:
        return
    for table in page.find_tables(strategy="lines_strict").tables:
        cells = [cell or "" for row in table.extract() for cell in row]
        filled = [cell for cell in cells if cell.strip()]
        is_table = table.row_count > 2 and table.col_count > 1 and len(filled) >= 0.7 * len(cells)
        if is_table and max(map(len, filled)) <= 200:
            yield " ".join(filled)


def pptx(path):
    from pptx import Presentation

    texts, tables = [], []

    def walk(shapes):
        for shape in shapes:
            if shape.shape_type == 6:
                walk(shape.shapes)
            if shape.has_text_frame:
                texts.append(shape.text_frame.text)
            if getattr(shape, "has_table", False) and shape.has_table:
                tables.append(" ".join(cell.text for row in shape.table.rows for cell in row.cells))

    titles = []
    for slide in Presentation(str(path)).slides:
        walk(slide.shapes)
        if slide.shapes.title is not None:
            titles.append(slide.shapes.title.text)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            texts.append(slide.notes_slide.notes_text_frame.text)
    return Reference("\n".join(texts + tables), titles, tables)


def odp(path):
    tree = ElementTree.fromstring(zipfile.ZipFile(path).read("content.xml"))
    paragraphs = [e for e in tree.iter() if e.tag.endswith(("}p", "}h")) and "text:1.0" in e.tag]
    return Reference("\n".join("".join(paragraph.itertext()) for paragraph in paragraphs))


# Workbooks: the sheets' names and the values, as they are stored.


def cell(value):
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case float():
            return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
        case datetime.datetime() if value.time() == datetime.time():
            return str(value.date())
        case _:
            return str(value)


def sheets(named_rows):
    """From (name, rows of texts)."""
    out, tables = [], []
    for name, rows in named_rows:
        text = "\n".join(" ".join(row) for row in rows)
        if text.strip():
            out += [name, text]
            tables.append(text)
    return Reference("\n".join(out), [], tables)


def xlsx(path):
    if path.suffix == ".xlsb":
        return xlsb(path)
    import openpyxl

    book = openpyxl.load_workbook(path, data_only=True)
    shown = [sheet for sheet in book.worksheets if sheet.sheet_state != "veryHidden"]
    return sheets((s.title, [[cell(v) for v in row] for row in s.iter_rows(values_only=True)]) for s in shown)


def xlsb(path):
    import pyxlsb

    with pyxlsb.open_workbook(str(path)) as book:
        named = []
        for name in book.sheets:
            with book.get_sheet(name) as sheet:
                named.append((name, [[cell(c.v) for c in row] for row in sheet.rows()]))
        return sheets(named)


def xls(path):
    import xlrd

    if path.read_bytes()[:4] == b"PK\x03\x04":
        return xlsx(path)
    book = xlrd.open_workbook(str(path), logfile=io.StringIO())

    def value(c):
        if c.ctype == 3:
            try:
                shown = cell(xlrd.xldate.xldate_as_datetime(c.value, book.datemode))
            except (ValueError, xlrd.xldate.XLDateError):
                return cell(c.value)
            return shown[-8:] if c.value < 1 else shown
        if c.ctype == 5:
            return xlrd.error_text_from_code.get(c.value, "")
        return str(bool(c.value)).upper() if c.ctype == 4 else cell(c.value)

    return sheets((s.name, [[value(c) for c in s.row(r)] for r in range(s.nrows)]) for s in book.sheets())


def ods(path):
    space = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
    table_, office, text_ = space % "table", space % "office", space % "text"
    named = []
    for table in ElementTree.fromstring(zipfile.ZipFile(path).read("content.xml")).iter(table_ + "table"):
        row = []
        for c in table.iter():
            if c.tag not in (table_ + "table-cell", table_ + "covered-table-cell"):
                continue
            date = c.get(office + "date-value") or c.get(office + "boolean-value")
            shown = " ".join("".join(p.itertext()) for p in c.findall(text_ + "p"))
            shown = date.replace("T00:00:00", "").replace("T", " ") if date else shown
            row += [shown] * min(int(c.get(table_ + "number-columns-repeated", 1)) if shown else 0, 1000)
        named.append((table.get(table_ + "name", ""), [row]))
    return sheets(named)


def doc(path):
    if path.read_bytes()[:2] == b"PK":
        return pandoc("docx")(path)
    return Reference(tool("antiword", "-w", "0", "-m", "UTF-8.txt", str(path)).replace("[pic]", ""))


# Mail, with the attachments that are texts.


def eml(path):
    return Reference(mail(email.message_from_bytes(path.read_bytes(), policy=email.policy.default)))


def mail(message):
    date = message["date"].datetime.isoformat(" ") if message.get("date") and message["date"].datetime else None
    out = [headed(*(message.get(name) for name in ("subject", "from", "to", "cc")), date)]
    kind = message.get_content_type()
    if kind == "message/rfc822":
        return "\n".join([*out, mail(message.get_content())])
    if kind == "multipart/digest" or message.get_body(("plain", "html")) is None and message.is_multipart():
        inner = [one for one in message.iter_parts() if one.get_content_type() == "message/rfc822"]
        out += [mail(one.get_content()) for one in inner]
    body = message.get_body(("plain", "html"))
    if body is not None:
        out.append(part(body))
    for attachment in message.iter_attachments() if kind.startswith("multipart/m") else ():
        kind = attachment.get_content_type()
        out.append(attachment.get_filename() or "")
        if kind == "message/rfc822":
            out.append(mail(attachment.get_content()))
        elif kind.startswith("text/"):
            out.append(part(attachment))
        elif not kind.startswith(("image/", "audio/", "video/")):
            raise Unreadable(f"it has an attachment of type {kind}")
    return "\n".join(out)


def headed(subject, sender, to, cc, date):
    """As mails are printed. Programs differ in how they write midnight in Greenwich."""
    lines = [("From", sender), ("To", to), ("Cc", cc), ("Date", date and date.replace("+00:00", "Z"))]
    return "\n".join([str(subject or ""), *(f"{name}: {value}" for name, value in lines if value)])


def part(message):
    try:
        text = message.get_content()
    except (LookupError, KeyError) as error:
        raise Unreadable(str(error)) from error
    return BeautifulSoup(text, "lxml").get_text(" ") if message.get_content_type() == "text/html" else text


def msg(path):
    import extract_msg

    return Reference(outlook(extract_msg.openMsg(str(path))))


def outlook(message):
    body = message.body
    if not (body and body.strip()):
        body = BeautifulSoup(message.htmlBody or b"", "lxml").get_text(" ")
    date = message.date and message.date.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
    people = [re.sub(r"(\S+@\S+) <\1>", r"\1", one or "") for one in (message.sender, message.to, message.cc)]
    out = [headed(message.subject, *people, date), body]
    for attachment in message.attachments:
        name = attachment.getFilename() or ""
        if not isinstance(attachment.data, bytes):
            out.append(outlook(attachment.data) if attachment.data is not None else "")
        elif name.lower().endswith((".txt", ".eml")):
            out += [name, attachment.data.decode("utf8", "replace")]
        elif not name.lower().endswith((".png", ".jpg", ".jpeg", ".gif", ".bmp", ".wmf", ".emf")):
            raise Unreadable(f"it has the attachment {name}")
    return "\n".join(str(piece or "") for piece in out)


# Data.


def data(path):
    out = []

    def walk(value):
        match value:
            case dict():
                for key, inner in value.items():
                    if inner not in (None, "", [], {}):
                        out.append(key)
                    walk(inner)
            case list():
                for inner in value:
                    walk(inner)
            case bool():
                out.append(str(value).lower())
            case None:
                pass
            case _:
                out.append(str(value))

    text = decoded(path)
    for piece in text.splitlines() if path.suffix in (".jsonl", ".ndjson") else [text]:
        if piece.strip():
            walk(json.loads(piece))
    return Reference("\n".join(out))


def notebook(path):
    book, out = json.loads(decoded(path)), []
    joined = lambda text: "".join(text) if isinstance(text, list) else str(text or "")
    for one in book.get("cells") or [c for sheet in book.get("worksheets", []) for c in sheet["cells"]]:
        out.append(joined(one.get("source", one.get("input"))))
        for output in one.get("outputs", []):
            shown = output.get("data", output)
            text = next((shown[k] for k in ("text/markdown", "text/plain", "text") if k in shown), None)
            text = joined(text) if text is not None else " ".join(str(output.get(k, "")) for k in ("ename", "evalue"))
            out.append(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)[:OUTPUT_CHARS])
    return Reference("\n".join(out))


def xml(path):
    root = ElementTree.fromstring(path.read_bytes())
    local = lambda name: name.rsplit("}", 1)[-1]
    if local(root.tag) in ("topic", "concept", "task", "reference", "dita", "map"):
        return dita(path)
    pieces = []
    for e in root.iter():
        if isinstance(e.tag, str):
            pieces += [local(e.tag), *(f"{local(k)} {v}" for k, v in e.attrib.items()), e.text or "", e.tail or ""]
    return Reference(" ".join(pieces))


def dita(path):
    root = ElementTree.fromstring(path.read_bytes())
    titles = ["".join(e.itertext()) for e in root.iter("title")] if root.tag != "map" else []
    named = [e.get("navtitle") or e.get("title") or "" for e in root.iter()] if root.tag == "map" else []
    return Reference("\n".join([*root.itertext(), *named]), titles)


READERS = {
    "pdf": pdf, "docx": pandoc("docx"), "pptx": pptx, "xlsx": xlsx, "ods": ods, "csv": plain, "doc": doc, "xls": xls,
    "ppt": lambda path: Reference(tool("catppt", "-d", "utf-8", str(path))), "odt": pandoc("odt"), "odp": odp,
    "rtf": pandoc("rtf"), "epub": pandoc("epub"), "eml": eml, "msg": msg, "html": page, "md": pandoc("gfm"),
    "rst": pandoc("rst"), "adoc": asciidoc, "txt": plain, "json": data, "jsonl": data, "xml": xml,
    "docbook": pandoc("docbook"), "dita": dita, "ipynb": notebook, "code": plain,
}  # fmt: skip
