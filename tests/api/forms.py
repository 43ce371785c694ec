"""A form as a browser sends it, read from the page alone."""

from __future__ import annotations

from html.parser import HTMLParser


class Forms(HTMLParser):
    """`sent`: (name, text) of every field that a browser would send, in order; buttons apart. Follows the
    standard where it changes a text: line breaks of a field of one line, the first one of a text area, CR LF
    in what is sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self.buttons: list[tuple[str, str]] = []
        self._select: tuple[str, list[tuple[str, bool]]] | None = None
        self._area: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: text or "" for name, text in attrs}
        kind = found.get("type", "text")
        if tag == "input" and "name" in found:
            text = found.get("value", "on" if kind == "checkbox" else "")
            if kind not in ("checkbox", "radio") or "checked" in found:
                self.sent.append((found["name"], _as_sent(text, kind)))
        elif tag == "button" and "name" in found:
            self.buttons.append((found["name"], found.get("value", "")))
        elif tag == "select":
            self._select = (found["name"], [])
        elif tag == "option" and self._select is not None:
            self._select[1].append((found["value"], "selected" in found))
        elif tag == "textarea":
            self._area = (found["name"], [])

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self._select is not None:
            name, options = self._select
            chosen = [value for value, is_chosen in options if is_chosen] or [options[0][0]]
            self.sent.append((name, chosen[-1]))
            self._select = None
        elif tag == "textarea" and self._area is not None:
            name, parts = self._area
            text = "".join(parts).replace("\r\n", "\n").replace("\r", "\n").removeprefix("\n")
            self.sent.append((name, text.replace("\n", "\r\n")))
            self._area = None


def _as_sent(text: str, kind: str) -> str:
    if kind == "hidden":
        return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    return text.replace("\r", "").replace("\n", "")


def form_of(page: str) -> Forms:
    found = Forms()
    found.feed(page)
    found.close()
    return found
