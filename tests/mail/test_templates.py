"""Every template renders in every language, says all of what it is given, and nothing of it is believed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest

from backend.mail.catalogue import LOCALES, TEMPLATES, Channel, Choice, Template, Values, template_of
from backend.mail.rendering import FOLDER, SUBJECT, Rendered, one_line, render

PANEL = "https://panel.example.com"
LETTERS = [template for template in TEMPLATES.values() if template.channel is Channel.EMAIL]
EACH = pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda one: one.name)
EACH_LETTER = pytest.mark.parametrize("template", LETTERS, ids=lambda one: one.name)
EACH_LOCALE = pytest.mark.parametrize("locale", LOCALES)
HOSTILE = "<script>alert(1)</script>\r\nBcc: eve@example.com\r\n\r\n\"'&\u202e{{ panel_url }}\x00 end"
# Segments of a message: Cyrillic counts 70 signs in the first, Latin 160.
LONGEST_MESSAGE = {"en": 160, "ru": 140}


def rendered(template: Template, locale: str, values: Values | None = None) -> Rendered:
    given = template.sample if values is None else values
    return render(template, locale, given, panel_url=PANEL, recipient="ada@example.com")


def hostile(template: Template, values: Values) -> Values:
    kept = {name for name, value in template.sample.items() if isinstance(value, int | Choice)}
    return {name: value if name in kept else HOSTILE for name, value in values.items()}


def samples(template: Template) -> list[Values]:
    """The sample with every choice that it offers."""
    choices = {name: value.among for name, value in template.sample.items() if isinstance(value, Choice)}
    chosen = (dict(zip(choices, words, strict=True)) for words in product(*choices.values()))
    return [{**template.sample, **words} for words in chosen]


def shown(template: Template) -> list[str]:
    return [str(value) for value in template.sample.values() if not isinstance(value, Choice)]


class Tags(HTMLParser):
    """Tags in their order, attributes that run things, where links lead, and whether all is closed."""

    VOID = ("meta", "br", "hr", "img")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.running: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "href":
                self.links.append(value or "")
            if name.startswith("on") or name == "src":
                self.running.append(name)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@EACH
@EACH_LOCALE
def test_renders(template: Template, locale: str) -> None:
    for values in samples(template):
        made = rendered(template, locale, values)
        for text in filter(None, (made.subject, made.text, made.html)):
            assert "{{" not in text
            assert "{%" not in text
            assert "None" not in text
    made = rendered(template, locale)
    assert not re.search(r"\n{4}|[ \t]$", made.text.replace("-- \n", ""), re.MULTILINE)
    for value in shown(template):
        assert value in made.text, "the text says less than it is given"


@EACH_LETTER
@EACH_LOCALE
def test_a_letter(template: Template, locale: str) -> None:
    made = rendered(template, locale)
    assert made.subject is not None
    assert made.html is not None
    assert 5 <= len(made.subject) <= 78
    assert made.subject == made.subject.strip()
    page = Tags(made.html)
    assert page.open == []
    assert page.running == []
    assert page.tags.count("h1") == 1
    assert not {"script", "img", "link", "form", "iframe"} & set(page.tags)
    # What the HTML leads to the text leads to too, and what the values say is in both.
    assert set(page.links) <= set(re.findall(r"https?://\S+", made.text))
    for value in shown(template):
        assert value in page.words or value in page.links
    assert f'<html lang="{locale}">' in made.html
    bare = re.findall(r"<(?:p|h1|ul|li)>", made.html)
    assert bare == [], "an element of the template has no style"


@EACH
@EACH_LOCALE
def test_hostile_values(template: Template, locale: str) -> None:
    for values in samples(template):
        plain = rendered(template, locale, values)
        made = rendered(template, locale, hostile(template, values))
        if made.subject is not None and made.html is not None and plain.html is not None:
            assert not re.search(r"[\r\n\x00\u202e]", made.subject)
            assert Tags(made.html).tags == Tags(plain.html).tags
            assert "<script" not in made.html
        assert made.text.count("\n") == plain.text.count("\n"), "a value made a line of its own"
        assert not re.search(r"(?m)^Bcc:", made.text)


@EACH
def test_values_are_those_declared(template: Template) -> None:
    template.check(template.sample)
    with pytest.raises(ValueError, match="surplus"):
        template.check({**template.sample, "surplus": "x"})
    for name in template.sample:
        with pytest.raises(ValueError, match=name):
            template.check({other: value for other, value in template.sample.items() if other != name})


def test_choices_are_those_declared() -> None:
    template = Template("a", Channel.EMAIL, {"role": Choice("owner", "viewer")})
    template.check({"role": "viewer"})
    with pytest.raises(ValueError, match="role"):
        template.check({"role": "admiral"})


@EACH
@EACH_LOCALE
def test_a_message_is_short(template: Template, locale: str) -> None:
    if template.channel is Channel.SMS:
        assert len(rendered(template, locale).text) <= LONGEST_MESSAGE[locale]


def test_the_languages_differ() -> None:
    for template in TEMPLATES.values():
        one, other = (rendered(template, locale) for locale in LOCALES)
        assert one.text != other.text
        assert re.search("[а-я]", other.text)
        assert not re.search("[а-я]", one.text.replace(other.text, ""))


def test_files_and_catalogue_agree() -> None:
    wanted = {"footer.txt"}
    for template in TEMPLATES.values():
        wanted.add(f"{template.name}.txt")
        if template.channel is Channel.EMAIL:
            wanted.add(f"{template.name}.html")
    for locale in LOCALES:
        assert {path.name for path in (FOLDER / locale).iterdir()} == wanted, locale
    assert {path.name for path in FOLDER.iterdir()} == {"base.html", "parts.html", *LOCALES}


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("*/*.txt")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_a_subject_belongs_to_letters(path: Path) -> None:
    letter = TEMPLATES.get(path.stem) in LETTERS
    assert path.read_text().startswith(SUBJECT) == letter


def test_there_is_no_other_template() -> None:
    for name, channel in (("nothing", Channel.EMAIL), ("../base", Channel.EMAIL), ("test", Channel.SMS)):
        with pytest.raises(ValueError, match="there is no"):
            template_of(name, channel)


def test_one_line() -> None:
    assert one_line("a\r\n b\t\x00c\u2028d\u202ee") == "a b c d e"
    assert one_line(7) == 7
