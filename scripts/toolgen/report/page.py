"""The page: its sections laid into page.html, with style.css in it. It holds no script and may load nothing."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from .parts import Section

HERE = Path(__file__).parent


def breakable(name: str) -> Markup:
    """A tool's name that may be broken into lines behind its underscores and before its verb."""
    return Markup(str(escape(name)).replace("_", "_<wbr>").replace("&amp;&amp;", "<wbr>&amp;&amp;"))


def coded(line: str) -> Markup:
    """A line of text whose words between backticks are code."""
    return Markup("").join(
        Markup("<code>{}</code>").format(breakable(part)) if place % 2 else part
        for place, part in enumerate(line.split("`"))
    )


def render(title: str, subtitle: str, sections: list[Section]) -> str:
    """The whole HTML document. Every text is escaped; only the charts are markup."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"breakable": breakable, "coded": coded}
    style = Markup((HERE / "style.css").read_text(encoding="utf-8"))
    return environment.get_template("page.html").render(
        title=title, subtitle=subtitle, sections=sections, style=style
    )
