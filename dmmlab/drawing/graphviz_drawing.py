"""Drawings: a Graphviz digraph that renders itself, with nothing installed by hand.

pygraphviz carries the Graphviz libraries, and the font comes with matplotlib, so a drawing is the
same on every machine.
"""

import contextlib
import html
import io
import json
import os
import re
import struct
import tempfile
import threading
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import graphviz

from ..core.errors import LabError, one_of
from ..core.files import write_bytes
from .tikz import as_tikz

FORMATS = ("svg", "pdf", "png", "eps", "gv", "tex")
FONT = "DejaVu Sans"
ONE_AT_A_TIME = threading.Lock()  # Graphviz is not made for threads: two that draw at once abort the process


MOST_BYTES = 16_000  # of one text: Graphviz reads no longer ones
MOST_DOTS = 32_767, 150_000_000  # of a PNG: of each side, and in all, which is 600 MB while it is drawn
USUAL_DPI = 300
NO_ROOM = "in spline routing"  # Graphviz complains of a layout that leaves a link no room
OTHER_WAYS: tuple[dict[str, str], ...] = ({}, {"ranksep": "0.9"}, {"nodesep": "0.5"}, {"splines": "polyline"})
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|[^<>"]+')  # in DOT, a quoted text, or one in a label like HTML


class DrawingError(LabError):
    """A drawing that cannot be made."""


def as_label(text: str) -> str:
    """A label or a tooltip of DOT that shows a text as it is.

    Graphviz reads ``\\N``, and ``&lt;`` as in HTML.
    """
    return graphviz.escape(text.replace("&", "&amp;"))


def check_text(text: str) -> None:
    """Raises :class:`DrawingError` for letters that no picture has, and for very long texts.

    No picture has halves of characters (lone surrogates), what is no character at all, or what
    steers a terminal.
    """
    for c in set(text):
        nothing = ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF
        if (nothing or unicodedata.category(c) in ("Cc", "Cs")) and c not in "\n\t":
            raise DrawingError(f"a drawing cannot have the letter {c!r}, which is in a name or a title")
    longest = max((len(part.encode()) for part in TEXT.findall(text)), default=0)
    if longest > MOST_BYTES:
        raise DrawingError(f"a name or a title takes {longest:,} bytes; a drawing has at most {MOST_BYTES:,}")


class Drawing(graphviz.Digraph):
    """A ``graphviz.Digraph`` that renders in this process, whether or not a ``dot`` is installed.

    With ``layout=nop2``, nodes and links have their places already.
    """

    def __repr__(self) -> str:
        return f"<Drawing, {len(self.source.splitlines())} lines of DOT>"  # and no address, which changes in every run

    @property
    def placed(self) -> dict[str, Any]:
        """Where Graphviz puts everything: its JSON, in points."""
        return json.loads(self._render("json"))

    def pipe(  # type: ignore[override]
        self, format: str | None = None, *, dpi: int = 96, width: float | None = None, **_: object
    ) -> bytes:
        """The drawing as bytes.

        Args:
            format: ``svg`` (if left out), ``pdf``, ``png``, ``eps``, ``gv``, or ``tex`` for TikZ.
            dpi: dots per inch of a PNG, which says so itself.
            width: in cm; the height, the letters and the lines follow. As large as letters of 8 to
                11 points make it, if left out.

        Raises :class:`DrawingError` for another format, for a width that is no width, for letters
        that cannot be drawn, for EPS with letters that are not Latin, and for a PNG of too many
        dots.
        """
        format = format or "svg"
        if format not in FORMATS:
            raise DrawingError(one_of("format", format, FORMATS))
        if width is not None and not 0.5 <= width <= 500:
            raise DrawingError(f"width: expected from 0.5 to 500 cm, got {width:g}")
        check_text(self.source)
        if format == "gv":
            return self._with_width(width).source.encode()
        if format == "tex":
            return as_tikz(self.placed, width).encode()
        if format == "png":
            self._check_dots(dpi, width)
        size = "" if width is None else f" -Gsize={_size(width)}"
        drawn = self._render(format, f"-Gmargin=0{size}{f' -Gdpi={dpi}' if format == 'png' else ''}")
        if format == "png":
            return _with_resolution(drawn, dpi)
        return _with_fallback_font(drawn) if format == "svg" else drawn

    def _check_dots(self, dpi: int, width: float | None) -> None:
        """Where there may be too many, which is seen by laying the drawing out once more."""
        if width is None and dpi <= USUAL_DPI and max(map(len, TEXT.findall(self.source))) <= 1000:
            return
        left, low, right, high = map(float, self.placed["bb"].split(","))
        across = dpi * ((right - left + 8) / 72 if width is None else width / 2.54)
        up = across * (high - low + 8) / (right - left + 8)
        if max(across, up) > MOST_DOTS[0] or across * up > MOST_DOTS[1]:
            raise DrawingError(
                f"a PNG of {across:,.0f} x {up:,.0f} dots is too large to be drawn: take fewer than {dpi} dots per inch, "
                "or SVG or PDF"
            )

    def _with_width(self, width: float | None) -> "Drawing":
        if width is None:
            return self
        sized = self.copy()
        sized.attr(size=_size(width))
        return sized

    def _render(self, format: str, options: str = "") -> bytes:
        with ONE_AT_A_TIME:
            _load_bundled_font()
            for attributes in OTHER_WAYS:
                drawing = self.copy() if attributes else self
                drawing.attr(**attributes)
                source = _for_postscript(drawing.source) if format == "eps" else drawing.source
                with _stderr_of_graphviz() as said:
                    drawn = _render(source, format, options, self.graph_attr.get("layout", "dot"))
                if NO_ROOM not in "".join(said):
                    break
            return drawn

    def save_as(self, path: str | os.PathLike, dpi: int = 300, width: float | None = None) -> Path:
        """Writes the drawing in the format that the file's ending names, whole or not at all.

        Args:
            path: the file.
            dpi: dots per inch of a PNG.
            width: in cm, such as that of a column in a paper; see :meth:`pipe`.

        Returns:
            The path.

        Raises:
            DrawingError: an ending that names no format, or a width that is no width.
            FileError: the file cannot be written.
        """
        path = Path(path)
        if not path.suffix:
            raise DrawingError(f"{path}: the name must end in one of {', '.join('.' + f for f in FORMATS)}")
        write_bytes(path, self.pipe(path.suffix.removeprefix(".").lower(), dpi=dpi, width=width))
        return path

    def _repr_mimebundle_(self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **_):
        # PNG beside SVG: viewers that do not trust the notebook show the PNG, as large as the SVG
        # (96 pixels an inch).
        fine = 1.5 if len(self.source) < 100_000 else 1.0
        png = self._render("png", f"-Gdpi={round(96 * fine)}")
        png = png if fine > 1 else _in_few_colours(png)
        data = {"image/svg+xml": self.pipe("svg").decode(), "image/png": png}
        return data, {"image/png": {"width": round(int.from_bytes(png[16:20]) / fine)}}


@cache
def _load_bundled_font() -> None:
    """Starts Graphviz with matplotlib's fonts and no others, for the same drawing everywhere.

    Graphviz asks fontconfig for its fonts once in the life of a process; the environment is then
    put back.
    """
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    before = os.environ.get("FONTCONFIG_FILE")
    with tempfile.TemporaryDirectory() as folder, _stderr_of_graphviz():  # fontconfig warns of system files
        config = Path(folder) / "fonts.conf"
        config.write_text(
            f"<fontconfig><dir>{html.escape(str(fonts))}</dir><cachedir>{html.escape(folder)}</cachedir>"
            "<config><rescan><int>0</int></rescan></config></fontconfig>\n"
        )
        os.environ["FONTCONFIG_FILE"] = str(config)
        try:
            _render(f'digraph {{ node [fontname="{FONT}"] a [label=<a<b>b</b>>] }}', "svg")
        finally:
            del os.environ["FONTCONFIG_FILE"]
            if before is not None:
                os.environ["FONTCONFIG_FILE"] = before


@contextlib.contextmanager
def _stderr_of_graphviz() -> Iterator[list[str]]:
    """What C libraries write on standard error goes into the list, not on the screen."""
    said: list[str] = []
    saved = os.dup(2)
    with tempfile.TemporaryFile("w+", errors="replace") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            file.seek(0)
            said += file


def _render(source: str, format: str, options: str = "", engine: str = "dot") -> bytes:
    import pygraphviz  # here, because it loads Graphviz, and Graphviz the fonts

    try:
        return pygraphviz.AGraph(string=source).draw(format=format, prog=engine, args=options)
    except (pygraphviz.DotError, OSError) as error:
        raise DrawingError(f"Graphviz cannot draw this: {str(error).splitlines()[0] if str(error) else error!r}") from None


def _size(width: float) -> str:
    """A width in cm as Graphviz's ``size``, in inches: that width, whatever the height."""
    return f"{width / 2.54:.5f},10000!"


def _with_resolution(png: bytes, dpi: int) -> bytes:
    """The same picture, which says how many dots an inch has; Graphviz leaves that out.

    PNG has a piece of its own for this, after the header of 33 bytes, in dots per metre. To unpack
    a large picture and pack it again would take seconds.
    """
    body = b"pHYs" + struct.pack(">IIB", *[round(dpi / 0.0254)] * 2, 1)
    return png[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]


def _in_few_colours(png: bytes) -> bytes:
    """A fifth of the bytes: a thousand fine lines do not compress in true colour."""
    from PIL import Image

    small, picture = io.BytesIO(), Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(128, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


def _for_postscript(source: str) -> str:
    """The source with what Graphviz's PostScript has: Helvetica, and Latin letters."""
    source = source.replace(f"{FONT} Bold", "Helvetica-Bold").replace(FONT, "Helvetica").replace("−", "-")
    for c in source:
        if c > "\xff":
            raise DrawingError(f"an EPS drawing has Latin letters alone, not {c!r}; write a pdf instead")
    return source


def _with_fallback_font(svg: bytes) -> bytes:
    # Verdana has the widths of DejaVu Sans, where a reader has no DejaVu.
    fallback = f'font-family="{FONT}, Verdana, sans-serif"'
    svg = svg.replace(f'font-family="{FONT}"'.encode(), fallback.encode())
    svg = svg.replace(f'font-family="{FONT} Bold"'.encode(), f'{fallback} font-weight="bold"'.encode())
    return svg.replace(b'\n viewBox="', b' style="max-width: 100%; height: auto"\n viewBox="', 1)  # no wider than its place
