"""Reading pages in tests: with the parser of the standard library, so that what a browser would see is what counts."""

import csv
import json
from html.parser import HTMLParser


class Page(HTMLParser):
    """Tags with their attributes, and the text inside every element by its tag and position."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.words, self.scripts, self.rows, self.heads = [], [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self.open.append(tag)
        if tag == "script":
            self.scripts.append([attributes, ""])
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts[-1][1] += data
        elif "style" not in self.open:
            self.words.append(data)
            if {"td", "th"} & set(self.open):
                self.rows[-1][-1] += data

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    @property
    def data(self):
        """What the page hands to its scripts."""
        (found,) = [text for attributes, text in self.scripts if attributes.get("type") == "application/json"]
        return json.loads(found)

    def table(self, first_title):
        """Titles and rows, stripped, of the table that starts with a title."""
        rows = [[cell.strip() for cell in row] for row in self.rows]
        start = next(i for i, row in enumerate(rows) if row and row[0] == first_title)
        length = len(rows[start])
        body = []
        for row in rows[start + 1 :]:
            if len(row) != length:
                break
            body.append(row)
        return rows[start], body


def read_rows(path):
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def write_rows(path, rows):
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def edit_run(folder, **changes):
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
