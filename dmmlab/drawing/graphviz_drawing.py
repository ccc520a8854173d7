"""Drawings: Graphviz digraphs that render without a separate installation of Graphviz.

pygraphviz brings the Graphviz libraries, and matplotlib brings the font. So a drawing is the same
on every computer.
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
ONE_AT_A_TIME = threading.Lock()  # Graphviz is not thread-safe: two threads that draw at once abort the process


MOST_BYTES = 16_000  # of one text: Graphviz cannot read longer ones
MOST_DOTS = 32_767, 150_000_000  # of a PNG: per side, and in total, which takes 600 MB during drawing
USUAL_DPI = 300
NO_ROOM = "in spline routing"  # Graphviz's complaint about a layout that leaves no room for a link
OTHER_WAYS: tuple[dict[str, str], ...] = ({}, {"ranksep": "0.9"}, {"nodesep": "0.5"}, {"splines": "polyline"})
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|[^<>"]+')  # in DOT: a quoted text, or one in an HTML-like label


class DrawingError(LabError):
    """Raised when a drawing cannot be made."""


def as_label(text: str) -> str:
    """Escapes a text, so that a DOT label or tooltip shows it literally.

    Graphviz would otherwise interpret ``\\N``, and ``&lt;`` as in HTML.
    """
    return graphviz.escape(text.replace("&", "&amp;"))


def check_text(text: str) -> None:
    """Raises :class:`DrawingError` for characters that cannot be drawn, and for very long texts.

    Lone surrogates, Unicode noncharacters and control characters cannot be drawn.
    """
    for c in set(text):
        nothing = ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF
        if (nothing or unicodedata.category(c) in ("Cc", "Cs")) and c not in "\n\t":
            raise DrawingError(f"a drawing cannot have the letter {c!r}, which is in a name or a title")
    longest = max((len(part.encode()) for part in TEXT.findall(text)), default=0)
    if longest > MOST_BYTES:
        raise DrawingError(f"a name or a title takes {longest:,} bytes; a drawing has at most {MOST_BYTES:,}")


class Drawing(graphviz.Digraph):
    """A ``graphviz.Digraph`` that renders in this process, whether or not ``dot`` is installed.

    With ``layout=nop2``, nodes and links already have positions.
    """

    def __repr__(self) -> str:
        return f"<Drawing, {len(self.source.splitlines())} lines of DOT>"  # no address: it changes in every run

    @property
    def placed(self) -> dict[str, Any]:
        """Graphviz's layout as JSON data, with positions in points."""
        return json.loads(self._render("json"))

    def pipe(  # type: ignore[override]
        self, format: str | None = None, *, dpi: int = 96, width: float | None = None, **_: object
    ) -> bytes:
        """Renders the drawing and returns it as bytes.

        Args:
            format: ``svg`` (the default), ``pdf``, ``png``, ``eps``, ``gv``, or ``tex`` for TikZ.
            dpi: dots per inch of a PNG, also stored in it.
            width: in cm; height, letters and lines scale with it. By default, letters have 8 to 11
                points.

        Raises :class:`DrawingError` for another format, an invalid width, characters that cannot be
        drawn, EPS with letters that are not Latin, and a PNG of too many dots.
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
        """Raises :class:`DrawingError` for too many dots. Doubtful cases cost one more layout."""
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
        """Writes the drawing atomically, in the format that the file's ending names.

        Args:
            path: the file.
            dpi: dots per inch of a PNG.
            width: in cm, such as that of a column in a paper; see :meth:`pipe`.

        Returns:
            The path.

        Raises:
            DrawingError: an ending that names no format, or an invalid width.
            FileError: the file cannot be written.
        """
        path = Path(path)
        if not path.suffix:
            raise DrawingError(f"{path}: the name must end in one of {', '.join('.' + f for f in FORMATS)}")
        write_bytes(path, self.pipe(path.suffix.removeprefix(".").lower(), dpi=dpi, width=width))
        return path

    def _repr_mimebundle_(self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **_):
        # PNG beside SVG: viewers that do not trust the notebook show the PNG, as large as the SVG
        # (96 pixels per inch).
        fine = 1.5 if len(self.source) < 100_000 else 1.0
        png = self._render("png", f"-Gdpi={round(96 * fine)}")
        png = png if fine > 1 else _in_few_colours(png)
        data = {"image/svg+xml": self.pipe("svg").decode(), "image/png": png}
        return data, {"image/png": {"width": round(int.from_bytes(png[16:20]) / fine)}}


@cache
def _load_bundled_font() -> None:
    """Starts Graphviz with matplotlib's fonts only, so that drawings are the same everywhere.

    Graphviz asks fontconfig for its fonts once per process. Afterwards the environment is restored.
    """
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    before = os.environ.get("FONTCONFIG_FILE")
    with tempfile.TemporaryDirectory() as folder, _stderr_of_graphviz():  # fontconfig warns about system files
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
    """Redirects standard error of C libraries from the screen into the list."""
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
    import pygraphviz  # here, because it loads Graphviz, which loads the fonts

    try:
        return pygraphviz.AGraph(string=source).draw(format=format, prog=engine, args=options)
    except (pygraphviz.DotError, OSError) as error:
        raise DrawingError(f"Graphviz cannot draw this: {str(error).splitlines()[0] if str(error) else error!r}") from None


def _size(width: float) -> str:
    """Converts a width in cm to Graphviz's ``size`` in inches: this width, at any height."""
    return f"{width / 2.54:.5f},10000!"


def _with_resolution(png: bytes, dpi: int) -> bytes:
    """Adds the dots per inch to a PNG; Graphviz leaves them out.

    PNG stores them as dots per metre, in a chunk after the header of 33 bytes. To decode and encode
    a large picture again would take seconds.
    """
    body = b"pHYs" + struct.pack(">IIB", *[round(dpi / 0.0254)] * 2, 1)
    return png[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + png[33:]


def _in_few_colours(png: bytes) -> bytes:
    """Shrinks a PNG to a fifth with 128 colours; thin lines do not compress in true colour."""
    from PIL import Image

    small, picture = io.BytesIO(), Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(128, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


def _for_postscript(source: str) -> str:
    """Adapts the source to Graphviz's PostScript, which has Helvetica and Latin letters only."""
    source = source.replace(f"{FONT} Bold", "Helvetica-Bold").replace(FONT, "Helvetica").replace("−", "-")
    for c in source:
        if c > "\xff":
            raise DrawingError(f"an EPS drawing has Latin letters alone, not {c!r}; write a pdf instead")
    return source


def _with_fallback_font(svg: bytes) -> bytes:
    # Where DejaVu Sans is missing, Verdana has the same widths.
    fallback = f'font-family="{FONT}, Verdana, sans-serif"'
    svg = svg.replace(f'font-family="{FONT}"'.encode(), fallback.encode())
    svg = svg.replace(f'font-family="{FONT} Bold"'.encode(), f'{fallback} font-weight="bold"'.encode())
    return svg.replace(b'\n viewBox="', b' style="max-width: 100%; height: auto"\n viewBox="', 1)  # no wider than its container
